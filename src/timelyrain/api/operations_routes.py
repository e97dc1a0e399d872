"""What the lender's own programs may ask: books, decisions, proofs; in a simulated world also the clock."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.contrib.auth import authenticate
from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema
from ninja.security import HttpBasicAuth

from timelyrain.api.app import answering, command, respond
from timelyrain.audit import queries as audit_queries
from timelyrain.ledger import queries as ledger_queries
from timelyrain.origination import queries as origination_queries
from timelyrain.origination import services as origination
from timelyrain.runtime import clock
from timelyrain.runtime.problems import Invalid, NotAllowed
from timelyrain.servicing import queries as servicing_queries


class StaffLogin(HttpBasicAuth):
    """A console user by name and password over HTTP Basic; the user's permissions decide what is allowed."""

    def authenticate(self, request: HttpRequest, username: str, password: str) -> Any:
        user = authenticate(request, username=username, password=password)
        return user if user is not None and user.is_active and user.is_staff else None


router = Router(auth=StaffLogin(), tags=["operations"])


def need(request: HttpRequest, permission: str) -> None:
    """Raises NotAllowed where the caller lacks a permission."""
    if not request.auth.has_perm(permission):
        raise NotAllowed(
            f"{request.auth} lacks the permission {permission}.",
            remedy="Ask an administrator for the right role.",
        )


@router.get("/trial-balance")
def trial_balance(request: HttpRequest, on: date | None = None) -> HttpResponse:
    """Every account of the chart, from the entries alone; up to a value date, or all."""
    need(request, "ledger.view_account")
    balance = ledger_queries.trial_balance(on)
    return respond(
        {
            "lines": balance.lines,
            "postings": balance.postings,
            "balanced": balance.balanced and not ledger_queries.drifted_accounts(),
        }
    )


@router.get("/decisions/{decision_id}")
def decision(request: HttpRequest, decision_id: UUID) -> HttpResponse:
    """A decision with its whole record."""
    need(request, "origination.view_decisionrecord")
    return respond(origination_queries.decision(decision_id))


@router.post("/decisions/{decision_id}/replay")
def replay_decision(request: HttpRequest, decision_id: UUID) -> HttpResponse:
    """Decide again from the stored evidence and compare byte for byte."""
    need(request, "origination.view_decisionrecord")
    return respond(origination.replay_decision(decision_id))


@router.get("/loans/{shard}/{loan_id}/proof")
def loan_proof(request: HttpRequest, shard: int, loan_id: UUID) -> HttpResponse:
    """The books of a loan against the replay of its terms and events."""
    need(request, "servicing.view_loan")
    proof = servicing_queries.proof(shard, loan_id)
    return respond({"on": proof.on, "replayed": proof.replayed, "booked": proof.booked, "equal": proof.equal})


@router.get("/audit/check")
def check_audit_log(request: HttpRequest) -> HttpResponse:
    """Recompute the audit log from its rows."""
    need(request, "audit.view_treehead")
    return respond(audit_queries.check_log())


class ClockIn(Schema):
    to: datetime


@router.get("/clock", auth=None)
def read_clock(request: HttpRequest) -> HttpResponse:
    """The platform's time, its business date, and the last business day that was run."""
    return respond(
        {"now": clock.now(), "today": clock.today(), "days_run_up_to": servicing_queries.days_run_up_to()}
    )


@router.post("/clock", **answering(200))
def move_clock(request: HttpRequest, body: ClockIn) -> HttpResponse:
    """Move a simulated world's clock forward. A platform with real money has no such thing."""
    need(request, "runtime.change_clockshift")
    if not isinstance(clock.current(), clock.ShiftedClock):
        raise NotAllowed(
            "This platform runs on real time.",
            remedy="Only a simulated world (TIMELYRAIN_SIMULATED=1) can be moved in time.",
        )
    if body.to.tzinfo is None:
        raise Invalid(
            f"{body.to.isoformat()} has no time zone.",
            field="to",
            remedy="Give the offset, for example 2026-01-31T09:00:00+08:00.",
        )

    def work(request_id: UUID) -> tuple[int, Any]:
        return 200, {"now": clock.SHIFTED.advance_to(body.to), "today": clock.today()}

    return command(request, work)
