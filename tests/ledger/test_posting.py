"""The books: balanced, append only, once per key, nothing charged that was not disclosed; whoever tries."""

from datetime import UTC, date, datetime
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection, connections, transaction

from timelyrain.ledger import chart, errors, queries
from timelyrain.ledger.services import Line, Transfer, post, register_disclosure

pytestmark = pytest.mark.usefixtures("platform")
SHARD = 3


def transfer(*lines: Line, key: str | None = None, loan=None, act: str = "test") -> Transfer:
    return Transfer(key or str(uuid4()), act, date(2026, 1, 5), datetime(2026, 1, 5, tzinfo=UTC), lines, loan)


def pay(amount: int, **more) -> Transfer:
    return transfer(Line(chart.BANK, -amount), Line(chart.PAY_OUT_CLEARING, amount), **more)


def balance(code: str) -> int:
    return next(line.balance_fen for line in queries.trial_balance().lines if line.code == code)


def test_a_batch_posts_every_line_and_keeps_running_balances():
    before = balance(chart.BANK)
    assert len(post(SHARD, [pay(100), pay(250), pay(7)])) == 3
    assert balance(chart.BANK) == before - 357
    assert queries.trial_balance().balanced
    assert queries.drifted_accounts() == []


def test_the_same_key_posts_once_and_another_act_under_it_is_refused():
    first = pay(100)
    assert post(SHARD, [first]) == {first.id}
    before = balance(chart.BANK)
    assert post(SHARD, [pay(100, key=first.key)]) == set()
    with pytest.raises(errors.TransferKeyReused, match=first.key):
        post(SHARD, [pay(101, key=first.key)])
    assert balance(chart.BANK) == before


def test_a_repeat_within_one_batch_posts_once():
    before = balance(chart.BANK)
    first = pay(11)
    post(SHARD, [first, pay(11, key=first.key), pay(5)])
    assert balance(chart.BANK) == before - 16


@pytest.mark.parametrize(
    "lines",
    [
        (Line(chart.BANK, -100), Line(chart.CAPITAL, 99)),
        (Line(chart.BANK, 0), Line(chart.CAPITAL, 0)),
        (Line(chart.BANK, 0),),
        (),
    ],
)
def test_what_does_not_balance_is_refused_and_takes_its_batch_along(lines):
    before = queries.trial_balance()
    with pytest.raises(errors.Unbalanced):
        post(SHARD, [pay(100), transfer(*lines)])
    assert queries.trial_balance() == before


def test_a_charge_needs_the_disclosed_kind_and_formula():
    loan = uuid4()
    register_disclosure(SHARD, loan, b"\0" * 32, [("interest", "12 % a year")])

    def charge(code: str, formula: str | None, owner=loan) -> Transfer:
        return transfer(
            Line(chart.INTEREST_RECEIVABLE, 30, owner), Line(code, -30, formula=formula), loan=owner
        )

    assert post(SHARD, [charge(chart.INTEREST_INCOME, "12 % a year")])
    for refused in (
        charge(chart.INTEREST_INCOME, "13 % a year"),
        charge(chart.INTEREST_INCOME, None),
        charge(chart.PENALTY_INCOME, "12 % a year"),
        charge(chart.INTEREST_INCOME, "12 % a year", uuid4()),
    ):
        with pytest.raises(errors.UndisclosedCharge):
            post(SHARD, [refused])


@pytest.mark.parametrize(
    "table", ["ledger_entry", "ledger_transfer", "ledger_account", "ledger_disclosedcharge"]
)
@pytest.mark.parametrize("statement", ["UPDATE {} SET shard = shard", "DELETE FROM {}", "TRUNCATE {}"])
def test_the_application_role_can_change_nothing(table, statement):
    post(SHARD, [pay(1)])
    with (
        pytest.raises(DatabaseError, match=r"permission denied|append only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement.format(table))


def test_the_application_role_cannot_write_entries_beside_the_function():
    with (
        pytest.raises(DatabaseError, match="permission denied"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("INSERT INTO ledger_transfer SELECT * FROM ledger_transfer LIMIT 1")


@pytest.mark.parametrize(
    "statement",
    ["UPDATE ledger_entry SET amount_fen = 1", "DELETE FROM ledger_entry", "TRUNCATE ledger_entry"],
)
def test_not_even_the_owner_changes_an_entry(statement):
    post(SHARD, [pay(1)])
    with (
        pytest.raises(DatabaseError, match="append only"),
        transaction.atomic("owner"),
        connections["owner"].cursor() as cursor,
    ):
        cursor.execute(statement)


def test_not_even_the_owner_inserts_an_unbalanced_entry():
    post(SHARD, [first := pay(1)])
    with (
        pytest.raises(DatabaseError, match="do not balance"),
        transaction.atomic("owner"),
        connections["owner"].cursor() as cursor,
    ):
        cursor.execute(
            "INSERT INTO ledger_entry (shard, transfer_id, line, account_id, amount_fen, balance_after_fen)"
            " SELECT shard, transfer_id, 9, account_id, 5, 5 FROM ledger_entry"
            " WHERE shard = %s AND transfer_id = %s LIMIT 1",
            [SHARD, first.id],
        )


def test_a_batch_makes_accounts_repeats_old_transfers_and_keeps_texts_as_they_are():
    odd = 'back\\slash, "quote", {brace}, NULL, 及时雨'
    loan = uuid4()
    old = transfer(
        Line(chart.LOAN_PRINCIPAL, 5, loan), Line(chart.BANK, -5), key=f"{odd} {uuid4()}", loan=loan
    )
    post(SHARD, [old])
    other = uuid4()
    fresh = transfer(Line(chart.LOAN_PRINCIPAL, 7, other), Line(chart.LOAN_PRINCIPAL, -7, loan), act=odd[:40])
    assert post(SHARD, [old, fresh]) == {fresh.id}
    assert queries.loan_balances(SHARD, loan) == {chart.LOAN_PRINCIPAL: -2}
    assert queries.loan_balances(SHARD, other) == {chart.LOAN_PRINCIPAL: 7}
    book = queries.general_ledger(chart.LOAN_PRINCIPAL, old.value_on, old.value_on, owner=loan)
    assert {(line.key, line.act, line.amount_fen) for line in book.lines} == {
        (old.key, "test", 5),
        (fresh.key, odd[:40], -7),
    }
    assert queries.drifted_accounts() == []


def test_an_amount_beyond_the_column_is_refused():
    with pytest.raises(OverflowError):
        post(SHARD, [pay(2**63)])
    with pytest.raises(DatabaseError, match="out of range"):
        post(SHARD, [pay(2**62), pay(2**62), pay(2**62)])
