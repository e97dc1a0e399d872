"""What people do with a loan: the preview says what will be, two people agree where they must, the books follow, nothing is left
of what is refused."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests import portfolio
from tests.borrowers import with_loan
from tests.worlds import World
from timelyrain.audit.queries import acts_of
from timelyrain.contract import EventType, Status
from timelyrain.customers import queries as customers_queries
from timelyrain.customers.models import Message
from timelyrain.finance import Method
from timelyrain.ledger import chart
from timelyrain.ledger import queries as ledger
from timelyrain.runtime import clock, worker
from timelyrain.runtime.models import Saga
from timelyrain.runtime.problems import Invalid, NotFound
from timelyrain.servicing import acts, approvals, catalogue, errors, queries, services, wishes
from timelyrain.servicing.models import Loan, LoanAct, LoanEvent, Wish

SHARD = 700  # nobody else closes its days
OPENED = date(2026, 1, 5)


@pytest.fixture(autouse=True)
def clean(platform: World) -> Iterator[None]:
    yield
    portfolio.forget_sagas(SHARD)


class Desk:
    """A loan, and the people of the lender who act on it."""

    def __init__(self, loan: Loan) -> None:
        self.loan = loan

    def look(self, kind: str, amount_fen: int = 0, on: date | None = None, /, **data: Any):
        return acts.preview(SHARD, self.loan.id, kind, amount_fen, data, on)

    def ask(
        self, kind: str, amount_fen: int = 0, on: date | None = None, id: UUID | None = None, /, **data: Any
    ) -> UUID:
        made, clock_ = id or uuid4(), clock.current()
        assert isinstance(clock_, clock.FixedClock)
        clock_.advance(timedelta(seconds=1))  # two facts are never recorded in one moment
        return acts.request(
            SHARD, self.loan.id, kind, amount_fen, data, on, by="maker", reason="因为", request_id=made
        )

    def do(self, kind: str, amount_fen: int = 0, on: date | None = None, /, **data: Any) -> LoanAct:
        """By one person, or by two where the rule says so; the books prove themselves."""
        made = self.ask(kind, amount_fen, on, **data)
        if self.row(made).state == "waiting":
            acts.approve(made, by="checker", note="可以")
        assert queries.proof(SHARD, self.loan.id).equal
        return self.row(made)

    def row(self, act_id: UUID) -> LoanAct:
        return LoanAct.objects.get(id=act_id)

    @property
    def state(self):
        return services.state_of(Loan.objects.get(id=self.loan.id))

    def events(self) -> int:
        return LoanEvent.objects.filter(loan_id=self.loan.id).count()

    def texts(self) -> str:
        rows = Message.objects.filter(borrower_id=self.loan.borrower_id).order_by("at")
        return "\n".join(row.text for row in rows)


def late_loan(days_late: int = 40, **changed: Any) -> Desk:
    """A loan whose first instalment is overdue; the clock must stand on the day that is returned by `late_day`."""
    return Desk(portfolio.open_loan(SHARD, portfolio.terms(**changed), OPENED))


def late_day(days: int = 40) -> date:
    return date(2026, 2, 5) + timedelta(days=days)


FEES = {"late_fee_fen": 2_000, "service_fee_fen": 1_000}


def test_every_act_there_is_can_be_done_and_the_books_follow(platform: World) -> None:
    """One loan through every kind of act; each preview is what then happens."""
    before = ledger.lender_balances((chart.RECEIPT_CLEARING,)).get((SHARD, chart.RECEIPT_CLEARING), 0)
    with portfolio.on_day(late_day()):
        desk = late_loan(**FEES)
        done: list[str] = []

        def do(kind: str, amount_fen: int = 0, /, **data: Any) -> LoanAct:
            shown = desk.look(kind, amount_fen, **data)
            row = desk.do(kind, amount_fen, **data)
            assert row.state == "done", (kind, row.state)
            assert row.after == acts.previews.summary(shown.after) == acts.previews.summary(desk.state)
            done.append(kind)
            return row

        do("WAIVED", desk.state.totals.penalty_accrued_fen, target="penalty")
        do("FEE_CHARGED", 1_500, kind="late_fee")
        paid = do("REPAID", desk.state.amount_due_fen, reference="bank-1")
        do("CHARGED_BACK", 30_000, event=str(paid.event_id))
        do("REFUNDED", 10_000, source="goodwill", to="principal")
        do("REFUNDED", 12_000, source="merchant", to="surplus")
        do("REPAID", desk.state.amount_due_fen)
        do("RATE_CHANGED", rate_ppm=100_000)
        do("DUE_DATE_CHANGED", due_day=20)
        do("PAUSED", months=1, interest="stops")
        do("INTEREST_STOPPED", days=10)
        do("HARDSHIP_AGREED", 50_000, instalments=3, extra=4)
        wrong = do("REFUNDED", 5_000, source="goodwill", to="principal")
        do("REVERSED", event=str(wrong.event_id))
        do("RESTRUCTURED", instalments=6, due_day=10)
        do("ACCELERATED")
        do("SOLD", 900_000, owner="某资产管理公司")
        do("CHARGED_OFF")
        do("RECOVERED", 10_000)
        do("RECOVERED", desk.state.payoff_fen)
        do("SETTLED")
        assert set(done) | {"PAID_BACK"} == set(catalogue.KINDS)  # through the rail: see below
        elsewhere = {"DISBURSED", "PREPAID_PART", "PREPAID_FULL"}  # the pay-out, and what borrowers do
        assert set(catalogue.KINDS) | elsewhere == set(EventType)
        assert (desk.state.status, desk.state.owner) == (Status.SETTLED, "某资产管理公司")
        assert ledger.trial_balance().balanced and ledger.drifted_accounts() == []
        clearing = ledger.lender_balances((chart.RECEIPT_CLEARING,)).get((SHARD, chart.RECEIPT_CLEARING), 0)
        assert clearing == before  # what the acts say moved at the bank is on the bank account
        for said in ("减免罚息", "银行收回", "困难帮扶已生效", "五百四十六条", "重新分为 6 期", "逾期费"):
            assert said in desk.texts()


def test_a_mistake_is_taken_back_whole(platform: World) -> None:
    """A reversal restores the loan, its accounts and what the act said of the bank."""
    codes = (chart.BANK, chart.RECEIPT_CLEARING, chart.CREDIT_LOSS, chart.GOODWILL, chart.CHARGES_WAIVED)
    with portfolio.on_day(late_day()):
        desk = late_loan(**FEES)
        paid = str(desk.do("REPAID", 30_000).event_id)
        for kind, amount_fen, data in (
            ("REPAID", 5_000, {}),
            ("CHARGED_BACK", 30_000, {"event": paid}),
            ("REFUNDED", 5_000, {"source": "merchant", "to": "principal"}),
            ("WAIVED", 100, {"target": "interest"}),
            ("FEE_CHARGED", 1_000, {"kind": "service_fee"}),
            ("HARDSHIP_AGREED", 60_000, {"instalments": 2}),
            ("RESTRUCTURED", 0, {"instalments": 9}),
            ("CHARGED_OFF", 0, {}),
        ):
            before, held = desk.state, Counter(ledger.lender_balances(codes))
            row = desk.do(kind, amount_fen, **data)
            desk.do("REVERSED", event=str(row.event_id))
            assert desk.state == before and Counter(ledger.lender_balances(codes)) == held, kind
        with pytest.raises(errors.ActImpossible):  # once is enough
            desk.ask("REVERSED", event=str(row.event_id))


def test_a_second_person_who_is_not_the_first(platform: World) -> None:
    with portfolio.on_day(late_day()):
        desk = late_loan()
        penalty = desk.state.totals.penalty_accrued_fen
        made = desk.ask("HARDSHIP_AGREED", 60_000, instalments=3)
        assert desk.row(made).state == "waiting" and desk.events() == 1
        with pytest.raises(errors.SamePerson):
            acts.approve(made, by="maker")
        acts.approve(made, by="checker", note="核实收入")
        with pytest.raises(errors.ActDecided):
            acts.approve(made, by="other")
        with pytest.raises(errors.ActDecided):
            acts.reject(made, by="other", note="晚了")
        whys = [act.body["why"] for act in acts_of(desk.loan.id) if act.act.endswith("_refused")]
        assert whys == ["same-person", "act-decided"]
        told = {act.act: act for act in acts_of(desk.loan.id)}
        booked = told["loan_act_booked"]
        assert booked.actor == "checker" and booked.body["requested_by"] == "maker"
        assert booked.body["reason"] == "因为" and booked.body["before"] != booked.body["after"]

        again = desk.ask("CHARGED_OFF")
        acts.reject(again, by="checker", note="还有还款意愿")
        assert desk.row(again).state == "rejected" and desk.state.charged_off_on is None

        small = approvals.approval(EventType.WAIVED, clock.today()).above_fen
        assert small is not None and penalty > 0
        assert not desk.look("WAIVED", min(small, penalty), target="penalty").second_person
        assert desk.look("WAIVED", small + 1, target="interest").second_person


def test_a_request_is_done_once(platform: World) -> None:
    with portfolio.on_day(late_day()):
        desk, id = late_loan(), uuid4()
        for _ in range(2):
            desk.ask("WAIVED", 100, None, id, target="penalty")
        assert desk.events() == 2 and desk.row(id).state == "done"
        with pytest.raises(Exception, match="another request id"):
            desk.ask("WAIVED", 200, None, id, target="penalty")


REFUSED: list[tuple[str, int, dict[str, Any], type[Exception]]] = [
    ("WAIVED", 10**9, {"target": "penalty"}, errors.ActImpossible),
    ("WAIVED", 0, {"target": "penalty"}, Invalid),
    ("WAIVED", 100, {"target": "principal"}, Invalid),
    ("WAIVED", 100, {"target": "penalty", "more": "x"}, Invalid),
    ("FEE_CHARGED", 100, {"kind": "late_fee"}, errors.ActImpossible),  # not in these terms
    ("PAID_BACK", 1, {}, errors.ActImpossible),
    ("RATE_CHANGED", 0, {"rate_ppm": 239_000}, errors.ActImpossible),  # the terms' own cap is lower
    ("RATE_CHANGED", 0, {"rate_ppm": 241_000}, errors.AboveLawCap),
    ("HARDSHIP_AGREED", 1, {"instalments": 2}, errors.ActImpossible),
    ("CHARGED_BACK", 100, {"event": "nothing"}, errors.ActImpossible),
    ("REVERSED", 0, {"event": "nothing"}, Invalid),
    ("RECOVERED", 100, {}, errors.ActImpossible),
    ("SETTLED", 0, {}, errors.ActImpossible),
    ("DISBURSED", 100, {}, Invalid),
    ("NOTHING", 0, {}, Invalid),
]


def test_what_is_refused_leaves_its_audit_entry_and_nothing_else(platform: World) -> None:
    with portfolio.on_day(late_day()):
        desk = late_loan(cap_ppm=230_000)
        posted = len(ledger.loan_postings(SHARD, desk.loan.id))
        for kind, amount_fen, data, problem in REFUSED:
            known = len(acts_of(desk.loan.id))
            with pytest.raises(problem):
                desk.ask(kind, amount_fen, **data)
            new = acts_of(desk.loan.id)[known:]
            assert [act.act for act in new] == [f"loan_act_{kind.lower()}_refused"], kind
        for day in (OPENED - timedelta(days=1), late_day() + timedelta(days=1)):
            with pytest.raises(Invalid):
                desk.ask("WAIVED", 100, day, target="penalty")
        assert desk.events() == 1 and not LoanAct.objects.filter(loan_id=desk.loan.id).exists()
        assert len(ledger.loan_postings(SHARD, desk.loan.id)) == posted
        with pytest.raises(NotFound):
            acts.preview(SHARD + 1, desk.loan.id, "SETTLED")


def test_nobody_approves_what_they_did_not_see(platform: World) -> None:
    with portfolio.on_day(late_day()):
        desk = late_loan()
        seen = desk.look("RESTRUCTURED", instalments=8).sha256
        made = desk.ask("RESTRUCTURED", instalments=8)
        acts.approve(made, by="checker", seen=seen)
        other = late_loan()
        made = other.ask("RESTRUCTURED", instalments=8)
        seen = acts.preview_of(made).sha256
        other.do("REPAID", 1_000)
        with pytest.raises(errors.PreviewChanged):
            acts.approve(made, by="checker", seen=seen)


def test_what_an_act_costs(platform: World) -> None:
    """In fen, seen from the borrower: + costs more."""
    with portfolio.on_day(late_day()):
        desk = late_loan()
        assert desk.look("WAIVED", 700, target="interest").borrower_fen == -700
        assert desk.look("REPAID", 700).borrower_fen == 0
        assert desk.look("REFUNDED", 700, source="goodwill", to="surplus").borrower_fen == -700
        assert desk.look("RESTRUCTURED", instalments=24).borrower_fen > 0
        assert desk.look("RATE_CHANGED", rate_ppm=0).borrower_fen < 0
        off = desk.look("CHARGED_OFF")
        assert off.written_off_fen == off.after.payoff_fen > 0
        moved = desk.look("DUE_DATE_CHANGED", due_day=20)
        rows = [row for row in moved.changes if row.differs]
        assert len(rows) == 10 and sum(row.delta_fen for row in rows) == moved.borrower_fen


def test_a_rate_above_the_signed_one_is_the_borrowers_to_confirm(platform: World) -> None:
    with portfolio.on_day(date(2026, 1, 20)):
        desk = late_loan()
        row = desk.do("RATE_CHANGED", rate_ppm=180_000)
        assert row.state == "offered" and desk.state.annual_rate_ppm == 144_000
        borrower = desk.loan.borrower_id
        with pytest.raises(NotFound):
            acts.show_amendment(SHARD, uuid4(), row.id)
        shown = acts.show_amendment(SHARD, borrower, row.id)
        assert (
            shown.body["rate_ppm"] == 180_000 and shown.body["costs_more_fen"] > 0 and shown.waits_seconds > 0
        )
        with pytest.raises(errors.ReadingAmendment):
            acts.confirm_amendment(SHARD, borrower, row.id, shown.sha256)
    with portfolio.on_day(date(2026, 1, 21)), pytest.raises(errors.AmendmentChanged):  # shown on another day
        acts.confirm_amendment(SHARD, borrower, row.id, shown.sha256)
    with portfolio.on_day(date(2026, 1, 21), 2):
        shown = acts.show_amendment(SHARD, borrower, row.id)
    with portfolio.on_day(date(2026, 1, 21), 3):
        acts.confirm_amendment(SHARD, borrower, row.id, shown.sha256)
        assert desk.state.annual_rate_ppm == 180_000 and queries.proof(SHARD, desk.loan.id).equal
        event = next(e for e in services.events_of(desk.loan) if e.type is EventType.RATE_CHANGED)
        assert event.data["disclosure"] == shown.sha256 and event.value_on == date(2026, 1, 21)


def test_a_borrowers_wish_is_answered(platform: World) -> None:
    with portfolio.on_day(late_day()):
        desk = late_loan()
        borrower, id = desk.loan.borrower_id, uuid4()
        for _ in range(2):
            wishes.ask(
                SHARD, borrower, desk.loan.id, "hardship", request_id=id, amount_fen=50_000, instalments=3
            )
        with pytest.raises(errors.WishWaiting):
            wishes.ask(
                SHARD, borrower, desk.loan.id, "hardship", request_id=uuid4(), amount_fen=1, instalments=1
            )
        made = uuid4()
        acts.request(
            SHARD, desk.loan.id, "HARDSHIP_AGREED", 50_000, {"instalments": 3, "extra": 3},
            by="maker", reason="核实", request_id=made, wish_id=id,
        )  # fmt: skip
        acts.approve(made, by="checker")
        assert Wish.objects.get(id=id).state == "granted"
        day = wishes.ask(SHARD, borrower, desk.loan.id, "due_day", request_id=uuid4(), due_day=15)
        wishes.decline(day, by="maker", answer="还款日与发薪日一致，无需更改")
        with pytest.raises(errors.WishAnswered):
            wishes.decline(day, by="maker", answer="再次")
        assert "7 个工作日内答复" in desk.texts() and "未获同意" in desk.texts()
        for kind, wish in (
            ("due_day", {"due_day": 32}),
            ("hardship", {"amount_fen": 0, "instalments": 1}),
            ("x", {}),
        ):
            with pytest.raises(Invalid):
                wishes.ask(SHARD, borrower, desk.loan.id, kind, request_id=uuid4(), **wish)
        with pytest.raises(NotFound):
            wishes.ask(SHARD, uuid4(), desk.loan.id, "due_day", request_id=uuid4(), due_day=15)


def test_bullet_loans_have_no_principal_to_spread(platform: World) -> None:
    with portfolio.on_day(date(2026, 1, 20)):
        desk = late_loan(method=Method.BULLET)
        with pytest.raises(errors.ActImpossible):
            desk.ask("HARDSHIP_AGREED", 60_000, instalments=3)


@pytest.mark.parametrize(
    ("fault", "ends"), [("", "done"), ("lose_answer", "done"), ("down", "done"), ("refuse", "failed")]
)
def test_surplus_goes_out_through_the_rail(world: World, fault: str, ends: str) -> None:
    """Once, whatever the rail does; while it is on its way nothing else takes it, and a refusal gives it back."""
    who, loan_id = with_loan(world)
    loan = Loan.objects.get(id=loan_id)
    cleared = ledger.lender_balances((chart.PAY_OUT_CLEARING,))
    data = {"source": "goodwill", "to": "surplus"}
    acts.request(loan.shard, loan_id, "REFUNDED", 3_000, data, by="maker", reason="补偿", request_id=uuid4())
    held = world.get(f"/rail/accounts/{who.person['bank_card']}").json()["balance_fen"]
    if fault:
        world.fault("rail.pay_out", fault, times=1)
    made = uuid4()
    acts.request(loan.shard, loan_id, "PAID_BACK", 3_000, by="maker", reason="应客户要求", request_id=made)
    assert queries.act(made).state == "moving" and services.state_of(loan).totals.surplus_fen == 0
    with pytest.raises(errors.ActImpossible):
        acts.request(loan.shard, loan_id, "PAID_BACK", 1, by="maker", reason="再退", request_id=uuid4())
    for _ in range(3):
        Saga.objects.filter(key=str(made)).update(due_at=datetime.now(UTC))
        worker.drain()
    row, state = queries.act(made), services.state_of(loan)
    assert row.state == ends and queries.proof(loan.shard, loan_id).equal
    arrived = world.get(f"/rail/accounts/{who.person['bank_card']}").json()["balance_fen"] - held
    assert (arrived, state.totals.surplus_fen) == ((3_000, 0) if ends == "done" else (0, 3_000))
    assert ledger.lender_balances((chart.PAY_OUT_CLEARING,)) == cleared
    texts = [m.text for m in customers_queries.messages(who.borrower)]
    assert any("已退回您的银行卡" in text for text in texts) == (ends == "done")
    paid_back = next(e for e in services.events_of(loan) if e.type is EventType.PAID_BACK)
    with pytest.raises((errors.ActImpossible, Invalid)):  # the rail alone takes that back
        acts.preview(loan.shard, loan_id, "REVERSED", 0, {"event": paid_back.id})
