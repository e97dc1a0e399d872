"""The day close: equal to the fold, once per day and shard, complete after a kill, and explained."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from itertools import count
from random import Random

import psycopg
import pytest
from django.db import DatabaseError, connection, connections, transaction
from django.test import override_settings

from tests.conftest import superuser_dsn
from tests.portfolio import days, forget_sagas, happen, on_day, open_loan, random_terms, terms
from timelyrain.contract import ContractViolation, EventType, Status, fold
from timelyrain.ledger import chart
from timelyrain.ledger import queries as ledger
from timelyrain.ledger.errors import UndisclosedCharge
from timelyrain.ledger.models import LoanDay
from timelyrain.runtime import law
from timelyrain.runtime.models import Saga
from timelyrain.runtime.problems import NotFound, Unavailable
from timelyrain.servicing import auditor, dayclose, errors, nightly, provisions, queries, services
from timelyrain.servicing.explaining import explain
from timelyrain.servicing.models import Accruing, DayRun, Loan, Repayment

pytestmark = pytest.mark.usefixtures("platform")
START = date(2040, 1, 10)
DAY = timedelta(days=1)
_shards = count(100)


@pytest.fixture
def shard() -> Iterator[int]:
    """A shard of the test's own."""
    made = next(_shards)
    yield made
    forget_sagas(made)


def close(shard: int, on: date) -> dayclose.Closed | None:
    with on_day(on):
        return dayclose.close(shard, on)


def check(loan: Loan) -> None:
    proof = queries.proof(loan.shard, loan.id)
    assert proof.equal, proof


def balances(shard: int) -> dict[str, int]:
    found: dict[str, int] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT code, sum(balance_fen)::bigint FROM ledger_account WHERE shard = %s GROUP BY 1", [shard]
        )
        found |= cursor.fetchall()
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_lives_are_in_the_books_as_the_fold_has_them(shard, seed):
    dice = Random(seed)
    loans = [
        open_loan(shard, random_terms(dice), START + timedelta(days=dice.randrange(20))) for _ in range(12)
    ]
    for on in days(START, START + timedelta(days=150)):
        for loan in loans:
            if loan.opened_on <= on and dice.random() < 0.06:
                _something_happens(dice, loan, on)
        if dice.random() < 0.1:
            continue  # the platform stood still: the next close goes over this day
        closed = close(shard, on)
        assert closed is not None and closed.loans <= len(loans)
        if dice.random() < 0.15:
            for loan in loans:
                check(loan)
    audit = auditor.audit_books([shard])
    assert audit.clean, f"seed {seed}: {audit.differences[:3]}"
    assert audit.loans == 12
    assert all(
        explain(shard, row.loan_id, row.on).agrees
        for row in LoanDay.objects.filter(shard=shard).order_by("?")[:60]
    )


def _something_happens(dice: Random, loan: Loan, on: date) -> None:
    valued = max(loan.opened_on, on - timedelta(days=dice.choice([0, 0, 0, 2, 9])))
    kind = dice.choice([EventType.REPAID, EventType.REPAID, EventType.PREPAID_PART, EventType.PREPAID_FULL])
    state = services.state_of(loan, valued)
    amount = dice.choice([state.amount_due_fen, dice.randrange(1, 400_000)])
    data = {"mode": dice.choice(["keep_term", "keep_instalment"])} if kind == EventType.PREPAID_PART else {}
    if kind == EventType.PREPAID_FULL:
        amount = state.payoff_fen
    with suppress(ContractViolation, ValueError), on_day(on), transaction.atomic():
        happen(loan, kind, valued, amount, **data)


def test_a_day_is_closed_once(shard):
    loan = open_loan(shard, terms(), START)
    assert close(shard, START) == dayclose.Closed(
        shard, START, 1, 0, 0, 0, balances(shard)[chart.LOSS_ALLOWANCE] * -1, 0, 0
    )
    first = close(shard, START + DAY)
    assert first and first.interest_fen == 1_200_000 * 144_000 // 12_000_000 // 31
    before = balances(shard)
    assert close(shard, START + DAY) is None and close(shard, START) is None
    assert balances(shard) == before
    assert DayRun.objects.filter(shard=shard).count() == 2
    check(loan)


def test_a_gap_is_closed_over(shard):
    loan = open_loan(shard, terms(), START)
    close(shard, START)
    close(shard, START + 10 * DAY)
    check(loan)
    row = LoanDay.objects.get(shard=shard, on=START + 10 * DAY)
    assert row.interest_fen == services.state_of(loan, START + 10 * DAY).totals.interest_accrued_fen


def test_a_late_loan_is_marked_put_into_suspense_and_cured(shard):
    loan = open_loan(shard, terms(), START)
    due_on = services.state_of(loan, START).instalments[0].due_on
    seen: dict[int, tuple[str, str]] = {}
    for on in days(START, due_on + timedelta(days=100)):
        close(shard, on)
        loan.refresh_from_db()
        seen[(on - due_on).days] = loan.status, loan.bucket
        assert loan.dpd == max(0, (on - due_on).days)
        if (on - due_on).days in (89, 90):
            assert balances(shard).get(chart.INTEREST_SUSPENSE, 0) == 0
    assert seen[-1] == seen[0] == (Status.ACTIVE, "M0")
    assert (seen[1], seen[30], seen[31]) == (
        (Status.OVERDUE, "M1"),
        (Status.OVERDUE, "M1"),
        (Status.OVERDUE, "M2"),
    )
    assert seen[91][1] == "M4"
    held, state = balances(shard), services.state_of(loan, due_on + timedelta(days=100))
    assert -held[chart.INTEREST_SUSPENSE] == state.totals.interest_receivable_fen > 0
    assert -held[chart.PENALTY_SUSPENSE] == state.totals.penalty_receivable_fen > 0
    assert held[chart.INTEREST_INCOME] == 0 == held[chart.PENALTY_INCOME]
    band = provisions.provisions(START).band(100)
    assert band.stage == 3 and -held[chart.LOSS_ALLOWANCE] == -(-1_200_000 * band.loss_ppm // 10**6)
    check(loan)

    with on_day(due_on + timedelta(days=100), hour=20):
        happen(loan, EventType.REPAID, due_on + timedelta(days=100), state.amount_due_fen)
    held = balances(shard)
    assert held[chart.INTEREST_SUSPENSE] == held[chart.PENALTY_SUSPENSE] == 0
    assert -held[chart.INTEREST_INCOME] == state.totals.interest_accrued_fen
    check(loan)
    closed = close(shard, due_on + timedelta(days=101))
    assert closed and closed.allowance_fen == -balances(shard)[chart.LOSS_ALLOWANCE] < 50_000
    assert auditor.audit_books([shard]).clean


def test_money_on_a_loan_in_suspense_becomes_income_as_far_as_it_pays(shard):
    loan = open_loan(shard, terms(), START)
    on = services.state_of(loan, START).instalments[0].due_on + timedelta(days=95)
    for day in days(START, on):
        close(shard, day)
    with on_day(on, hour=20):
        happen(loan, EventType.REPAID, on, 5_000)
    held, totals = balances(shard), services.state_of(loan, on).totals
    assert (
        -held[chart.INTEREST_INCOME] - held[chart.PENALTY_INCOME]
        == totals.interest_paid_fen + totals.penalty_paid_fen
        == 5_000
    )
    check(loan)
    close(shard, on + DAY)
    check(loan)
    assert auditor.audit_books([shard]).clean


def test_a_charged_off_loan_leaves_suspense_and_allowance_without_income(shard):
    loan = open_loan(shard, terms(), START)
    on = services.state_of(loan, START).instalments[0].due_on + timedelta(days=120)
    for day in days(START, on):
        close(shard, day)
    with on_day(on, hour=20):
        happen(loan, EventType.CHARGED_OFF, on, 0)
    close(shard, on + DAY)
    held = balances(shard)
    assert held[chart.INTEREST_INCOME] == held[chart.PENALTY_INCOME] == held[chart.INTEREST_SUSPENSE] == 0
    assert held[chart.LOSS_ALLOWANCE] == 0 and held[chart.CREDIT_LOSS] == 1_200_000
    check(loan)
    with on_day(on + 2 * DAY):
        happen(loan, EventType.RECOVERED, on + 2 * DAY, 70_000)
    close(shard, on + 2 * DAY)
    assert balances(shard)[chart.RECOVERIES] == -70_000
    check(loan)
    assert auditor.audit_books([shard]).clean


def test_surplus_pays_what_falls_due(shard):
    loan = open_loan(shard, terms(), START)
    first = services.state_of(loan, START).instalments[0]
    with on_day(START + DAY):
        happen(loan, EventType.REPAID, START + DAY, 50_000)
    for day in days(START, first.due_on + DAY):
        close(shard, day)
        check(loan)
    assert services.state_of(loan, first.due_on).instalments[0].principal_paid_fen > 0
    assert auditor.audit_books([shard]).clean


def test_a_settled_loan_gets_its_last_row_and_no_more(shard):
    loan = open_loan(shard, terms(), START)
    close(shard, START)
    with on_day(START + DAY):
        happen(loan, EventType.PREPAID_FULL, START + DAY, services.state_of(loan, START + DAY).payoff_fen)
    close(shard, START + DAY)
    row = LoanDay.objects.get(shard=shard, on=START + DAY)
    assert (row.interest_fen, row.allowance_fen) == (0, 0)
    assert balances(shard)[chart.LOSS_ALLOWANCE] == 0
    assert not Accruing.objects.filter(shard=shard).exists()
    closed = close(shard, START + 2 * DAY)
    assert closed and closed.loans == 0
    check(loan)


def test_what_falls_due_is_debited_once_and_reminded_of(shard):
    loan = open_loan(shard, terms(), START)
    first = services.state_of(loan, START).instalments[0]
    rule = provisions.reminders(START)
    for on in days(START, first.due_on + 2 * DAY):
        closed = close(shard, on)
        assert closed and closed.debits == (on == first.due_on)
        assert closed.reminders == (
            (first.due_on - on).days in rule.before_due_days
            or (on - first.due_on).days in rule.after_due_days
        )
    made = Repayment.objects.get(shard=shard)
    assert (made.amount_fen, made.automatic) == (first.principal_due_fen + first.interest_due_fen, True)
    sagas = Saga.objects.filter(shard=shard)
    assert sagas.filter(kind="repay_loan", key=str(made.id)).count() == 1
    assert sagas.filter(kind="remind_borrower").count() == 2
    assert loan.id == made.loan_id


def test_days_that_are_caught_up_with_remind_nobody_and_ask_for_what_is_still_due(shard):
    loan = open_loan(shard, terms(), START)
    first = services.state_of(loan, START).instalments[0]
    late = first.due_on + 9 * DAY
    with on_day(late):
        happen(loan, EventType.REPAID, late, 30_000)
        nightly.close_days({shard: list(days(START, late))})
    assert not Saga.objects.filter(
        shard=shard, kind="remind_borrower", key__contains=str(first.due_on - 3 * DAY)
    ).exists()
    assert Repayment.objects.get(shard=shard).amount_fen == services.state_of(loan, late).amount_due_fen
    check(loan)


def test_nothing_is_charged_that_was_not_disclosed(shard):
    with pytest.raises(UndisclosedCharge), transaction.atomic():
        open_loan(shard, terms(), START, disclosed=False)
    loan = open_loan(shard, terms(), START)
    close(shard, START)
    charges = ledger.disclosed_charges(shard, [loan.id])
    penalty = next(id for (_, kind, _), id in charges.items() if kind == "penalty")
    row = {
        "shard": shard,
        "on": START + DAY,
        "loan_id": loan.id,
        "penalty_fen": 0,
        "allowance_fen": 0,
        "dpd": 0,
    }
    for charge in (penalty, loan.id):  # another kind of charge; none at all
        with pytest.raises(DatabaseError, match="not disclosed"), transaction.atomic():
            LoanDay.objects.create(
                **row, interest_fen=100, suspended=False, interest_charge_id=charge, penalty_charge_id=penalty
            )
    for statement in ("UPDATE ledger_loanday SET interest_fen = 0", "DELETE FROM ledger_loanday"):
        with pytest.raises(DatabaseError, match=r"permission denied|append only"), transaction.atomic():
            connection.cursor().execute(statement)


def test_terms_above_the_law_are_not_accrued(shard):
    with pytest.raises(errors.AboveLawCap), transaction.atomic():
        open_loan(shard, terms(cap_ppm=400_000, annual_rate_ppm=300_000), START)
    assert not Accruing.objects.filter(shard=shard).exists()


def test_every_day_can_be_explained(shard):
    loan = open_loan(shard, terms(), START)
    due_on = services.state_of(loan, START).instalments[0].due_on
    for on in days(START, due_on + timedelta(days=10)):
        if on == START + 5 * DAY:
            with on_day(on):
                happen(loan, EventType.PREPAID_PART, on, 100_000, mode="keep_term")
        close(shard, on)
    for on in days(START, due_on + timedelta(days=10)):
        told = explain(shard, loan.id, on)
        assert told.agrees, told
    with on_day(due_on + timedelta(days=11)):  # a fact learned later changes nothing of what was done
        happen(loan, EventType.REPAID, due_on, 20_000)
    told = explain(shard, loan.id, due_on + 8 * DAY)
    assert told.agrees and told.dpd == 8 and told.booked.penalty_fen > 0
    words = " ".join(told.sentences())
    assert (
        "8 day(s) past due" in words
        and f"adds {told.booked.penalty_fen} fen" in words
        and "principal_overdue" in words
    )
    with pytest.raises(NotFound):
        explain(shard, loan.id, START - DAY)


_CLOSING = """
import django, sys
django.setup()
from datetime import date
from timelyrain.servicing import dayclose
for word in sys.argv[2:]:
    dayclose.close(int(sys.argv[1]), date.fromisoformat(word))
    print(word, flush=True)
"""


def test_a_killed_close_leaves_whole_days_and_the_next_goes_on(shard):
    loans = [open_loan(shard, terms(100_000 * n), START) for n in range(1, 6)]
    wanted = [str(on) for on in days(START, START + timedelta(days=60))]
    process = subprocess.Popen(
        [sys.executable, "-c", _CLOSING, str(shard), *wanted], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    for _ in range(3):
        process.stdout.readline()
    late = START + timedelta(days=45)  # all are overdue by then: the close must wait for this row
    with psycopg.connect(superuser_dsn()) as holder:
        holder.execute(
            "SELECT 1 FROM servicing_loan WHERE shard = %s AND id = %s FOR UPDATE", [shard, loans[0].id]
        )
        with psycopg.connect(superuser_dsn(), autocommit=True) as watcher:
            deadline = time.monotonic() + 60
            while not _waits(watcher, shard):
                assert time.monotonic() < deadline and process.poll() is None
                time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    run = set(DayRun.objects.filter(shard=shard).values_list("on", flat=True))
    assert START < max(run) < late
    assert set(LoanDay.objects.filter(shard=shard).values_list("on", flat=True)) == run
    assert auditor.audit_books([shard]).clean
    subprocess.run(
        [sys.executable, "-c", _CLOSING, str(shard), *wanted], check=True, stdout=subprocess.DEVNULL
    )
    assert DayRun.objects.filter(shard=shard).count() == 61
    for loan in loans:
        check(loan)
    assert auditor.audit_books([shard]).clean


def _waits(watcher: psycopg.Connection, shard: int) -> bool:
    """Whether some session holds the books of the shard and waits for a row."""
    query = """
        SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%%servicing_loan%%'
            AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted) AND pid <> pg_backend_pid()
    """
    return watcher.execute(query).fetchone() is not None


def test_two_processes_close_what_one_would():
    shards = [next(_shards) for _ in range(4)]
    for place, shard in enumerate(shards):
        for n in range(3):
            open_loan(shard, terms(100_000 * (n + 1 + place % 2)), START)
    wanted = list(days(START, START + 3 * DAY))
    with on_day(START + 3 * DAY):
        beside = nightly.close_days(dict.fromkeys(shards[:2], wanted), processes=2)
        alone = nightly.close_days(dict.fromkeys(shards[2:], wanted))
    assert len(beside) == len(alone) == 8

    def what(found: list[dayclose.Closed]) -> list[tuple[int, ...]]:
        return sorted((shard.interest_fen, shard.allowance_fen, shard.loans) for shard in found)

    assert what(beside) == what(alone)
    assert auditor.audit_books(shards).clean


def test_a_day_past_the_calendar_is_refused_until_the_next_year_is_added(shard, tmp_path):
    with override_settings(SIMULATED=False, HOME=tmp_path):
        end = law.work_calendar().last
        loan = open_loan(shard, terms(), end - DAY)
        close(shard, end - DAY)
        before = balances(shard)
        for refused in (end + DAY, date(2400, 1, 1)):
            with pytest.raises(errors.CalendarEnds, match=f"{refused} cannot be closed.* to {end}"):
                close(shard, refused)
        assert balances(shard) == before and DayRun.objects.get(shard=shard).on == end - DAY
        with connections["owner"].cursor() as cursor:
            cursor.execute("SELECT to_regclass('ledger_months.loanday_2400_01')")
            assert cursor.fetchone() == (None,)

        wanted = list(days(end, end + 2 * DAY))
        with pytest.raises(errors.CalendarEnds, match=str(end + DAY)), on_day(end + 2 * DAY):
            nightly.close_days({shard: wanted})
        assert dayclose.closed_up_to(shard) == end  # what it covers was closed
        year = (
            f'[[year]]\nyear = {end.year + 1}\noff = []\nworked = []\nsource = "notice"\nconfidence = "H"\n'
        )
        (tmp_path / "calendar.toml").write_text(year)
        with on_day(end + 2 * DAY):
            assert len(nightly.close_days({shard: wanted})) == 2
    check(loan)


def test_debits_and_reminders_leave_out_days_of_rest_where_they_must(shard, monkeypatch):
    opened = next(
        on for on in days(START, START + 99 * DAY) if (on + 31 * DAY).weekday() == 5 and on.day < 28
    )
    loan = open_loan(shard, terms(), opened)
    due_on = services.state_of(loan, opened).instalments[0].due_on
    rule = replace(provisions.reminders(START), before_due_days=(6,), after_due_days=(1,), on_rest_days=False)
    monkeypatch.setattr(provisions, "debits_on_rest_days", lambda on: False)
    monkeypatch.setattr(provisions, "reminders", lambda on: rule)
    debited, reminded = [], []
    for on in days(opened, due_on + 7 * DAY):
        closed = close(shard, on)
        assert closed and (closed.interest_fen > 0 or on == opened)  # interest knows no rest
        debited += [on] * closed.debits
        reminded += [on] * closed.reminders
    rest = [on for on in days(due_on - 9 * DAY, due_on + 5 * DAY) if not law.work_calendar().is_working(on)]
    monday = next(on for on in days(due_on, due_on + 9 * DAY) if on not in rest)
    assert due_on in rest and debited == [monday]
    assert reminded == [max(on for on in days(due_on - 12 * DAY, due_on - 6 * DAY) if on not in rest), monday]


def test_a_month_is_guarded_as_the_whole_is(shard):
    loan = open_loan(shard, terms(), START)
    for on in days(START, START + 24 * DAY):
        close(shard, on)
    name = f"loanday_{START:%Y_%m}"
    row = f"SELECT {shard}, '2040-01-31', gen_random_uuid(), 1, 0, 0, gen_random_uuid(), gen_random_uuid(), 0, false"
    for dsn_of, refusal in (("default", "permission denied"), ("owner", "not disclosed")):
        with pytest.raises(DatabaseError, match=refusal), transaction.atomic(dsn_of):
            connections[dsn_of].cursor().execute(f"INSERT INTO ledger_months.{name} {row}")
    with pytest.raises(DatabaseError, match="append only"), transaction.atomic("owner"):
        connections["owner"].cursor().execute(f"DELETE FROM ledger_months.{name}")
    with connections["owner"].cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM ledger_months.{name} WHERE shard = %s", [shard])
        assert cursor.fetchone() == (22,)
        cursor.execute("SELECT to_regclass('ledger_months.loanday_2040_03') IS NOT NULL")
        assert cursor.fetchone() == (True,)  # made ahead
    check(loan)


def test_an_old_month_can_be_taken_off(shard):
    first = date(2055, 3, 20)
    loan = open_loan(shard, terms(), first)
    for on in days(first, date(2055, 4, 5)):
        close(shard, on)
    with on_day(date(2055, 4, 5), hour=20):
        happen(loan, EventType.REPAID, date(2055, 4, 5), 1_000)
    with connections["owner"].cursor() as cursor:
        cursor.execute(  # as docs/ledger.md has it
            "SELECT min(posted_on) FROM servicing_loan WHERE status <> 'SETTLED' AND shard = %s", [shard]
        )
        assert cursor.fetchone()[0] > date(2055, 3, 31)
        cursor.execute("ALTER TABLE ledger_loanday DETACH PARTITION ledger_months.loanday_2055_03")
    assert LoanDay.objects.filter(shard=shard).count() == 5
    close(shard, date(2055, 4, 6))
    check(loan)
    assert auditor.audit_books([shard]).clean


@pytest.mark.parametrize(
    ("installed", "why"), [(False, "Dask is not installed"), (True, "does not answer")], ids=str
)
def test_a_scheduler_that_cannot_be_used_is_refused_with_what_to_do(monkeypatch, installed, why):
    if installed:
        pytest.importorskip("distributed")
        monkeypatch.setattr(nightly, "CONNECT_SECONDS", 0.3)
    else:
        monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(Unavailable, match=why):
        nightly.close_days({1: [START]}, scheduler="tcp://127.0.0.1:1")


def _kill_once_busy(pid: int, shards: list[int]) -> None:
    """Kill a worker in the middle of its work."""
    with psycopg.connect(superuser_dsn(), autocommit=True) as watcher:
        query = "SELECT count(*) > 4 FROM servicing_dayrun WHERE shard = ANY(%s)"
        deadline = time.monotonic() + 60
        while watcher.execute(query, [shards]).fetchone() != (True,) and time.monotonic() < deadline:
            time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)


def test_dask_workers_close_what_one_process_would_though_one_of_them_dies():
    distributed = pytest.importorskip("distributed")
    shards = [next(_shards) for _ in range(6)]
    loans = [open_loan(shard, terms(100_000 * (n + 1)), START) for shard in shards for n in range(3)]
    wanted = list(days(START, START + 15 * DAY))
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        victim = next(iter(cluster.workers.values())).pid
        killer = threading.Thread(target=_kill_once_busy, args=(victim, shards))
        killer.start()
        with on_day(wanted[-1]):
            away = nightly.close_days(dict.fromkeys(shards[:4], wanted), scheduler=cluster.scheduler_address)
            killer.join()
    with on_day(wanted[-1]):
        assert nightly.close_days(dict.fromkeys(shards[:4], wanted)) == []
        here = nightly.close_days(dict.fromkeys(shards[4:], wanted))
    runs = DayRun.objects.filter(shard__in=shards[:4])
    assert runs.count() == 4 * len(wanted) and len(away) <= runs.count()
    assert {balances(shard)[chart.INTEREST_INCOME] for shard in shards} == {
        balances(shards[-1])[chart.INTEREST_INCOME]
    }
    assert sum(one.interest_fen for one in here) == -2 * balances(shards[0])[chart.INTEREST_INCOME]
    for loan in loans:
        check(loan)
    assert auditor.audit_books(shards).clean


def test_an_event_waits_for_the_close_and_is_counted_once(shard):
    """The close holds the books of the shard; what happens meanwhile is booked after it."""
    loan = open_loan(shard, terms(), START)
    close(shard, START)
    with psycopg.connect(superuser_dsn()) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"books:{shard}"])
        with (
            pytest.raises(DatabaseError, match="lock timeout"),
            on_day(START + DAY),
            transaction.atomic(),
        ):
            connection.cursor().execute("SET LOCAL lock_timeout = '100ms'")
            happen(loan, EventType.REPAID, START + DAY, 1_000)
    with on_day(START + DAY):
        happen(loan, EventType.REPAID, START + DAY, 1_000)
    close(shard, START + DAY)
    check(loan)
    assert fold(services.terms_of(loan), services.events_of(loan), START + DAY).totals.received_fen == 1_000
