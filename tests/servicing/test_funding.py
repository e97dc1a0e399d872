"""Partners fund a part and get a part, loans are sold and bought back: the books from the hand and from the auditor."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from itertools import count

import pytest
from django.db import DatabaseError, connection, transaction

from tests.portfolio import days, forget_sagas, happen, on_day, open_loan, terms
from timelyrain.contract import EventType
from timelyrain.ledger import chart
from timelyrain.ledger import queries as ledger
from timelyrain.ledger.errors import TransferKeyReused
from timelyrain.ledger.models import LoanDay
from timelyrain.runtime.problems import Invalid
from timelyrain.servicing import auditor, books, dayclose, funding, queries, services
from timelyrain.servicing.explaining import explain
from timelyrain.servicing.models import LoanFunding
from timelyrain.servicing.shares import Part

pytestmark = pytest.mark.usefixtures("platform")
START = date(2043, 1, 10)
DAY = timedelta(days=1)
_shards = count(560)


@pytest.fixture
def shard() -> Iterator[int]:
    made = next(_shards)
    yield made
    forget_sagas(made)


def arranged(product: str, *shares: tuple[int, int, int]) -> list[Part]:
    parts = [
        Part(funding.admit(f"{product} {n}", START, by="tests"), *share) for n, share in enumerate(shares)
    ]
    funding.agree(product, START, parts, by="tests")
    return parts


def close(shard: int, on: date) -> None:
    with on_day(on, 2):
        assert dayclose.close(shard, on)


def held(shard: int) -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT code, sum(balance_fen)::bigint FROM ledger_account WHERE shard = %s GROUP BY 1", [shard]
        )
        return dict(cursor.fetchall())


def clean(shard: int) -> None:
    assert auditor.audit_books([shard]).differences == ()


def test_an_arrangement_outside_the_law_is_refused_with_every_reason():
    bank = funding.admit("a bank", START, by="tests")
    with pytest.raises(Invalid) as refused:
        funding.agree(
            "p",
            START,
            [Part(bank, 800_000), Part(bank, 10), Part(books.buyer_id("nobody"), 0, 2_000_000)],
            by="x",
        )
    told = refused.value.detail
    assert "lender's own part is 199990 ppm, the law of 2043-01-10 asks for 300000" in told
    assert (
        "stands in it twice" in told
        and "not on the list of partners" in told
        and "fees_ppm = 2000000" in told
    )
    with pytest.raises(Invalid, match="partners' part is 299999 ppm"):
        funding.agree("p", START, [Part(bank, 299_999)], by="x")
    funding.admit("a bank", START, START + DAY, by="tests")
    with pytest.raises(Invalid, match="not on the list of partners on 2043-02-01"):
        funding.agree("p", date(2043, 2, 1), [Part(bank, 500_000)], by="x")


def test_a_month_with_a_bank_by_hand(shard):
    """12,000.00 at 14.4 %: the bank funds 70 % and pays 10 % of its interest for the service."""
    (bank,) = arranged("hand", (700_000, 0, 100_000))
    loan = open_loan(shard, replace(terms(), product="hand"), START)
    assert funding.due(bank.partner, START).funding_fen == 840_000
    now = held(shard)
    assert (now[chart.LOAN_PRINCIPAL], now[chart.PARTNERS_PRINCIPAL]) == (1_200_000, -840_000)
    close(shard, START)
    due_on = services.state_of(loan, START).instalments[0].due_on
    for on in days(START + DAY, due_on):
        close(shard, on)
    now = held(shard)
    assert now[chart.INTEREST_RECEIVABLE] == 14_400 and now[chart.PARTNERS_INTEREST] == -10_080
    assert now[chart.INTEREST_INCOME] == -4_320
    clean(shard)
    first = services.state_of(loan, due_on).instalments[0]
    with on_day(due_on, 20):
        happen(loan, EventType.REPAID, due_on, first.unpaid_fen)
    theirs = 10_080 + round(first.principal_due_fen * 0.7) - 1_008
    due = funding.due(bank.partner, due_on)
    assert due.remit_fen == theirs and due.by_loan == {loan.id: theirs}
    assert held(shard)[chart.PARTNER_SERVICE_INCOME] == -1_008
    assert funding.reconcile(bank.partner, due_on, {loan.id: theirs}) == (1, [])
    other = books.buyer_id("a loan that is not ours")
    agree, found = funding.reconcile(bank.partner, due_on, {loan.id: theirs - 1, other: 5})
    assert agree == 0 and sorted((f.kind, f.theirs_fen, f.ours_fen) for f in found) == [
        ("differing", theirs - 1, theirs), ("missing", 5, 0),
    ]  # fmt: skip
    with on_day(due_on, 21):
        for _ in range(2):
            funding.settle(shard, bank.partner, chart.SHARES_TO_REMIT, theirs, due_on, "B1", by="tests")
            funding.settle(shard, bank.partner, chart.FUNDING_DUE, -840_000, due_on, "B2", by="tests")
        with pytest.raises(TransferKeyReused), transaction.atomic():
            funding.settle(shard, bank.partner, chart.FUNDING_DUE, -1, due_on, "B2", by="tests")
    after = funding.due(bank.partner, due_on)
    assert (after.funding_fen, after.remit_fen) == (0, 0)
    assert held(shard)[chart.BANK] == 840_000 - theirs
    clean(shard)
    row = explain(shard, loan.id, due_on)
    assert row.agrees and row.partners_ppm == 700_000 and row.exposure_fen == 360_000 + 4_320
    assert ledger.trial_balance().balanced


def test_a_loan_keeps_the_arrangement_of_its_pay_out(shard):
    old = arranged("kept", (400_000, 0, 0))
    loan = open_loan(shard, replace(terms(), product="kept"), START)
    funding.agree("kept", START, [], by="tests")
    alone = open_loan(shard, replace(terms(), product="kept"), START)
    assert funding.parts_of(shard, [loan.id, alone.id]) == {loan.id: tuple(old)}
    with pytest.raises(DatabaseError, match=r"append only|permission denied"), transaction.atomic():
        LoanFunding.objects.filter(shard=shard).delete()


def test_suspense_charge_off_recovery_and_their_reversal_are_shared(shard):
    arranged("late", (333_333, 250_000, 50_000), (200_001, 0, 0))
    loan = open_loan(shard, replace(terms(), product="late"), START)
    due_on = services.state_of(loan, START).instalments[0].due_on
    last = due_on + 100 * DAY
    for on in days(START, last):
        close(shard, on)
    clean(shard)
    before = held(shard)
    assert before[chart.INTEREST_INCOME] == 0 and before[chart.PARTNERS_INTEREST_SUSPENSE] > 0
    assert before[chart.LOSS_ALLOWANCE] == -funding_allowance(shard, last)
    with on_day(last, 20):
        off = happen(loan, EventType.CHARGED_OFF, last, 0)
    with on_day(last, 21):
        happen(loan, EventType.RECOVERED, last, 100_000)
    now = held(shard)
    own = 1_200_000 - 400_000 - 240_001
    assert now[chart.CREDIT_LOSS] - before[chart.CREDIT_LOSS] == pytest.approx(own, abs=2)
    assert now[chart.RECOVERIES] == pytest.approx(-46_667, abs=1)
    clean(shard)
    close(shard, last + DAY)
    with on_day(last + DAY, 20):
        happen(loan, EventType.REVERSED, last + DAY, 0, event=str(off))
    clean(shard)
    close(shard, last + 2 * DAY)
    clean(shard)


def funding_allowance(shard: int, on: date) -> int:
    return sum(LoanDay.objects.filter(shard=shard, on=on).values_list("allowance_fen", flat=True))


def test_a_sold_loan_leaves_the_books_and_what_it_pays_is_its_buyers(shard):
    loan = open_loan(shard, terms(), START)
    due_on = services.state_of(loan, START).instalments[0].due_on
    for on in days(START, due_on - DAY):
        close(shard, on)
    sold_on = due_on - DAY
    held_before, accrued = held(shard), services.state_of(loan, sold_on).totals.interest_accrued_fen
    allowance = -held_before[chart.LOSS_ALLOWANCE]
    with on_day(sold_on, 20):
        sale = happen(loan, EventType.SOLD, sold_on, 1_150_000, owner="fund")
    now = held(shard)
    for code in (chart.LOAN_PRINCIPAL, chart.INTEREST_RECEIVABLE, chart.LOSS_ALLOWANCE):
        assert now[code] == 0
    assert now[chart.SALE_PRICE] == 1_150_000
    assert now[chart.LOANS_SOLD_RESULT] == 1_200_000 + accrued - 1_150_000 - allowance
    assert now[chart.INTEREST_INCOME] == -accrued
    clean(shard)
    for on in days(due_on, due_on + 40 * DAY):
        close(shard, on)
    clean(shard)
    assert explain(shard, loan.id, due_on + 40 * DAY).agrees
    assert held(shard)[chart.INTEREST_INCOME] == -accrued and held(shard)[chart.LOSS_ALLOWANCE] == 0
    last = due_on + 40 * DAY
    with on_day(last, 20):
        happen(loan, EventType.REPAID, last, 50_000)
    assert held(shard)[chart.OWED_TO_BUYERS] == -50_000 and queries.proof(shard, loan.id).equal
    clean(shard)
    with on_day(last, 21):
        happen(loan, EventType.REVERSED, last, 1_150_000, event=str(sale))
    now, state = held(shard), services.state_of(loan, last)
    assert now[chart.OWED_TO_BUYERS] == now[chart.SALE_PRICE] == now[chart.LOANS_SOLD_RESULT] == 0
    assert now[chart.LOSS_ALLOWANCE] == -allowance
    assert -now[chart.INTEREST_INCOME] == state.totals.interest_accrued_fen
    clean(shard)
    close(shard, last + DAY)
    clean(shard)


def test_a_sale_with_partners_and_the_way_back(shard):
    (bank,) = arranged("sold", (500_000, 0, 0))
    loan = open_loan(shard, replace(terms(), product="sold"), START)
    for on in days(START, START + 50 * DAY):
        close(shard, on)
    on = START + 50 * DAY
    with on_day(on, 20):
        happen(loan, EventType.SOLD, on, 1_000_001, owner="trust")
    assert funding.due(bank.partner, on).remit_fen == 500_000
    clean(shard)
    for day in days(on + DAY, on + 30 * DAY):
        close(shard, day)
    on += 30 * DAY
    with on_day(on, 20):
        happen(loan, EventType.SOLD, on, 900_000, owner=loan_lender(loan))
    clean(shard)
    assert held(shard)[chart.SALE_PRICE] == 100_001
    for day in days(on + DAY, on + 3 * DAY):
        close(shard, day)
    clean(shard)


def loan_lender(loan) -> str:
    return services.terms_of(loan).lender
