"""The log of acts and the books: look at them, prove them, close their days."""

import argparse
import csv
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

from .commands import Commands, Refusal, load_django


def audit(given: argparse.Namespace) -> int:
    """Recompute the log of acts, or with `books` every loan and account; exit status 1 on any difference."""
    load_django()
    return _audit_books(given.json) if given.what == "books" else _audit_log(given.json)


def _audit_log(as_json: bool) -> int:
    from timelyrain.audit.queries import check_log

    check = check_log()
    if as_json:
        _print(asdict(check))
    elif check.problems:
        print("\n".join(check.problems))
    else:
        print(f"{check.size} acts, nothing changed; root {check.root}")
    return 1 if check.problems else 0


def _audit_books(as_json: bool) -> int:
    from timelyrain.servicing.auditor import audit_books

    found = audit_books()
    if as_json:
        _print(asdict(found) | {"clean": found.clean})
    else:
        for one in found.differences:
            print(f"{one.what} · {one.subject}: found {one.found}, expected {one.expected}")
        agree = "no difference" if found.clean else f"{len(found.differences)} difference(s)"
        print(f"{found.loans} loan(s) by their folds, {found.postings} ledger lines: {agree}")
    return 0 if found.clean else 1


def explain(given: argparse.Namespace) -> int:
    """Why a day close added to a loan what it added; exit status 1 when it differs from the books."""
    load_django()
    from timelyrain.servicing.explaining import explain as why
    from timelyrain.servicing.models import Loan

    with _refusals():
        row = Loan.objects.filter(id=given.loan).first()
        if row is None:
            raise Refusal(f"There is no loan {given.loan}: take the id from the console's list of loans.")
        day = why(row.shard, row.id, given.day)
    if given.json:
        _print(asdict(day) | {"agrees": day.agrees, "sentences": day.sentences(given.language)})
    else:
        print("\n".join(day.sentences(given.language)))
        print("equal to the books" if day.agrees else "DIFFERS from the books")
    return 0 if day.agrees else 1


def reconcile(given: argparse.Namespace) -> int:
    """Hold the rail's statement of a value date against the bank account, and keep the result; exit status 1 on any finding."""
    load_django()
    from timelyrain.payments.jobs import rail
    from timelyrain.payments.ports import RailSilent
    from timelyrain.payments.reconciliation import reconcile as compare

    try:
        found = compare(_StatementFile(given.statement) if given.statement else rail(), given.day)
    except RailSilent as error:
        raise Refusal(f"{error}. Try again later, or give the statement as a file (--statement).") from error
    if given.json:
        _print(asdict(found) | {"clean": found.clean})
    else:
        for one in found.findings:
            print(
                f"{one.kind:<10} {one.direction:<8} {one.key}  statement {_yuan(one.statement_fen)}, "
                f"books {_yuan(one.books_fen)}  order {one.order_state or 'not ours'}"
            )
        kinds = {
            kind: sum(one.kind == kind for one in found.findings)
            for kind in ("missing", "surplus", "differing")
        }
        print(
            f"{found.on}: {found.matched} matched, " + ", ".join(f"{n} {kind}" for kind, n in kinds.items())
        )
    return 0 if found.clean else 1


class _StatementFile:
    """A rail of which only the statement is known."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def statement(self, on: date) -> tuple[Any, ...]:
        return _statement(self._path)

    def _nothing(self, *_: object) -> Any:
        raise Refusal(f"{self._path} is a statement: no order can be sent to it.")

    pay_out = debit = find = _nothing


def _statement(path: Path) -> tuple[Any, ...]:
    """The lines of a statement file. Raises Refusal naming the line."""
    from timelyrain.payments.ports import StatementLine

    try:
        text = path.read_text(encoding="utf-8-sig")
        if text.lstrip().startswith(("{", "[")):
            parsed = json.loads(text)
            rows = parsed["lines"] if isinstance(parsed, dict) else parsed
        else:
            rows = list(csv.DictReader(io.StringIO(text)))
    except (OSError, ValueError, KeyError) as error:
        raise Refusal(
            f"{path} cannot be read as a statement: {error!r}. See `timelyrain reconcile --help`."
        ) from error
    lines = []
    for number, row in enumerate(rows, 1):
        try:
            direction, key = str(row.get("direction") or row["kind"]), str(row["key"])
            fen, status = int(row["amount_fen"]), str(row.get("status") or "succeeded")
            if (
                direction not in ("pay_out", "debit")
                or status not in ("succeeded", "refused", "processing")
                or fen < 1
            ):
                raise ValueError(f"direction {direction!r}, status {status!r}, amount_fen {fen}")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Refusal(
                f"{path}, line {number}: {error!r}. A line has direction (pay_out or debit), key, amount_fen and, "
                "if it has one, status (succeeded, refused, processing)."
            ) from error
        lines.append(StatementLine(direction, key, fen, status))  # type: ignore[arg-type]
    return tuple(lines)


def trial_balance(given: argparse.Namespace) -> int:
    """Every account from the entries alone; exit status 1 when debits and credits differ."""
    load_django()
    from timelyrain.ledger.queries import drifted_accounts
    from timelyrain.ledger.queries import trial_balance as balance

    found, drifted = balance(given.on), drifted_accounts()
    good = found.balanced and not drifted
    if given.json:
        _print(asdict(found) | {"balanced": found.balanced, "drifted": drifted})
    else:
        moved = [line for line in found.lines if line.debit_fen or line.credit_fen]
        names = ("debit_fen", "credit_fen", "balance_fen")
        rows = [(line.code, line.name, *(getattr(line, name) for name in names)) for line in moved]
        total = [sum(getattr(line, name) for line in moved) for name in names]
        _table(("code", "account", "debit", "credit", "balance"), [*rows, ("", "", *total)])
        print("balanced" if good else f"NOT balanced; accounts that drifted: {drifted or 'none'}")
    return 0 if good else 1


def close_day(given: argparse.Namespace) -> int:
    """Close every business day that has begun and is not closed; closing again does nothing."""
    load_django()
    from timelyrain.runtime import clock
    from timelyrain.servicing.services import close_due_days

    with _refusals():
        closed = close_due_days(given.until or clock.today())
    if given.json:
        _print([asdict(one) for one in closed])
        return 0
    days: dict[date, list[int]] = {}
    for one in closed:
        sums = (one.loans, one.interest_fen, one.penalty_fen, one.allowance_fen, one.debits)
        days[one.on] = [a + b for a, b in zip(days.get(one.on, [0] * 5), sums, strict=True)]
    if days:
        rows = [(str(on), str(n), *fen, str(debits)) for on, (n, *fen, debits) in sorted(days.items())]
        _table(("day", "loans", "interest", "penalty", "allowance", "debits"), rows)
    print(f"{len(days)} day(s) closed" if days else "nothing to close")
    return 0


def partners_due(given: argparse.Namespace) -> int:
    """What stands between the lender and each funding partner at the end of a day, by value date."""
    load_django()
    from timelyrain.runtime import clock
    from timelyrain.servicing.funding import due
    from timelyrain.servicing.models import FundingPartner

    on = given.on or clock.today()
    found = [(one.name, due(one.id, on)) for one in FundingPartner.objects.order_by("name")]
    if given.json:
        loans = [{str(loan): fen for loan, fen in one.by_loan.items()} for _, one in found]
        _print(
            [
                {"name": name, "partner": one.partner, "on": one.on, "funding_fen": one.funding_fen,
                 "remit_fen": one.remit_fen, "by_loan": by_loan}
                for (name, one), by_loan in zip(found, loans, strict=True)
            ]
        )  # fmt: skip
    else:
        rows = [(name, one.funding_fen, one.remit_fen, sum(one.by_loan.values())) for name, one in found]
        _table(("partner", "it owes us", "to remit", "of this day"), rows)
    return 0


@contextmanager
def _refusals() -> Iterator[None]:
    from timelyrain.runtime.problems import Problem

    try:
        yield
    except Problem as problem:
        raise Refusal(str(problem)) from problem


def _table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Columns in line: integers are fen and become yuan, set to the right."""
    shown = [[_yuan(cell) if type(cell) is int else cell for cell in row] for row in rows]
    widths = [max(len(row[k]) for row in [list(names), *shown]) for k in range(len(names))]
    right = [any(type(row[k]) is int for row in rows) for k in range(len(names))]
    for row in [list(names), *shown]:
        print(
            "  ".join(
                c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)
            ).rstrip()
        )


def _yuan(fen: int) -> str:
    from timelyrain.finance import yuan

    return yuan(fen)


def _print(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day: write it like 2026-01-31") from None


def _loan(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no loan id: it has 32 hex digits") from None


_AUDIT = """
  timelyrain audit                 the log of acts: every leaf, head and signature
  timelyrain audit books           every loan by its fold, every account from its entries, control accounts, allowances
  timelyrain audit books --json    the same for a program

Run it while nothing is booked (the platform stopped, or at night): what moves meanwhile looks like a difference.
"""
_EXPLAIN = """
  timelyrain explain 7b7cddbb-6462-50de-b177-850428c2bc49 2026-03-01
  timelyrain explain LOAN DAY --language zh

The numbers are found again from the signed terms and the events known at the close, and compared with the books.
"""
_RECONCILE = """
  timelyrain reconcile 2026-03-01                          asks the rail for its statement
  timelyrain reconcile 2026-03-01 --statement bank.csv     takes it from a file

A file is CSV with the columns direction (pay_out or debit), key, amount_fen and status (succeeded, refused, processing;
succeeded if there is no such column), or JSON: an array of such objects, or {"lines": [...]}. Findings:
missing (we have it, the statement does not), surplus (the reverse), differing (other amounts). Nothing is corrected.
"""
_TRIAL = """
  timelyrain trial-balance                    all that is booked
  timelyrain trial-balance --on 2026-02-28    what has a value date up to that day
"""
_PARTNERS = """
  timelyrain partners due                          today
  timelyrain partners due --on 2026-02-28 --json   one object for each partner, with the loans of that day

Partners, shares and transfers are asked for and approved in the console (Books, Funding partners).
"""
_CLOSE = """
  timelyrain close-day                       up to today
  timelyrain close-day --until 2026-02-28    up to that day

The worker does this by itself. Days are closed in their order, shard by shard, all or nothing; a close that was
killed is done again.
"""


def add(commands: Commands) -> None:
    proof = commands.add(audit, epilog=_AUDIT)
    proof.add_argument("what", nargs="?", choices=("log", "books"), default="log")
    why = commands.add(explain, epilog=_EXPLAIN)
    why.add_argument("loan", type=_loan)
    why.add_argument("day", type=_day, help="a business day that was closed, as YYYY-MM-DD")
    why.add_argument("--language", choices=("en", "zh"), default="en")
    statement = commands.add(reconcile, epilog=_RECONCILE)
    statement.add_argument("day", type=_day, help="the value date, as YYYY-MM-DD")
    statement.add_argument("--statement", type=Path, metavar="FILE", help="instead of asking the rail")
    trial = commands.add(trial_balance, epilog=_TRIAL)
    trial.add_argument("--on", type=_day, metavar="DAY", help="up to this value date")
    close = commands.add(close_day, epilog=_CLOSE)
    close.add_argument("--until", type=_day, metavar="DAY", help="the last day to close; today if not given")
    partners = commands.group("partners", "Funding partners")
    due = partners.add(partners_due, name="due", epilog=_PARTNERS)
    due.add_argument("--on", type=_day, metavar="DAY", help="a value date; today if not given")
    for command in (proof, why, statement, trial, close, due):
        command.add_argument("--json", action="store_true", help="one JSON value instead of text")
