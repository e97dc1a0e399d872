"""Whatever happens to a loan, and whoever funds or buys it, each step posts as balanced lines with disclosed charges only."""

from collections import Counter
from datetime import timedelta
from uuid import UUID

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.strategies import History, lives
from timelyrain.contract import fold
from timelyrain.ledger import chart
from timelyrain.ledger.services import LENDER
from timelyrain.servicing import books
from timelyrain.servicing.shares import PPM, Part, partners_column, shared, split

LOAN, OTHERS = UUID(int=1), (UUID(int=11), UUID(int=12), UUID(int=13))
CHARGE_ACCOUNTS = {line.code: line.charge_kind for line in chart.CHART if line.charge_kind}
KNOWN = {line.code for line in chart.CHART}


@st.composite
def weights(draw: st.DrawFn) -> list[int]:
    count, left, found = draw(st.integers(0, 3)), PPM, list[int]()
    for _ in range(count):
        found.append(draw(st.integers(0, left)))
        left -= found[-1]
    return found


@st.composite
def partners(draw: st.DrawFn) -> tuple[Part, ...]:
    by_share, fees = draw(weights()), draw(weights())
    service = draw(st.integers(0, 300_000))
    return tuple(
        Part(OTHERS[n], share, fees[n] if n < len(fees) else 0, service) for n, share in enumerate(by_share)
    )


@given(st.integers(0, 2**62), weights())
@example(1, [500_000])
@example(1, [333_333, 333_333])
def test_a_sum_is_divided_without_a_fen_lost(amount: int, parts: list[int]):
    found = split(amount, parts)
    assert sum(found) == amount and split(-amount, parts) == [-fen for fen in found]
    assert abs(found[0] * PPM - amount * (PPM - sum(parts))) <= PPM // 2
    for fen, ppm in zip(found[1:], parts, strict=True):
        assert 2 * abs(fen * PPM - amount * ppm) < 3 * PPM
    assert found[0] <= split(amount + 1, parts)[0] <= found[0] + 1
    together = partners_column(np.array([amount]), np.array([sum(parts)]))
    assert int(together[0]) == sum(found[1:])


@settings(max_examples=60, deadline=None)
@given(lives(), partners())
def test_every_step_of_a_life_posts(history: History, parts: tuple[Part, ...]):
    """Own part and partners' parts are the whole; what partners are owed is their shares of what was paid."""
    days = sorted({e.value_on for e in history.events} | {history.horizon})
    days += [days[-1] + timedelta(days=30)]
    disclosed = {(str(c.kind), c.formula) for c in history.terms.charges}
    balances: Counter[books.Account] = Counter()
    before = books.Standing.of(fold(history.terms, [], days[0] - timedelta(days=1)), False)
    for day in days:
        state = fold(history.terms, [e for e in history.events if e.value_on <= day], day)
        after = books.Standing.of(state, state.dpd > 90)
        lines = books.booking(history.terms, LOAN, before, after, (0, 0), parts)
        assert sum(line.amount_fen for line in lines) == 0
        for line in lines:
            assert line.code in KNOWN
            balances[line.code, line.owner] += line.amount_fen
            kind = CHARGE_ACCOUNTS.get(line.code)
            if kind is not None and line.amount_fen < 0:
                assert (kind, line.formula) in disclosed
        before = after
    held = before.balances(history.terms, LOAN, parts)
    assert {code: balances[code, LOAN] for code in held} == held
    if before.passages:
        return
    totals, theirs = before.totals, shared(before.totals, parts)
    for part, own in zip(parts, theirs, strict=True):
        owed = own.principal_paid_fen + own.interest_paid_fen + own.penalty_paid_fen + own.cost_paid_fen
        owed += own.fee_charged_fen - part.service_fen(own)
        assert balances[chart.SHARES_TO_REMIT, part.partner] == -owed
        assert balances[chart.FUNDING_DUE, part.partner] == own.disbursed_fen
    gone = sum(own.interest_accrued_fen for own in theirs)
    if state.dpd <= 90 and state.charge_off is None:
        assert -balances[chart.INTEREST_INCOME, LENDER] == totals.interest_accrued_fen - gone
    assert -balances[chart.RECOVERIES, LENDER] == totals.recovered_fen - sum(t.recovered_fen for t in theirs)
