"""The credit bureau (征信): a second-generation report through a licensed bureau, here the sandbox's.

Block codes and code lists: second-generation report structure (facts in docs/sandbox.md). Amounts are whole yuan there.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

from timelyrain.sources.adapters.document import Node, epoch, month_end, read
from timelyrain.sources.ports import Column, Extract, Question, Subject

_STATES = "N*1234567MDZBCGA#"
_NO_STATE = "/"  # before opening and after settlement: not a month of the account
_ACCOUNT = (
    "at",
    "kind",
    "limit_fen",
    "balance_fen",
    "monthly_due_fen",
    "state",
    "closed",
    "lender",
    "term_months",
    "overdue_fen",
    "overdue_months",
)
_STATUS = (
    "normal",
    "overdue",
    "bad_debt",
    "settled",
    "closed",
    "frozen",
    "stopped",
    "inactive",
    "transferred",
    "unknown",
)


class BureauSource:
    name = "bureau"
    purpose = "credit_report_query"
    recipient = "credit_bureau"

    def __init__(self, base_url: str) -> None:
        self._url = f"{base_url.rstrip('/')}/bureau/report"

    def question(self, subject: Subject, consent_id: str, as_of: datetime) -> Question:
        body = {
            "name": subject.name,
            "id_number": subject.id_number,
            "purpose": "loan_approval",
            "consent_id": consent_id,
            "as_of": as_of.isoformat(),
        }
        return Question(self.name, self._url, body)

    def parse(self, document: bytes, as_of: datetime) -> Extract:
        return parse_report(document, as_of)


def parse_report(document: bytes, as_of: datetime) -> Extract:
    """Report -> bureau_score, public_records; the four bureau tables, each oldest first."""
    top, now = read("bureau", document), int(as_of.timestamp())
    score = top.at("PSM", "PC01", "score")
    accounts: list[tuple[int, str, int, int, int, str, int, int, int, int, int]] = []
    months: list[tuple[int, str, int]] = []
    for entry in top.at("PDA").each():
        account = entry.at("PD01")
        accounts.append(_account(account))
        months += _months(account)
    inquiries = [
        (
            epoch(q.at("on").day()),
            q.at("reason").one_of("loan_approval", "card_approval", "post_loan", "self"),
            q.at("lender").key(),
        )
        for q in (entry.at("PH01") for entry in top.at("POQ").each())
    ]
    guarantees = [
        (
            epoch(g.at("on").day()),
            _fen(g.at("amount_yuan")),
            _fen(g.at("balance_yuan")),
            int(g.at("overdue").flag()),
        )
        for g in (entry.at("PD03") for entry in top.at("PCR").each())
    ]
    tables = {
        "bureau_account": (_ACCOUNT, sorted(accounts)),
        "bureau_month": (("at", "state", "overdue_fen"), sorted(months)),
        "bureau_inquiry": (("at", "kind", "lender"), sorted(inquiries)),
        "bureau_guarantee": (("at", "amount_fen", "balance_fen", "overdue"), sorted(guarantees)),
    }
    for name, (_, rows) in tables.items():
        if rows and rows[-1][0] > now:
            top.fail(f"{name}: an event after the report's own day {as_of:%Y-%m-%d}")
    facts = {
        "bureau_score": None if score.value is None else score.whole(0, 1000),
        "public_records": top.at("PPO", "PC04", "records").whole(0, 1000),
    }
    return Extract(facts, {name: _columns(names, rows) for name, (names, rows) in tables.items()})


def _account(account: Node) -> tuple[int, str, int, int, int, str, int, int, int, int, int]:
    basic, latest, due = account.at("A"), account.at("B"), account.at("C")
    opened, closed = basic.at("opened").day(), latest.at("closed")
    ended = 0 if closed.value is None else epoch(closed.day())
    if ended and ended < epoch(opened):
        closed.fail("closed before it was opened")
    return (
        epoch(opened),
        basic.at("account_type").one_of("D1", "R1", "R2", "R3"),
        _fen(basic.at("limit_yuan")),
        _fen(latest.at("balance_yuan")),
        _fen(due.at("due_yuan")),
        latest.at("status").one_of(*_STATUS),
        ended,
        basic.at("lender_code").key(),
        0 if basic.at("term_months").value is None else basic.at("term_months").whole(0, 600),
        _fen(due.at("overdue_yuan")),
        due.at("overdue_months").whole(0, 600),
    )


def _months(account: Node) -> list[tuple[int, str, int]]:
    """(end of month, state, overdue fen) for the months the account lived, of the last 24."""
    history = account.at("D")
    states, ends = history.at("states"), _month_ends(history.at("from").month())
    marks = states.text()
    if len(marks) != len(ends):
        states.fail(f"{len(marks)} months; the report has {len(ends)}")
    overdue = {
        epoch(month_end(entry.at("month").month())): _fen(entry.at("overdue_yuan"))
        for entry in account.at("E").each()
    }
    rows = [
        (end, mark, overdue.get(end, 0)) for end, mark in zip(ends, marks, strict=True) if mark != _NO_STATE
    ]
    for _, mark, _ in rows:
        if mark not in _STATES:
            states.fail(f"{mark!r} is no repayment state")
    return rows


@lru_cache(maxsize=256)
def _month_ends(first: date) -> tuple[int, ...]:
    """The last days of 24 months from this one, epoch seconds."""
    ends = [month_end(first)]
    while len(ends) < 24:
        ends.append(month_end(ends[-1] + timedelta(days=1)))
    return tuple(epoch(on) for on in ends)


def _fen(yuan: Node) -> int:
    return yuan.whole(0, 10**9) * 100


def _columns(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> dict[str, Column]:
    return {name: [row[i] for row in rows] for i, name in enumerate(names)}
