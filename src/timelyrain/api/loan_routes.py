"""Acts on loans for the lender's own systems: look, ask, approve; what borrowers ask for; the books of a loan day by day.

An act is a proposed event of the contract. Each kind is one schema, told apart by `type`; amounts in fen, rates in ppm a year.
"""

from dataclasses import asdict
from datetime import date
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Field, Router
from pydantic import create_model

from timelyrain.api.app import answering, command, respond
from timelyrain.api.borrower_routes import Prose, Strict
from timelyrain.api.operations_routes import StaffLogin, need
from timelyrain.ledger import queries as ledger
from timelyrain.payments import queries as payments
from timelyrain.runtime.problems import NotFound
from timelyrain.servicing import acts, wishes
from timelyrain.servicing import queries as servicing

router = Router(auth=StaffLogin(), tags=["acts on loans"])
Reason = Annotated[
    str, Field(min_length=1, max_length=1000, pattern=r"^[^\x00]*$", description="Why; kept in the audit log")
]
Sha = Annotated[
    str, Field(pattern="^([0-9a-f]{64})?$", description="`sha256` of the preview that was looked at")
]


def _schema(kind: acts.Kind) -> type[Strict]:
    """What one kind of act takes: its fields, flat."""
    fields: dict[str, Any] = {
        "type": (Literal[str(kind.type)], ...),  # pyright: ignore[reportInvalidTypeForm]
        "value_on": (date | None, Field(None, description="From which day it counts; today if not given")),
    }
    for field in kind.fields:
        if field.kind in ("fen", "whole", "percent"):
            value = Annotated[int, Field(ge=field.low, le=field.high, strict=True)]
        elif field.choices:
            value = Literal[tuple(name for name, _ in field.choices)]  # pyright: ignore[reportInvalidTypeForm]
        else:
            value = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]*$")]
        said = Field(None if field.optional else ..., description=field.label[1])
        fields[field.name] = (value | None if field.optional else value, said)
    name = "".join(word.capitalize() for word in kind.type.split("_"))
    return create_model(f"{name}In", __base__=Strict, __doc__=kind.what[1], **fields)


Proposed = Annotated[
    reduce(or_, (_schema(kind) for kind in acts.KINDS.values())), Field(discriminator="type")
]


class PreviewIn(Strict):
    act: Proposed  # pyright: ignore[reportInvalidTypeForm]


class RequestIn(PreviewIn):
    reason: Reason
    seen: Sha = ""
    wish_id: UUID | None = None


def _proposed(body: PreviewIn) -> dict[str, Any]:
    """The arguments of `acts.preview` and `acts.request`."""
    given = {name: value for name, value in body.act.dict().items() if value is not None}
    return {
        "kind": given.pop("type"),
        "amount_fen": given.pop("amount_fen", 0),
        "value_on": given.pop("value_on", None),
        "data": given,
    }


@router.post("/loans/{shard}/{loan_id}/acts/preview")
def preview(request: HttpRequest, shard: int, loan_id: UUID, body: PreviewIn) -> HttpResponse:
    """The loan as it is and as it would be; what the act costs or saves the borrower; whether a second person must approve."""
    need(request, "servicing.view_loan")
    return respond(acts.preview(shard, loan_id, **_proposed(body)).to_json())


@router.post("/loans/{shard}/{loan_id}/acts", **answering(201))
def ask(request: HttpRequest, shard: int, loan_id: UUID, body: RequestIn) -> HttpResponse:
    """Ask for an act: done at once (`state` done), or waiting for a second person, or for the borrower, or for the rail."""
    need(request, "servicing.add_loanact")

    def work(request_id: UUID) -> tuple[int, Any]:
        said = _proposed(body) | {"reason": body.reason, "seen": body.seen, "wish_id": body.wish_id}
        made = acts.request(shard, loan_id, by=_name(request), request_id=request_id, **said)
        return 201, servicing.act(made)

    return command(request, work)


@router.get("/loans/{shard}/{loan_id}/acts")
def acts_of_loan(request: HttpRequest, shard: int, loan_id: UUID) -> HttpResponse:
    need(request, "servicing.view_loanact")
    found = [act for act in servicing.acts(loan_id=loan_id) if act.shard == shard]
    return respond({"acts": found})


@router.get("/acts")
def queue(
    request: HttpRequest,
    state: Literal["", "waiting", "offered", "moving", "done", "rejected", "failed"] = "waiting",
) -> HttpResponse:
    """The newest 200 acts of a state; those that wait for a second person if none is named."""
    need(request, "servicing.view_loanact")
    return respond({"acts": servicing.acts(state=state)})


@router.get("/acts/{act_id}")
def act(request: HttpRequest, act_id: UUID) -> HttpResponse:
    """One act; while it waits, with what it would do to the loan as it stands now."""
    need(request, "servicing.view_loanact")
    view = servicing.act(act_id)
    shown = acts.preview_of(act_id).to_json() if view.state == "waiting" else None
    return respond(asdict(view) | {"preview": shown})


class ApprovalIn(Strict):
    note: Prose = ""
    seen: Sha = ""


@router.post("/acts/{act_id}/approval", **answering(200))
def approve(request: HttpRequest, act_id: UUID, body: ApprovalIn) -> HttpResponse:
    """Agree as the second person: whoever asked may not."""
    need(request, "servicing.change_loanact")

    def work(request_id: UUID) -> tuple[int, Any]:
        acts.approve(act_id, by=_name(request), note=body.note, seen=body.seen)
        return 200, servicing.act(act_id)

    return command(request, work)


class RejectionIn(Strict):
    note: Reason


@router.post("/acts/{act_id}/rejection", **answering(200))
def reject(request: HttpRequest, act_id: UUID, body: RejectionIn) -> HttpResponse:
    """Do not agree, or take one's own request back."""
    need(request, "servicing.change_loanact")

    def work(request_id: UUID) -> tuple[int, Any]:
        acts.reject(act_id, by=_name(request), note=body.note)
        return 200, servicing.act(act_id)

    return command(request, work)


@router.get("/wishes")
def wishes_queue(
    request: HttpRequest, state: Literal["", "open", "granted", "declined"] = "open"
) -> HttpResponse:
    """What borrowers ask for, longest waiting first. Granted by an act that names it (`wish_id`), or declined."""
    need(request, "servicing.view_wish")
    return respond({"wishes": servicing.wishes(state=state)})


class AnswerIn(Strict):
    answer: Annotated[
        str, Field(min_length=1, max_length=2000, pattern=r"^[^\x00]*$", description="The borrower reads it")
    ]


@router.post("/wishes/{wish_id}/rejection", **answering(200))
def decline(request: HttpRequest, wish_id: UUID, body: AnswerIn) -> HttpResponse:
    """Say no, and why."""
    need(request, "servicing.change_wish")

    def work(request_id: UUID) -> tuple[int, Any]:
        wishes.decline(wish_id, by=_name(request), answer=body.answer)
        return 200, {"id": wish_id, "state": "declined"}

    return command(request, work)


@router.get("/loans/{shard}/{loan_id}/days/{on}")
def explain(request: HttpRequest, shard: int, loan_id: UUID, on: date) -> HttpResponse:
    """Why the close of a day added to a loan what it added."""
    need(request, "servicing.view_loan")
    return respond(servicing.explained(shard, loan_id, on))


@router.get("/general-ledger/{code}")
def general_ledger(request: HttpRequest, code: str, since: date, until: date) -> HttpResponse:
    """The lines of an account over a span of value dates."""
    need(request, "ledger.view_account")
    found = ledger.general_ledger(code, since, until)
    return respond(asdict(found) | {"closing_fen": found.closing_fen})


@router.get("/reconciliations/{on}")
def reconciliation(request: HttpRequest, on: date) -> HttpResponse:
    """The rail's statement of a value date held against our books: matched, and what is not."""
    need(request, "ledger.view_account")
    found = payments.reconciliation(on)
    if found is None:
        raise NotFound(f"{on} was not reconciled.", remedy="Ask for a value date that is over.")
    return respond(asdict(found) | {"clean": found.clean})


def _name(request: HttpRequest) -> str:
    caller: Any = getattr(request, "auth", None)
    return caller.get_username()
