"""The console as each role meets it: what opens, what is refused, what an act does, what stays hidden."""

import json
import re
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.test import Client, override_settings
from django.urls import reverse

from tests import borrowers
from tests.worlds import World
from timelyrain import decisioning
from timelyrain.audit.queries import acts_of
from timelyrain.audit.services import seal
from timelyrain.console import roles
from timelyrain.customers.models import PersonalDataRead
from timelyrain.ledger.models import Entry
from timelyrain.origination import registry
from timelyrain.origination.models import Application, DecisionRecord, PolicyVersion, Review
from timelyrain.origination.services import request_review
from timelyrain.runtime import clock, worker
from timelyrain.runtime.admin import ReadOnlyAdmin
from timelyrain.runtime.crypto import encrypt
from timelyrain.runtime.ids import new_id
from timelyrain.runtime.models import Saga, SagaStatus
from timelyrain.runtime.problems import NotAllowed
from timelyrain.servicing.models import Loan

PAGES = sorted(
    (model for model, page in admin.site._registry.items() if isinstance(page, ReadOnlyAdmin)),
    key=lambda model: model._meta.label,
)


def url(model: Any, what: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.label_lower.replace('.', '_')}_{what}", args=args)


def listed(page: str) -> str:
    return reverse(f"admin:{page.replace('.', '_')}_changelist")


@pytest.fixture(scope="module")
def lent(platform: World) -> tuple[borrowers.Applicant, UUID]:
    """A borrower with a running loan, everything that led to it in the books, and acts sealed."""
    who, loan = borrowers.with_loan(platform)
    worker.run_due_jobs()
    seal()
    return who, loan


@pytest.fixture(scope="module")
def staff(platform: World) -> dict[str, Client]:
    """A signed-in browser per role, by the password that was handed out."""
    clients = {}
    for login in roles.ensure_demo_users():
        clients[login.role] = Client()
        page = clients[login.role].post(
            "/console/login/?next=/console/", {"username": login.username, "password": login.password}
        )
        assert location(page) == "/console/"
    return clients


@pytest.fixture
def application(lent: tuple[borrowers.Applicant, UUID]) -> Application:
    return Application.objects.get(borrower_id=lent[0].borrower.id)


def told(response: Any) -> str:
    """The page after a redirect, with the sentences it was given."""
    return response.content.decode()


def location(response: Any) -> str:
    return response.headers["Location"]


def columns(row: Any) -> dict[str, Any]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def shown(response: Any) -> dict[str, Any]:
    """What the template was given."""
    return response.context_data


# --- what opens ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", PAGES, ids=lambda model: model._meta.label)
def test_the_auditor_opens_every_list_and_record(
    model: Any, staff: dict[str, Client], lent: tuple[borrowers.Applicant, UUID]
) -> None:
    for search in ({}, {"q": str(lent[1])}):
        assert staff["auditor"].get(url(model, "changelist"), search).status_code == 200
    if (row := model.objects.first()) is not None:
        page = staff["auditor"].get(url(model, "change", row.pk))
        assert page.status_code == 200, page.headers


@pytest.mark.parametrize("model", PAGES, ids=lambda model: model._meta.label)
def test_nobody_changes_a_record_by_hand(
    model: Any, staff: dict[str, Client], lent: tuple[borrowers.Applicant, UUID]
) -> None:
    root = User.objects.get_or_create(username="root", is_staff=True, is_superuser=True)[0]
    superuser = Client()
    superuser.force_login(root)
    row = model.objects.first()
    before = model.objects.count()
    for client in (superuser, staff["auditor"], staff["operations"]):
        assert client.post(url(model, "add"), {}).status_code == 403
        if row is not None:
            assert client.post(url(model, "change", row.pk), {"shard": 3}).status_code == 403
            assert client.post(url(model, "delete", row.pk), {"post": "yes"}).status_code == 403
        gone = {"action": "delete_selected", "_selected_action": [str(getattr(row, "pk", ""))], "post": "yes"}
        client.post(url(model, "changelist"), gone)
    assert model.objects.count() >= before
    if row is not None:
        assert model.objects.filter(pk=row.pk).exists()


def test_a_list_is_found_by_id_and_narrowed(staff: dict[str, Client], application: Application) -> None:
    auditor = staff["auditor"]
    found = auditor.get(url(Application, "changelist"), {"q": str(application.borrower_id)})
    assert [row.pk for row in shown(found)["cl"].result_list] == [application.pk]
    nobody = auditor.get(url(Application, "changelist"), {"q": "nobody"})
    assert not shown(nobody)["cl"].result_list
    declined = auditor.get(url(Application, "changelist"), {"state": "declined"})
    assert {row.state for row in shown(declined)["cl"].result_list} <= {"declined"}


def test_the_dashboard_tells_each_role_its_own(
    staff: dict[str, Client], lent: tuple[borrowers.Applicant, UUID]
) -> None:
    auditor = staff["auditor"].get("/console/").content.decode()
    assert "试算平衡" in auditor and "借贷平衡" in auditor and "审计日志" in auditor and "<svg" in auditor
    risk = staff["risk"].get("/console/").content.decode()
    assert "申请结果" in risk and "试算平衡" not in risk
    assert "申请结果" not in staff["administrator"].get("/console/").content.decode()


def test_english_for_those_who_ask(staff: dict[str, Client], application: Application) -> None:
    page = staff["auditor"].get(url(Application, "change", application.pk), headers={"accept-language": "en"})
    text = page.content.decode()
    assert "Source reads" in text and "Decision" in text and "信息来源查询" not in text
    chosen = Client()
    chosen.post("/language", {"language": "en", "next": "/console/"})
    assert 'lang="en"' in chosen.get("/console/login/").content.decode()


def test_strangers_see_the_login_page_only(application: Application) -> None:
    for path in ("/console/", url(Application, "changelist"), url(Application, "change", application.pk)):
        assert location(Client().get(path)).startswith("/console/login/")


# --- what is refused -------------------------------------------------------------------------------------------

REFUSED = {
    "risk": ("runtime.saga", "ledger.account", "customers.borrower", "audit.act", "auth.user"),
    "operations": ("customers.personaldataread", "origination.policyversion", "auth.user"),
    "compliance": ("runtime.saga", "ledger.account", "payments.paymentorder", "auth.user"),
    "administrator": ("origination.application", "servicing.loan", "customers.borrower", "ledger.transfer", "audit.act"),
    "auditor": (),
}  # fmt: skip
OPEN = {
    "risk": ("origination.application", "origination.scoringmodel", "servicing.loan"),
    "operations": ("runtime.saga", "origination.review", "payments.paymentorder", "ledger.transfer"),
    "compliance": ("customers.consent", "customers.personaldataread", "audit.act", "agreements.disclosure"),
    "administrator": ("auth.user", "auth.group", "runtime.schedule"),
    "auditor": ("auth.user", "customers.borrower", "ledger.transfer", "runtime.saga"),
}


@pytest.mark.parametrize("role", list(roles.ROLES))
def test_each_role_opens_its_pages_and_no_others(role: str, staff: dict[str, Client]) -> None:
    for page in REFUSED[role]:
        assert staff[role].get(reverse(f"admin:{page.replace('.', '_')}_changelist")).status_code == 403, page
    for page in OPEN[role]:
        assert staff[role].get(reverse(f"admin:{page.replace('.', '_')}_changelist")).status_code == 200, page


def test_a_page_leaves_out_what_the_role_may_not_see(
    staff: dict[str, Client], application: Application
) -> None:
    address = url(Application, "change", application.pk)
    person = f"/console/customers/borrower/{application.borrower_id}/"
    assert person in staff["auditor"].get(address).content.decode()
    assert person not in staff["risk"].get(address).content.decode()


def test_only_the_auditor_sees_everything_and_changes_nothing() -> None:
    roles.ensure_roles()
    granted = Permission.objects.filter(group__name=roles.AUDITOR).values_list("codename", flat=True)
    assert granted and all(name.startswith("view_") for name in granted)


def test_roles_are_what_the_code_says() -> None:
    risk = Group.objects.get(name="risk")
    too_much = Permission.objects.get(codename="change_saga")
    risk.permissions.add(too_much)
    risk.permissions.remove(Permission.objects.get(codename="view_application"))
    roles.ensure_roles()
    roles.ensure_roles()
    names = set(risk.permissions.values_list("codename", flat=True))
    assert "view_application" in names and "change_saga" not in names


def test_no_demo_users_where_money_is_real(platform: World) -> None:
    before = User.objects.count()
    with override_settings(SIMULATED=False), pytest.raises(NotAllowed, match="TIMELYRAIN_SIMULATED"):
        roles.ensure_demo_users()
    assert User.objects.count() == before


# --- people ----------------------------------------------------------------------------------------------------


def test_personal_data_stays_masked_and_the_look_is_written_down(
    staff: dict[str, Client], lent: tuple[borrowers.Applicant, UUID]
) -> None:
    who = lent[0]
    reads = PersonalDataRead.objects.filter(borrower=who.borrower, reader="console:operations")
    before = reads.count()
    text = staff["operations"].get(url(type(who.borrower), "change", who.borrower.pk)).content.decode()
    assert who.person["phone"][-4:] in text and who.person["id_number"][-4:] in text
    for secret in ("phone", "name", "id_number", "bank_card"):
        assert who.person[secret] not in text
    assert reads.count() == before + 1


@pytest.mark.parametrize("model", PAGES, ids=lambda model: model._meta.label)
def test_no_page_of_any_record_shows_personal_data(
    model: Any, staff: dict[str, Client], lent: tuple[borrowers.Applicant, UUID]
) -> None:
    who, loan = lent
    named = {f.attname for f in model._meta.concrete_fields}
    for name, wanted in (
        ("borrower_id", who.borrower.id),
        ("loan_id", loan),
        ("id", loan),
        ("id", who.borrower.id),
    ):
        if name in named and model._meta.get_field(name).get_internal_type() in ("UUIDField", "ForeignKey"):
            for row in model.objects.filter(**{name: wanted})[:3]:
                text = staff["auditor"].get(url(model, "change", row.pk)).content.decode()
                for secret in ("phone", "name", "id_number", "bank_card"):
                    assert who.person[secret] not in text, secret


def test_a_look_at_a_decision_is_audited(staff: dict[str, Client], application: Application) -> None:
    decision = DecisionRecord.objects.get(application=application)
    looked = [act.actor for act in acts_of(decision.id) if act.act == "decision_viewed"]
    staff["compliance"].get(url(DecisionRecord, "change", decision.pk))
    now = [act.actor for act in acts_of(decision.id) if act.act == "decision_viewed"]
    assert now[: len(looked)] == looked and now[len(looked) :] == ["compliance"]


# --- decisions, loans, books -----------------------------------------------------------------------------------


def test_the_application_page_tells_the_whole_journey(
    staff: dict[str, Client], lent: tuple[borrowers.Applicant, UUID], application: Application
) -> None:
    page = staff["auditor"].get(url(Application, "change", application.pk))
    assert [str(step.label) for step in shown(page)["steps"]] == [
        "同意",
        "取数",
        "决策",
        "报价",
        "披露",
        "签署",
        "放款",
        "还款",
    ]
    assert {step.tone for step in shown(page)["steps"]} == {"good"}
    text = page.content.decode()
    decision = DecisionRecord.objects.get(application=application)
    assert decision.record_sha256 in text and f"/console/servicing/loan/{lent[1]}/" in text


def test_replaying_a_decision_shows_that_it_is_equal(
    staff: dict[str, Client], application: Application
) -> None:
    page = staff["risk"].post(url(Application, "act", application.pk, "replay"))
    assert page.status_code == 200
    assert shown(page)["panels"][0].verdict.good and "逐字节一致" in page.content.decode()


def test_replaying_under_another_policy_names_the_rule(
    platform: World, staff: dict[str, Client], application: Application
) -> None:
    """A record filed under a policy that did not make it is found out."""
    true = DecisionRecord.objects.get(application=application)
    source = PolicyVersion.objects.get(sha256=true.policy_sha256).source
    altered = re.sub(r"^version = .*$", 'version = "99"', source, count=1, flags=re.M)
    changed = decisioning.Policy.parse(altered)
    PolicyVersion.objects.get_or_create(
        sha256=changed.sha256,
        defaults={
            "name": "altered",
            "source": altered,
            "kept_by": "tests",
            "kept_at": true.at.replace(year=2000),
        },
    )
    who, _ = borrowers.sign_in(platform, platform.person("good", new_id().int % 10**8))
    home = {"shard": who.shard}
    other = Application.objects.create(
        **columns(application) | home | {"id": new_id(), "borrower_id": who.id}
    )
    forged = new_id()
    sealed = {
        f"{part}_sealed": encrypt(registry.open_sealed(true, part), f"origination_decisionrecord.{part}:{forged}")
        for part in ("record", "evidence")
    }  # fmt: skip
    row = DecisionRecord.objects.create(
        **columns(true)
        | home
        | {"id": forged, "application_id": other.pk, "policy_sha256": changed.sha256, **sealed}
    )
    page = staff["risk"].post(url(DecisionRecord, "act", row.pk, "replay"))
    assert not shown(page)["panels"][0].verdict.good and "规则" in str(shown(page)["panels"][0].verdict.text)


def test_the_decision_page_shows_features_and_rules(staff: dict[str, Client], application: Application) -> None:  # fmt: skip
    decision = DecisionRecord.objects.get(application=application)
    text = staff["risk"].get(url(DecisionRecord, "change", decision.pk)).content.decode()
    record = json.loads(registry.open_sealed(decision, "record"))
    assert all(line["code"] in text for line in record["outputs"]["trace"])
    assert "bureau_score" in text and "data-c-search" in text


def test_the_loan_page_proves_the_books(
    staff: dict[str, Client], lent: tuple[borrowers.Applicant, UUID]
) -> None:
    page = staff["auditor"].get(url(Loan, "change", lent[1]))
    proof = next(panel for panel in shown(page)["panels"] if "账实证明" in str(panel.title))
    assert proof.verdict.good and "¥10,000.00" in page.content.decode()
    assert {str(row[3].text) for row in proof.table.rows} == {"="}


def test_a_transfer_shows_its_lines(staff: dict[str, Client], lent: tuple[borrowers.Applicant, UUID]) -> None:
    entry = Entry.objects.filter(transfer__loan_id=lent[1]).first()
    page = staff["operations"].get(url(type(entry.transfer), "change", entry.transfer_id))
    panel = shown(page)["panels"][0]
    assert panel.verdict.good
    assert panel.table.total[2] == panel.table.total[3] == sum(row[2] or 0 for row in panel.table.rows)


# --- acts ------------------------------------------------------------------------------------------------------


def test_a_dead_workflow_goes_on_only_by_operations(world: World, staff: dict[str, Client]) -> None:
    who, view = borrowers.approved(world)
    assert view.offer is not None
    borrowers.sign(world, who, borrowers.confirmed(who, view.offer))
    saga = Saga.objects.get(kind="open_loan", data__borrower_id=str(who.borrower.id))
    Saga.objects.filter(pk=saga.pk).update(
        status=SagaStatus.DEAD, attempts=12, last_error="the rail is silent"
    )
    address = url(Saga, "act", saga.pk, "ask-again")
    dead = Saga.objects.filter(status=SagaStatus.DEAD).count()  # the overview names the newest few
    assert f"{dead} 个流程等待人工" in staff["operations"].get("/console/").content.decode()
    assert "the rail is silent" in staff["operations"].get(url(Saga, "change", saga.pk)).content.decode()

    for role in ("auditor", "risk", "compliance", "administrator"):
        assert staff[role].post(address).status_code == 403
        assert "ask-again" not in staff["auditor"].get(url(Saga, "change", saga.pk)).content.decode()
    saga.refresh_from_db()
    assert saga.status == SagaStatus.DEAD

    asked = staff["operations"].get(address)
    assert asked.status_code == 200 and Saga.objects.get(pk=saga.pk).status == SagaStatus.DEAD
    done = staff["operations"].post(address, follow=True)
    assert "向外部查询" in told(done)
    worker.drain()
    assert Saga.objects.get(pk=saga.pk).status == SagaStatus.DONE
    assert Loan.objects.filter(borrower_id=who.borrower.id).count() == 1
    assert ("console_ask_again", "operations") in [(act.act, act.actor) for act in acts_of(saga.pk)]

    again = staff["operations"].post(address, follow=True)
    assert "is not waiting for a person" in told(again)


def test_a_review_is_answered_once_and_by_operations(world: World, staff: dict[str, Client]) -> None:
    who = borrowers.register(world)
    view = borrowers.apply(who)
    request_review(who.borrower.shard, who.borrower.id, view.id, "please look")
    review = Review.objects.filter(application_id=view.id).latest("id")
    address = url(Review, "act", review.pk, "answer")

    for role in ("risk", "compliance", "auditor", "administrator"):
        assert staff[role].post(address, {"text": "no"}).status_code == 403
    assert "cannot be empty" in told(staff["operations"].post(address, {"text": "  "}, follow=True))
    staff["operations"].post(address, {"text": "已人工复核，结论不变。"})
    review.refresh_from_db()
    assert (review.answered_by, review.answer) == ("operations", "已人工复核，结论不变。")

    late = staff["operations"].post(address, {"text": "another"}, follow=True)
    review.refresh_from_db()
    assert "has answered" in told(late) and review.answer == "已人工复核，结论不变。"


def test_an_act_needs_its_token(staff: dict[str, Client], application: Application) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="risk"))
    assert strict.post(url(Application, "act", application.pk, "replay")).status_code == 403


def test_unknown_acts_and_records_are_refused(staff: dict[str, Client], application: Application) -> None:
    assert staff["operations"].post(url(Application, "act", application.pk, "approve")).status_code == 403
    gone = staff["auditor"].get(url(Application, "change", new_id()))
    assert gone.status_code == 302
    assert staff["auditor"].get(url(Application, "change", "not-an-id")).status_code == 302


def test_a_record_of_a_shard_no_more_in_use_is_found(platform: World, staff: dict[str, Client]) -> None:
    saga = Saga(
        shard=settings.SHARDS, kind="moved", key=str(new_id()), step="moved.away", status=SagaStatus.DONE
    )
    saga.due_at = saga.created_at = clock.now()
    saga.save(force_insert=True)
    page = staff["auditor"].get(url(Saga, "change", saga.pk))
    assert page.status_code == 200 and "moved.away" in page.content.decode()


def test_the_log_is_checked_on_request(staff: dict[str, Client], lent: tuple[borrowers.Applicant, UUID]) -> None:  # fmt: skip
    from timelyrain.audit.models import TreeHead

    head = TreeHead.objects.latest("size")
    page = staff["auditor"].post(url(TreeHead, "act", head.pk, "check-log"))
    assert shown(page)["panels"][0].verdict.good


# --- staff -----------------------------------------------------------------------------------------------------


def test_the_administrator_gives_roles_but_not_to_themselves(staff: dict[str, Client]) -> None:
    administrator = staff["administrator"]
    me = User.objects.get(username="administrator")
    risk = Group.objects.get(name="risk")
    wish = {"username": "administrator", "is_active": "on", "is_staff": "on", "groups": [risk.pk]}
    administrator.post(url(User, "change", me.pk), wish | {"is_superuser": "on"})
    me.refresh_from_db()
    assert [g.name for g in me.groups.all()] == ["administrator"] and not me.is_superuser

    User.objects.filter(username="newcomer").delete()
    added = administrator.post(
        url(User, "add"),
        {
            "username": "newcomer",
            "usable_password": "true",
            "password1": "a-Long-one-77",
            "password2": "a-Long-one-77",
        },
    )
    newcomer = User.objects.get(username="newcomer")
    assert added.status_code == 302 and not newcomer.is_superuser and not newcomer.is_staff
    administrator.post(
        url(User, "change", newcomer.pk), wish | {"username": "newcomer", "is_superuser": "on"}
    )
    newcomer.refresh_from_db()
    assert [g.name for g in newcomer.groups.all()] == ["risk"] and not newcomer.is_superuser
    assert [act.act for act in acts_of("newcomer")][-2:] == ["user_added", "user_changed"]
    assert administrator.post(url(User, "delete", newcomer.pk), {"post": "yes"}).status_code == 403


def test_the_administrator_cannot_take_over_a_superuser(staff: dict[str, Client]) -> None:
    root = User.objects.get_or_create(username="root", is_staff=True, is_superuser=True)[0]
    assert staff["administrator"].get(f"/console/auth/user/{root.pk}/password/").status_code == 403
    assert staff["auditor"].post(url(User, "change", root.pk), {"username": "x"}).status_code == 403
