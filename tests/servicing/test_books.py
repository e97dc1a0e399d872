"""Whatever happens to a loan, the step between two of its days posts as balanced lines with disclosed charges only."""

from collections import Counter
from datetime import timedelta
from uuid import UUID

from hypothesis import given, settings

from tests.strategies import History, lives
from timelyrain.contract import Totals, fold
from timelyrain.ledger import chart
from timelyrain.servicing import books

LOAN = UUID(int=1)
CHARGE_ACCOUNTS = {line.code: line.charge_kind for line in chart.CHART if line.charge_kind}


@settings(max_examples=60, deadline=None)
@given(lives())
def test_every_step_of_a_life_posts(history: History):
    days = sorted({e.value_on for e in history.events} | {history.horizon})
    days += [days[-1] + timedelta(days=30)]
    disclosed = {(str(c.kind), c.formula) for c in history.terms.charges}
    balances: Counter[str] = Counter()
    before = Totals()
    for day in days:
        totals = fold(history.terms, [e for e in history.events if e.value_on <= day], day).totals
        lines = books.lines(history.terms, LOAN, totals - before)
        assert sum(line.amount_fen for line in lines) == 0
        for line in lines:
            balances[line.code] += line.amount_fen
            kind = CHARGE_ACCOUNTS.get(line.code)
            if kind is not None and line.amount_fen < 0:
                assert (kind, line.formula) in disclosed
        before = totals
    assert {code: balances[code] for code in books.receivables(before)} == books.receivables(before)
