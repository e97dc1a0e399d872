"""Applications, decisions, offers and reviews in the console. Whoever looks at a decision record is written down."""

import json
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Count
from django.http import HttpRequest

from timelyrain import decisioning
from timelyrain.audit import services as audit
from timelyrain.origination import backtests_admin as backtests_admin  # registers its pages
from timelyrain.origination import explanation_admin as explanation_admin  # registers its pages
from timelyrain.origination import (
    lists_admin,
    registry,
    releases,
    releases_admin,
    services,
    shadows_admin,
    standing_admin,
)
from timelyrain.origination import models_admin as models_admin  # registers its pages
from timelyrain.origination import scores_admin as scores_admin  # registers its pages
from timelyrain.origination import watching_admin as watching_admin  # registers its pages
from timelyrain.origination.models import (
    Application,
    ApplicationState,
    DecisionRecord,
    Offer,
    Review,
)
from timelyrain.runtime import clock, glossary, law
from timelyrain.runtime.admin import Act, ReadOnlyAdmin
from timelyrain.runtime.glossary import value, words
from timelyrain.runtime.panels import As, Badge, Bar, Link, Panel, Step, Table, Verdict, on_dashboard, on_page

for _product in law.pack().products():
    glossary.teach(_product.id, _product.name_zh, _product.name_en)
for _purpose in law.pack().purposes():
    glossary.teach(_purpose.code, _purpose.zh, _purpose.en)


def _replay(request: HttpRequest, row: Application | DecisionRecord) -> Panel:
    decision = row if isinstance(row, DecisionRecord) else _newest_decision(row)
    title = words("重放决策", "Replay of the decision")
    if decision is None:
        return Panel(title, text=words("尚无决策。", "There is no decision yet."))
    replay = services.replay_decision(decision.id)
    if replay.equal:
        verdict = Verdict(
            True,
            words(
                "逐字节一致：同一证据、规则与模型得到同一记录",
                "Equal byte for byte: the same evidence, rules and model give the same record",
            ),
        )
        return Panel(title, verdict=verdict, facts=[("record_sha256", decision.record_sha256)], wide=True)
    causes = {
        "data": ("证据", "data"),
        "rule": ("规则", "rule"),
        "model": ("模型", "model"),
        "engine": ("引擎", "engine"),
    }
    cause = words(*causes[replay.cause or "engine"])
    return Panel(
        title,
        verdict=Verdict(False, words(f"不一致，原因：{cause}", f"Differs; cause: {cause}")),
        table=Table(("detail",), [(difference,) for difference in replay.differences]),
        wide=True,
    )


REPLAY = Act("replay", words("重放决策", "Replay the decision"), "origination.view_decisionrecord", _replay)


releases_admin.PolicyVersionAdmin.acts += (*shadows_admin.ACTS, *lists_admin.VERSION_ACTS)


@admin.register(Application)
class ApplicationAdmin(ReadOnlyAdmin):
    title = words("申请", "Applications")
    ordering = ("-submitted_at",)
    columns = ("id", "state", "product", "amount_fen", "instalments", "purpose", "submitted_at", "decided_at")
    filters = ("state", "product", "purpose")
    find_by = ("id", "borrower_id")
    links = {"borrower_id": "customers.borrower"}
    acts = (REPLAY, *standing_admin.PERSON_ACTS)


def _newest_decision(application: Application) -> DecisionRecord | None:
    return (
        DecisionRecord.objects.filter(shard=application.shard, application=application)
        .order_by("-id")
        .first()
    )


def _open_record(request: HttpRequest, decision: DecisionRecord) -> dict[str, Any]:
    """The record in clear; that somebody looked goes to the audit log."""
    record = json.loads(registry.open_sealed(decision, "record"))
    who = request.user.get_username()
    audit.record(decision.shard, "decision_viewed", actor=who, subject=decision.id)
    return record


def _decided(decision: DecisionRecord, record: dict[str, Any], link: bool) -> Panel:
    out = record["outputs"]
    return Panel(
        words("决策", "Decision"),
        facts=[
            ("outcome", decision.outcome),
            ("pd_ppm", out["pd_ppm"]),
            ("limit_fen", out["limit_fen"] or None),
            ("rate_ppm", out["rate_ppm"] or None),
            ("cap_ppm", record["context"]["cap_ppm"]),
            ("gather_milliseconds", decision.gather_milliseconds),
            ("microseconds", decision.microseconds),
            ("record_sha256", decision.record_sha256),
            ("policy_sha256", Link("origination.policyversion", decision.policy_sha256)),
            (
                "model_sha256",
                decision.model_sha256 and Link("origination.scoringmodel", decision.model_sha256),
            ),
        ],
        table=_reasons(decision.reasons) if decision.reasons else None,
        more=Link(
            "origination.decisionrecord",
            decision.id,
            words("特征、规则轨迹与证据", "Features, rule trace and evidence"),
        )
        if link
        else None,
        steps=[Step(words("决策", "Decision"), glossary.tone(decision.outcome), value(decision.outcome))],
        wide=True,
    )


def _reasons(reasons: list[dict[str, Any]]) -> Table:
    return Table(
        ("code", "effect", "reason", "change", "values"),
        [
            (
                r["code"],
                r["effect"],
                words(r["zh"], r["en"]),
                words(r["change_zh"], r["change_en"]),
                r["values"],
            )
            for r in reasons
        ],
    )


@on_page("origination.application", "origination.view_decisionrecord", order=30)
def _decision(request: HttpRequest, application: Application) -> Panel:
    decision = _newest_decision(application)
    if decision is None:
        return Panel(
            words("决策", "Decision"), steps=[Step(words("决策", "Decision"), "wait", value("gathering"))]
        )
    return _decided(decision, _open_record(request, decision), link=True)


@on_page("origination.application", "origination.view_review", order=35)
def _reviews(request: HttpRequest, application: Application) -> Panel | None:
    reviews = list(Review.objects.filter(shard=application.shard, application=application).order_by("id"))
    if not reviews:
        return None
    waiting = any(review.answered_at is None for review in reviews)
    return Panel(
        words("人工复核", "Reviews by a person"),
        steps=[
            Step(
                words("人工", "Review"),
                "wait" if waiting else "good",
                value("pending" if waiting else "done"),
            )
        ],
        table=Table.of(
            ("id", "asked_by", "note", "opened_at", "answer", "answered_by", "answered_at"),
            reviews,
            id="origination.review",
        ),
        wide=True,
    )


@on_page("origination.application", "origination.view_offer", order=40)
def _offers(request: HttpRequest, application: Application) -> Panel | None:
    offers = list(Offer.objects.filter(shard=application.shard, application=application).order_by("id"))
    if not offers:
        return None
    return Panel(
        words("报价", "Offer"),
        steps=[Step(words("报价", "Offer"), "good", f"¥{offers[-1].limit_fen // 100:,}")],
        table=Table.of(
            ("id", "minimum_fen", "limit_fen", "rate_ppm", "cap_ppm", "instalments", "expires_at"),
            offers,
            id="origination.offer",
        ),
    )


def _make_case(request: HttpRequest, decision: DecisionRecord) -> Any:
    releases.case_from_decision(decision, request.POST.get("text", ""), request.user.get_username())
    return words("测试案例已保存。", "The test case is kept.")


@admin.register(DecisionRecord)
class DecisionRecordAdmin(ReadOnlyAdmin):
    title = words("决策记录", "Decision records")
    columns = ("id", "outcome", "gather_milliseconds", "microseconds", "record_sha256", "at")
    hidden = ("reasons",)
    filters = ("outcome",)
    find_by = ("id", "application_id", "record_sha256")
    links = {
        "application_id": "origination.application",
        "policy_sha256": "origination.policyversion",
        "model_sha256": "origination.scoringmodel",
    }
    acts = (
        REPLAY,
        Act(
            "case",
            words("作为规则测试案例", "Keep as a test case of the policy"),
            "origination.add_releasestep",
            _make_case,
            ask=words(
                "此后提交的规则版本，对同样的资料须得出同样的结果与理由。",
                "Versions submitted from now on must come to the same outcome for the same reasons.",
            ),
            writes=words("案例名称", "Name of the case"),
        ),
        *standing_admin.PERSON_ACTS,
    )


@on_page("origination.decisionrecord", "origination.view_decisionrecord", order=10)
def _outcome(request: HttpRequest, decision: DecisionRecord) -> Panel:
    return _decided(decision, _open_record(request, decision), link=False)


@on_page("origination.decisionrecord", "origination.view_decisionrecord", order=20)
def _factors(request: HttpRequest, decision: DecisionRecord) -> Panel | None:
    """What raised the probability of default most, in log-odds."""
    factors = json.loads(registry.open_sealed(decision, "record"))["outputs"]["factors"]
    if not factors:
        return None
    return Panel(
        words("推高违约概率的主要因素", "What raised the probability of default most"),
        bars=[
            Bar(
                words(f["zh"], f["en"]),
                f["contribution_ppm"],
                f"+{f['contribution_ppm'] / 1e6:.2f}",
                tone="wait",
            )
            for f in factors
        ],
    )


@on_page("origination.decisionrecord", "origination.view_decisionrecord", order=25)
def _affordability(request: HttpRequest, decision: DecisionRecord) -> Panel:
    figures = json.loads(registry.open_sealed(decision, "record"))["outputs"]["affordability"]
    named = {
        figure.name: words(figure.zh, figure.en) for figure in registry.policy(decision.policy_sha256).figures
    }
    rows = [(named.get(name, name), As(name, found)) for name, found in figures.items()]
    return Panel(
        words("额度与定价的中间值", "Figures behind limit and price"), table=Table(("meaning", "value"), rows)
    )


@on_page("origination.decisionrecord", "origination.view_decisionrecord", order=30)
def _trace(request: HttpRequest, decision: DecisionRecord) -> Panel:
    trace = json.loads(registry.open_sealed(decision, "record"))["outputs"]["trace"]
    tones = {"true": "bad", "false": "good"}  # a rule speaks against the applicant
    return Panel(
        words("规则轨迹", "Rule trace"),
        table=Table(
            ("code", "stage", "state", "values"),
            [
                (
                    line["code"],
                    line["stage"],
                    Badge(value(line["state"]), tones.get(line["state"], "wait")),
                    line["values"],
                )
                for line in trace
            ],
        ),
        wide=True,
    )


@on_page("origination.decisionrecord", "origination.view_decisionrecord", order=40)
def _features(request: HttpRequest, decision: DecisionRecord) -> Panel:
    """The record keeps the features by hash; their values come from deciding again on the stored evidence."""
    record = json.loads(registry.open_sealed(decision, "record"))
    policy = registry.policy(decision.policy_sha256)
    evidence = decisioning.evidence_from_json(json.loads(registry.open_sealed(decision, "evidence")))
    model = registry.model(decision.model_sha256) if decision.model_sha256 else None
    request_, context = decisioning.Request(**record["request"]), decisioning.LawContext(**record["context"])
    again = decisioning.decide(policy, evidence, request_, model, record["draw"], context)
    meaning = policy.features
    return Panel(
        words(f"特征（{len(again.features)}）", f"Features ({len(again.features)})"),
        table=Table(
            ("feature", "meaning", "value"),
            [
                (name, words(meaning[name].zh, meaning[name].en), As(name, found))
                for name, found in again.features.items()
            ],
            search=True,
        ),
        wide=True,
    )


@admin.register(Offer)
class OfferAdmin(ReadOnlyAdmin):
    title = words("报价", "Offers")
    columns = ("id", "limit_fen", "rate_ppm", "cap_ppm", "product", "expires_at", "created_at")
    find_by = ("id", "application_id", "borrower_id")
    links = {
        "application_id": "origination.application",
        "decision_id": "origination.decisionrecord",
        "borrower_id": "customers.borrower",
    }


def _answer(request: HttpRequest, review: Review) -> Any:
    services.answer_review(review.id, request.user.get_username(), request.POST.get("text", ""))
    return words(
        "答复已保存，借款人可在申请中看到。",
        "The answer is kept; the borrower reads it with the application.",
    )


@admin.register(Review)
class ReviewAdmin(ReadOnlyAdmin):
    title = words("人工复核", "Reviews")
    columns = ("id", "asked_by", "note", "opened_at", "answered_by", "answered_at")
    filters = ("asked_by",)
    find_by = ("id", "application_id")
    links = {"application_id": "origination.application"}
    acts = (
        Act(
            "answer",
            words("答复", "Answer"),
            "origination.change_review",
            _answer,
            ask=words(
                "答复将原样告知借款人，提交后不能修改。",
                "The borrower reads the answer as it is; it cannot be changed.",
            ),
            writes=words("给借款人的答复", "Answer to the borrower"),
            offered=lambda review: review.answered_at is None,
        ),
    )


@on_page("origination.review", "origination.view_decisionrecord", order=10)
def _reviewed(request: HttpRequest, review: Review) -> Panel | None:
    decision = _newest_decision(review.application)
    return _decided(decision, _open_record(request, decision), link=True) if decision else None


@on_dashboard("origination.view_application", order=20)
def _applications() -> Panel:
    counts = dict(Application.objects.values_list("state").annotate(n=Count("id")))
    today = clock.now() - timedelta(days=1)
    recent = dict(
        Application.objects.filter(submitted_at__gt=today).values_list("state").annotate(n=Count("id"))
    )
    return Panel(
        words("申请结果（实色：最近 24 小时）", "Applications by outcome (solid: last 24 hours)"),
        bars=[
            Bar(
                value(state),
                counts[state],
                f"{counts[state]:,}",
                part=recent.get(state, 0),
                tone=glossary.tone(state),
            )
            for state in ApplicationState.values
            if counts.get(state)
        ],
    )


@on_dashboard("origination.view_review", order=25)
def _open_reviews() -> Panel:
    waiting = Review.objects.filter(answered_at=None).order_by("opened_at")
    n = waiting.count()
    return Panel(
        words("人工复核", "Reviews by a person"),
        verdict=Verdict(
            n == 0,
            words(f"{n} 件待答复", f"{n} wait for an answer")
            if n
            else words("没有待答复的复核", "No review waits"),
        ),
        table=Table.of(("id", "asked_by", "opened_at"), waiting[:5], id="origination.review") if n else None,
    )


@on_dashboard("origination.view_decisionrecord", order=75)
def _latency() -> Panel:
    """Over the newest thousand decisions."""
    rows = list(
        DecisionRecord.objects.order_by("-id").values_list("gather_milliseconds", "microseconds")[:1000]
    )
    gathers, decides = sorted(row[0] for row in rows), sorted(row[1] / 1000 for row in rows)
    named = [(words("取数", "gathering"), gathers), (words("决策", "deciding"), decides)]
    return Panel(
        words("用时（实色：中位数，全长：95 分位）", "Latency (solid: median, whole: 95th percentile)"),
        bars=[
            Bar(
                name,
                _at(times, 0.95),
                f"{_at(times, 0.5):,.0f} / {_at(times, 0.95):,.0f} ms",
                part=_at(times, 0.5),
            )
            for name, times in named
            if times
        ],
    )


def _at(ordered: list[float], share: float) -> float:
    """The value below which this share of the ordered values lies."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
