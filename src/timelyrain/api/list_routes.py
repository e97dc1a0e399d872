"""Lists for the lender's own systems: who stands on them, putting on and taking off, and the second person's answer.

What stops somebody holds at once; what lets somebody past waits for another person (docs/releases.md).
"""

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Field, Router

from timelyrain.api.app import answering, command, respond
from timelyrain.api.borrower_routes import Prose, Strict
from timelyrain.api.loan_routes import Reason
from timelyrain.api.operations_routes import StaffLogin, need
from timelyrain.origination import queries as origination_queries
from timelyrain.origination import services as origination

router = Router(auth=StaffLogin(), tags=["lists"])
Name = Annotated[
    str, Field(pattern="^[a-z][a-z0-9_]{0,79}$", description="A list that the policy in force reads")
]
Value = Annotated[
    str,
    Field(
        min_length=1,
        max_length=100,
        pattern=r"^[^\x00]*$",
        description="An identity number, phone or card number, or the provider's 16 hex digits of a device, employer or "
        "address; only its keyed hash is kept",
    ),
]


class KeyIn(Strict):
    key: Literal["person", "phone", "device", "employer", "card", "address"]
    value: Value


class EntryIn(Strict):
    value: Value
    why: Reason
    until: date | None = Field(None, description="The last day on the list; without one it stays")


class EndIn(Strict):
    value: Value
    why: Reason


class NoteIn(Strict):
    note: Prose = ""


@router.get("/lists")
def lists(request: HttpRequest) -> HttpResponse:
    """The lists that the policy in force reads, and how many keys stand on each."""
    need(request, "origination.view_listentry")
    return respond({"lists": origination_queries.lists()})


@router.post("/lists/search")
def search(request: HttpRequest, body: KeyIn) -> HttpResponse:
    """All that was ever said of one key on any list, the newest first."""
    need(request, "origination.view_listentry")
    return respond({"entries": origination_queries.entries_of(body.key, body.value)})


@router.post("/lists/{name}/entries", **answering(201, 202))
def put_on(request: HttpRequest, name: Name, body: EntryIn) -> HttpResponse:
    """Put a key on a list: it holds at once (201), or waits for a second person (202)."""
    return _entered(request, name, body.value, True, body.why, body.until)


@router.post("/lists/{name}/ends", **answering(201, 202))
def take_off(request: HttpRequest, name: Name, body: EndIn) -> HttpResponse:
    """Take a key off a list: at once from an allow list (201), else once a second person approves (202)."""
    return _entered(request, name, body.value, False, body.why, None)


def _entered(
    request: HttpRequest, name: str, value: str, on: bool, why: str, until: date | None
) -> HttpResponse:
    need(request, "origination.add_listentry")

    def work(request_id: UUID) -> tuple[int, Any]:
        waits = origination.enter_on_list(name, value, on, _who(request), why, until, request_id)
        return (202, {"waits": waits}) if waits else (201, {"entry": request_id})

    return command(request, work)


@router.get("/exemptions")
def exemptions(request: HttpRequest) -> HttpResponse:
    """What waits for a second person: list entries and silenced rules, the oldest first."""
    need(request, "origination.view_exemption")
    return respond({"exemptions": origination_queries.waiting_exemptions()})


@router.get("/exemptions/{exemption_id}")
def exemption(request: HttpRequest, exemption_id: UUID) -> HttpResponse:
    need(request, "origination.view_exemption")
    return respond(origination_queries.exemption(exemption_id))


@router.post("/exemptions/{exemption_id}/approval", **answering(200))
def approve(request: HttpRequest, exemption_id: UUID, body: NoteIn) -> HttpResponse:
    """Agree as the second person: whoever asked may not."""
    return _decided(request, exemption_id, body.note, approve=True)


@router.post("/exemptions/{exemption_id}/rejection", **answering(200))
def reject(request: HttpRequest, exemption_id: UUID, body: NoteIn) -> HttpResponse:
    """Reject, or take back what one asked for; with a reason."""
    return _decided(request, exemption_id, body.note, approve=False)


def _decided(request: HttpRequest, exemption_id: UUID, note: str, *, approve: bool) -> HttpResponse:
    need(request, "origination.change_exemption")

    def work(request_id: UUID) -> tuple[int, Any]:
        origination.decide_exemption(exemption_id, _who(request), note, approve=approve)
        return 200, origination_queries.exemption(exemption_id)

    return command(request, work)


def _who(request: HttpRequest) -> str:
    return request.auth.get_username()
