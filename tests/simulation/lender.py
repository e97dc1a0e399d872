"""A lender's years in the database: loans, payments over the rail, day closes, days of standstill and processes that die.

Everything goes through the services, under a clock that the simulation moves. Each month the auditors look: the platform's own,
and what only this one knows (the naive rules, the cap, the clearing accounts, the rows of single days).
"""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from uuid import UUID, uuid4

import psycopg
from django.db import connection, transaction

from tests.borrowers import Applicant, register
from tests.conftest import superuser_dsn
from tests.portfolio import on_day, open_loan, random_terms
from tests.simulation import auditor as rules
from tests.simulation.naive_events import live
from tests.simulation.simulator import WEIGHTS, Life, Walker
from tests.worlds import World
from timelyrain.contract import ContractViolation, Event, EventType, Status, fold
from timelyrain.ledger import chart
from timelyrain.ledger import queries as ledger_queries
from timelyrain.ledger import services as ledger
from timelyrain.runtime import clock, sagas, worker
from timelyrain.runtime.models import Saga
from timelyrain.runtime.problems import Problem
from timelyrain.servicing import auditor, books, dayclose, funding, services
from timelyrain.servicing.models import FundingArrangement, Loan, Repayment
from timelyrain.servicing.shares import Part

DAY = timedelta(days=1)
RICH_FEN = 10**10
_CHILD = """
import sys, django
django.setup()
from datetime import date
from tests.portfolio import on_day
from timelyrain.runtime import worker
from timelyrain.servicing import dayclose
what, on, shard = sys.argv[1], date.fromisoformat(sys.argv[2]), int(sys.argv[3])
print("ready", flush=True)
with on_day(on, 9):
    worker.drain("dies") if what == "drain" else dayclose.close(shard, on)
"""
ARRANGEMENTS = {
    "with_a_bank": [(700_000, 0, 100_000)],
    "with_three": [(333_333, 250_000, 0), (166_667, 0, 50_000), (111_111, 300_001, 0)],
}
"""Products that partners fund with the lender: share, part of fees, service fee, in ppm."""
_MONEY_IN = {EventType.REPAID, EventType.PREPAID_PART, EventType.PREPAID_FULL, EventType.RECOVERED}


@dataclass
class Report:
    loans: int = 0
    days: int = 0
    closed: int = 0
    stood_still: int = 0
    kills: Counter[str] = field(default_factory=Counter[str])
    events: Counter[str] = field(default_factory=Counter[str])
    repayments: Counter[str] = field(default_factory=Counter[str])
    refused: int = 0
    audits: int = 0


class Lender:
    """One shard of a seeded lender. `walk` lives its days; differences are collected where they are found."""

    def __init__(
        self, world: World, seed: int, shard: int, begins: date, loans: int, payers: int, spread: int = 60
    ) -> None:
        """spread: over how many days the loans are opened."""
        self.world, self.dice, self.shard, self.begins = world, Random(f"lender:{seed}"), shard, begins
        self.report = Report(loans=loans)
        for product, shares in ARRANGEMENTS.items():
            names = [f"partner {n} of {product}" for n in range(len(shares))]
            parts = [
                Part(funding.admit(name, begins, by="simulator"), *share)
                for name, share in zip(names, shares, strict=True)
            ]
            if not FundingArrangement.objects.filter(product=product).exists():
                funding.agree(product, begins, parts, by="simulator")
        self.people = [self._settle_in(register(world)) for _ in range(payers)]
        self.cards: dict[UUID, str] = {}
        self.plan = sorted(begins + self.dice.randrange(0, spread) * DAY for _ in range(loans))
        self.today = begins
        self.differing: list[Life] = []

    def _settle_in(self, who: Applicant) -> Applicant:
        """The borrower in a shard of this lender's own: the rows as they are, with their seals and consents."""
        with psycopg.connect(superuser_dsn(), autocommit=True) as db:
            for table in ("customers_borrower", "customers_consent"):
                rows = db.execute(
                    "SELECT column_name FROM information_schema.columns WHERE table_name = %s ORDER BY 1",
                    [table],
                ).fetchall()
                names = [row[0] for row in rows]
                kept = ", ".join(f'"{name}"' for name in names)
                moved = ", ".join("%(to)s" if name == "shard" else f'"{name}"' for name in names)
                mine = "id" if table == "customers_borrower" else "borrower_id"
                db.execute(
                    f"INSERT INTO {table} ({kept}) SELECT {moved} FROM {table} WHERE {mine} = %(id)s",
                    {"to": self.shard, "id": who.borrower.id},
                )
        return who

    # -- days -----------------------------------------------------------------------------------------------------------

    def walk(self, days: int, kills: int, tell: Callable[[Report], None] | None = None) -> list[str]:
        """Live so many days, with so many processes killed on the way; returns what the auditors found."""
        deadly = set(self.dice.sample(range(5, days), min(kills, days - 5)))
        waiting: list[date] = []
        found: list[str] = []
        audited = self.begins.month
        for n in range(days):
            self.today = self.begins + n * DAY
            self.report.days += 1
            while self.plan and self.plan[0] <= self.today:
                self.plan.pop(0)
                self._open()
            with on_day(self.today, 8):
                self._live_a_day()
            waiting.append(self.today)
            if self.dice.random() < 0.12 and n < days - 1:
                self.report.stood_still += 1
                continue
            if n in deadly:
                self._die(waiting[-1])
            for on in waiting:
                before = dayclose.closed_up_to(self.shard)
                with on_day(self.today, 9):
                    closed = dayclose.close(self.shard, on)
                if closed is not None:
                    self.report.closed += 1
                    found += self._day_rows(on, before)
            waiting = []
            self._carry()
            if self.today.month != audited or n == days - 1:
                audited = self.today.month
                found += self.audit()
                if tell:
                    tell(self.report)
            if found:
                return found
        return found

    def loans(self) -> list[Loan]:
        return list(Loan.objects.filter(shard=self.shard).order_by("opened_on", "id"))

    def _open(self) -> None:
        signed = replace(
            random_terms(self.dice), product=self.dice.choice(["instant_consumer", *ARRANGEMENTS])
        )
        loan = open_loan(self.shard, signed, self.today)
        self._confirm(chart.PAY_OUT_CLEARING, signed.principal_fen)
        self.report.events["DISBURSED"] += 1
        who = self.dice.choice(self.people)
        Loan.objects.filter(shard=self.shard, id=loan.id).update(borrower_id=who.borrower.id)
        self.cards[loan.id] = who.person["bank_card"]

    def _confirm(self, clearing: str, amount_fen: int) -> None:
        """The bank's side of money that moved outside the rail: + out of the bank."""
        lines = (ledger.Line(clearing, amount_fen), ledger.Line(chart.BANK, -amount_fen))
        ledger.post(
            self.shard, [ledger.Transfer(f"bank:{uuid4()}", "bank_transfer", self.today, clock.now(), lines)]
        )

    def _live_a_day(self) -> None:
        dice = self.dice
        for card in sorted(set(self.cards.values())):
            if dice.random() < 0.1:
                self.world.post(f"/rail/accounts/{card}/withdraw")
            elif dice.random() < 0.3:
                self.world.post(f"/rail/accounts/{card}/deposit", amount_fen=RICH_FEN)
        for loan in self.loans():
            if dice.random() < 0.02:
                kind = dice.choice(["due", "due", "part", "full"])
                amount = dice.randrange(1, 50_000) if kind == "part" else None
                with suppress(Problem):
                    services.request_repayment(
                        loan, kind, uuid4(), amount, "keep_term" if kind == "part" else ""
                    )
            if dice.random() < (0.06 if loan.status != Status.SETTLED else 0.005):
                self._book(loan)

    def _book(self, loan: Loan) -> None:
        """A random event through `services.append`, often fitting, sometimes back-dated, sometimes refused."""
        dice = self.dice
        walker = Walker(dice, 0, services.terms_of(loan), loan.opened_on, self.today)
        walker.events, walker.today = services.events_of(loan), self.today
        state = walker.state()
        if state.amount_due_fen and state.charged_off_on is None and dice.random() < 0.6:
            kind, on, amount, data = EventType.REPAID, self.today, state.amount_due_fen, {}
        else:
            kind = dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            back = min(dice.randrange(1, 30), (self.today - loan.opened_on).days)
            on = self.today - back * DAY if dice.random() < 0.2 else self.today
            amount, data = walker.details(kind, walker.state_on(on, state))
        event = Event(str(uuid4()), kind, on, clock.now(), amount, data)
        try:
            with transaction.atomic():
                before = fold(walker.terms, walker.events, self.today).totals
                step = services.append(loan, event).totals - before
                if step.received_fen:
                    self._confirm(chart.RECEIPT_CLEARING, -step.received_fen)
                if step.disbursed_fen + step.paid_back_fen:
                    self._confirm(chart.PAY_OUT_CLEARING, step.disbursed_fen + step.paid_back_fen)
        except (ContractViolation, Problem):
            self.report.refused += 1
            return
        self.report.events[str(kind)] += 1

    # -- dying ------------------------------------------------------------------------------------------------------------

    def _die(self, on: date) -> None:
        """A process that carries payments or closes the day is killed at some moment of its work."""
        what = self.dice.choice(["close", "drain"])
        child = subprocess.Popen(
            [sys.executable, "-c", _CHILD, what, on.isoformat(), str(self.shard)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout
        child.stdout.readline()
        time.sleep(self.dice.random() * 0.4)
        with suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)
        child.stdout.close()
        self.report.kills[f"{what} {'killed' if child.wait() else 'ended first'}"] += 1
        sagas.release_claims("dies")

    def _carry(self) -> None:
        """All payments to their end: those of a dead process first."""
        with on_day(self.today, 10):
            for _ in range(6):
                mine = Saga.objects.filter(
                    shard=self.shard, status__in=["ready", "unknown"], kind="repay_loan"
                )
                if not mine.update(due_at=datetime.now(UTC) - timedelta(seconds=1)):
                    return
                worker.drain()

    # -- looking ----------------------------------------------------------------------------------------------------------

    def _day_rows(self, on: date, before: date | None) -> list[str]:
        """Rows of the day against the difference of two folds, for loans whose own accounts were not moved on it."""
        wrong: list[str] = []
        for loan in self.loans():
            if before is None or loan.posted_on > before or self.dice.random() > 0.3:
                continue
            terms, events = services.terms_of(loan), services.events_of(loan)
            stood, stands = (
                books.Standing.of(fold(terms, events, day), False).accrued(terms.lender)
                for day in (before, on)
            )
            step = stands[0] - stood[0], stands[1] - stood[1]
            row = ledger_queries.day_of_loan(self.shard, loan.id, on)
            kept = (row.interest_fen, row.penalty_fen) if row else (0, 0)
            if kept != step:
                wrong.append(f"{on}, loan {loan.id}: the day's row says {kept}, the folds {step}")
        return wrong

    def audit(self) -> list[str]:
        """Everything that must hold between two days of work."""
        self.report.audits += 1
        found = [str(one) for one in auditor.audit_books([self.shard]).differences]
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT a.code, sum(e.amount_fen)::bigint FROM ledger_entry e JOIN ledger_account a"
                " ON a.shard = e.shard AND a.id = e.account_id WHERE e.shard = %s GROUP BY 1",
                [self.shard],
            )
            held = dict(cursor.fetchall())
            cursor.execute(
                "SELECT count(*) FROM payments_paymentorder WHERE shard = %s AND state = 'unknown'",
                [self.shard],
            )
            underway = cursor.fetchone()[0]
        if over := sum(held.values()):
            found.append(f"the trial balance of shard {self.shard} is {over} fen out")
        for saga in Saga.objects.filter(shard=self.shard, kind="repay_loan", status="dead"):
            found.append(f"payment {saga.key} died at step {saga.step}: {saga.last_error}")
        pending = Repayment.objects.filter(shard=self.shard, state="pending").count()
        if not pending and not underway:
            for code in (chart.PAY_OUT_CLEARING, chart.RECEIPT_CLEARING):
                if held.get(code, 0):
                    found.append(f"clearing account {code} holds {held[code]} fen while nothing is under way")
        found += self._loans_by_the_rules()
        self.report.repayments = Counter(
            Repayment.objects.filter(shard=self.shard).values_list("state", flat=True)
        )
        return found

    def _loans_by_the_rules(self) -> list[str]:
        found: list[str] = []
        due: Counter[tuple[str, UUID]] = Counter()
        for number, loan in enumerate(self.loans()):
            terms, events = services.terms_of(loan), services.events_of(loan)
            on = max(self.today, loan.posted_on)
            naive = live(terms, events, on)
            wrong = rules.loan_differences(fold(terms, events, on), naive) + rules.above_cap(naive)
            parts = next(iter(funding.parts_of(self.shard, [loan.id]).values()), ())
            for (code, owner), fen in rules.expected(loan.id, naive, parts).items():
                due[code, UUID(int=0) if owner == loan.id else owner] += fen
            if wrong:
                self.differing.append(Life(number, terms, tuple(events), on))
                found += [f"loan {loan.id}: {text}" for text in wrong]
        held = self._held()
        for code, owner in sorted(due.keys() | held.keys()):
            has, wanted = held.get((code, owner), 0), due[code, owner]
            if has != wanted:
                found.append(f"account {code} of {owner} holds {has} fen, the rules say {wanted}")
        return found

    def _held(self) -> dict[tuple[str, UUID], int]:
        """What postings of loans and days moved, by chart code and owner, all loans as one; allowances where they came from."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT a.code, CASE WHEN l.id IS NULL THEN a.owner ELSE '00000000-0000-0000-0000-000000000000' END,"
                " t.loan_id IS NULL,"
                " sum(e.amount_fen)::bigint FROM ledger_entry e"
                " JOIN ledger_account a ON a.shard = e.shard AND a.id = e.account_id"
                " JOIN ledger_transfer t ON t.shard = e.shard AND t.id = e.transfer_id"
                " LEFT JOIN servicing_loan l ON l.shard = a.shard AND l.id = a.owner"
                " WHERE e.shard = %s AND (t.loan_id IS NOT NULL OR t.act LIKE 'day%%') GROUP BY 1, 2, 3",
                [self.shard],
            )
            found: Counter[tuple[str, UUID]] = Counter()
            for code, owner, of_days, fen in cursor.fetchall():
                if code == chart.LOSS_ALLOWANCE:
                    code = chart.CREDIT_LOSS if of_days else chart.LOANS_SOLD_RESULT
                found[code, owner] += fen
        return found


def leave(shards: Sequence[int]) -> None:
    """Nothing is left for the workers of others."""
    Saga.objects.filter(shard__in=list(shards)).update(status="dead", claimed_by=None)
