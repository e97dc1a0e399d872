"""Reads of the books: the general ledger of an account, and what every account showed at a past moment."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest

from timelyrain.ledger import chart, queries
from timelyrain.ledger.services import LENDER, Line, Transfer, post

pytestmark = pytest.mark.usefixtures("platform")
SHARD = 91
DAY = timedelta(days=1)
START = date(2039, 3, 1)


def paid(loan, fen: int, value_on: date, booked_at: datetime) -> None:
    lines = [Line(chart.LOAN_PRINCIPAL, fen, loan), Line(chart.PAY_OUT_CLEARING, -fen)]
    post(SHARD, [Transfer(str(uuid4()), "test", value_on, booked_at, lines, loan)])


def test_a_general_ledger_opens_runs_and_closes():
    loan, at = uuid4(), datetime(2039, 3, 9, tzinfo=UTC)
    for n, fen in enumerate((100, 250, -70, 30)):
        paid(loan, fen, START + n * DAY, at)
    book = queries.general_ledger(chart.LOAN_PRINCIPAL, START + DAY, START + 2 * DAY, owner=loan)
    assert (book.opening_fen, book.closing_fen) == (100, 280)
    assert [(line.amount_fen, line.balance_fen, line.value_on) for line in book.lines] == [
        (250, 350, START + DAY),
        (-70, 280, START + 2 * DAY),
    ]
    whole = queries.general_ledger(chart.LOAN_PRINCIPAL, START, START + 9 * DAY, owner=loan)
    assert whole.closing_fen == queries.loan_balances(SHARD, loan)[chart.LOAN_PRINCIPAL] == 310
    assert queries.general_ledger(chart.LOAN_PRINCIPAL, START, START, owner=uuid4()).lines == ()


def test_a_past_moment_knows_only_what_had_been_booked():
    loan, noon = uuid4(), datetime(2039, 4, 1, 12, tzinfo=UTC)
    paid(loan, 500, START, noon)
    paid(loan, 40, START, noon + timedelta(hours=1))  # learned later, for the same day
    assert queries.balances_at(noon - timedelta(seconds=1), owner=loan) == {}
    assert queries.balances_at(noon, owner=loan) == {chart.LOAN_PRINCIPAL: 500}
    assert queries.balances_at(noon + timedelta(days=1), owner=loan) == {chart.LOAN_PRINCIPAL: 540}
    assert sum(queries.balances_at(noon).values()) == 0


def test_bank_moves_of_a_day_by_key():
    on, fen, order = date(2039, 5, 5), 700, uuid4()
    lines = [Line(chart.BANK, -fen), Line(chart.PAY_OUT_CLEARING, fen)]
    at = datetime(2039, 5, 5, tzinfo=UTC)
    post(
        SHARD,
        [Transfer(f"pay_out:{order}", "test", on, at, lines), Transfer(str(uuid4()), "test", on, at, lines)],
    )
    assert queries.moves(chart.BANK, on, ("pay_out:", "debit:")) == {f"pay_out:{order}": -700}
    assert len(queries.moves(chart.BANK, on)) == 2 and queries.moves(chart.BANK, on + DAY) == {}
    assert queries.lender_balances([chart.BANK])[SHARD, chart.BANK] == -1400
    assert queries.loan_balances(SHARD, LENDER)[chart.BANK] == -1400
