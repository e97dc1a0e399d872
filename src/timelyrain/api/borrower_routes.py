"""What a borrower can do: sign in, consent, apply, read the cost, sign, repay."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Field, Router, Schema

from timelyrain.agreements import queries as agreements_queries
from timelyrain.agreements import services as agreements
from timelyrain.api.app import answering, command, encode, respond
from timelyrain.contract import LoanState
from timelyrain.customers import queries as customers_queries
from timelyrain.customers import services as customers
from timelyrain.origination import queries as origination_queries
from timelyrain.origination import services as origination
from timelyrain.runtime.idempotency import Kept, keep
from timelyrain.servicing import acts, wishes
from timelyrain.servicing import queries as servicing_queries
from timelyrain.servicing import services as servicing
from timelyrain.servicing.services import RepaymentKind

router = Router()
Fen = Annotated[int, Field(gt=0, le=10**12, strict=True, description="Amount in fen")]
Word = Annotated[str, Field(max_length=60, pattern=r"^[^\x00-\x1f]*$")]
Prose = Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")]
Sha256 = Annotated[str, Field(pattern="^[0-9a-fA-F]{64}$")]


class Strict(Schema):
    model_config = {"extra": "forbid"}


class PhoneIn(Strict):
    phone: Annotated[str, Field(max_length=20)]


@router.post("/codes", auth=None, tags=["sign in"], **answering(202))
def request_code(request: HttpRequest, body: PhoneIn) -> HttpResponse:
    """Send a one-time code to a phone."""

    def work(request_id: UUID) -> tuple[int, Any]:
        challenge = customers.request_sign_in(body.phone)
        return 202, {"challenge_id": challenge.id, "expires_in_seconds": challenge.expires_in_seconds}

    return command(request, work)


class SignInIn(Strict):
    phone: Annotated[str, Field(max_length=20)]
    challenge_id: UUID
    code: Annotated[str, Field(pattern=r"^\d{6}$")]


@router.post("/sessions", auth=None, tags=["sign in"], **answering(201))
def sign_in(request: HttpRequest, body: SignInIn) -> HttpResponse:
    """Exchange a code for a session token; a new phone becomes a borrower."""

    def work(request_id: UUID) -> tuple[int, Any]:
        return 201, customers.sign_in(body.phone, body.challenge_id, body.code, request_id)

    return command(request, work)


@router.get("/products", auth=None, tags=["apply"])
def products(request: HttpRequest) -> HttpResponse:
    """What is offered today."""
    return respond({"products": origination_queries.products()})


@router.get("/me", tags=["profile"])
def me(request: HttpRequest) -> HttpResponse:
    """The signed-in borrower, masked."""
    return respond(customers_queries.masked_profile(request.auth))


class ProfileIn(Strict):
    name: Word
    id_number: Annotated[str, Field(max_length=30)]
    id_valid_until: date
    bank_card: Annotated[str, Field(max_length=30)]


@router.put("/profile", tags=["profile"])
def save_profile(request: HttpRequest, body: ProfileIn) -> HttpResponse:
    """Give the minimum data: name, ID number and validity, bank card."""
    customers.save_profile(request.auth, **body.dict())
    return respond(customers_queries.masked_profile(request.auth))


@router.get("/consents", tags=["profile"])
def consents(request: HttpRequest, language: Literal["zh", "en"] = "zh") -> HttpResponse:
    """Every consent text, and whether it is given."""
    return respond({"consents": customers_queries.consent_states(request.auth, language)})


class ConsentsIn(Strict):
    texts: Annotated[list[Sha256], Field(min_length=1, max_length=20)]


@router.post("/consents", tags=["profile"], **answering(200))
def grant_consents(request: HttpRequest, body: ConsentsIn) -> HttpResponse:
    """Consent to the wordings with these sha256, each one separately named."""

    def work(request_id: UUID) -> tuple[int, Any]:
        customers.grant_consents(request.auth, [sha.lower() for sha in body.texts], "api")
        return 200, {"consents": customers_queries.consent_states(request.auth)}

    return command(request, work)


class WithdrawIn(Strict):
    purpose: Word
    recipient: Word


@router.post("/consents/withdraw", tags=["profile"], **answering(200))
def withdraw_consent(request: HttpRequest, body: WithdrawIn) -> HttpResponse:
    """Withdraw a consent: as easy as giving it."""

    def work(request_id: UUID) -> tuple[int, Any]:
        customers.withdraw_consent(request.auth, body.purpose, body.recipient, "api")
        return 200, {"consents": customers_queries.consent_states(request.auth)}

    return command(request, work)


class ApplicationIn(Strict):
    product: Word
    amount_fen: Fen
    instalments: Annotated[int, Field(gt=0, le=120, strict=True)]
    purpose: Word


@router.post("/applications", tags=["apply"], **answering(201))
def apply(request: HttpRequest, body: ApplicationIn) -> HttpResponse:
    """Apply. The answer holds the decision with its reasons and, when approved, the offer."""

    def work(request_id: UUID) -> tuple[int, Any] | Kept:
        view, kept = origination.apply(
            request.auth, request_id, **body.dict(), tell=lambda view: keep(request_id, 201, encode(view))
        )
        return kept or (201, view)

    return command(request, work)


@router.get("/applications", tags=["apply"])
def applications(request: HttpRequest) -> HttpResponse:
    return respond({"applications": origination_queries.applications(request.auth.shard, request.auth.id)})


@router.get("/applications/{application_id}", tags=["apply"])
def application(request: HttpRequest, application_id: UUID) -> HttpResponse:
    return respond(origination_queries.application(request.auth.shard, request.auth.id, application_id))


class ReasonOut(Schema):
    """One rule that spoke. change: what can be done about this one."""

    code: str
    effect: str
    zh: str
    en: str
    change_zh: str
    change_en: str
    values: dict[str, Any]


class CauseOut(Schema):
    """What raised the estimated risk. contribution_ppm: its part, in millionths of log-odds."""

    zh: str
    en: str
    theme: str
    feature: str
    value: int | bool | str | None
    contribution_ppm: int


class ChangeOut(Schema):
    """A change that alone leads to an approval of limit_fen at rate_ppm. waits_days: before applying again."""

    zh: str
    en: str
    levers: list[str]
    waits_days: int
    limit_fen: int
    rate_ppm: int


class ExplanationOut(Schema):
    application_id: UUID
    decision_id: UUID
    outcome: Literal["approve", "decline", "refer", "more_evidence"]
    decided_at: datetime
    statement_zh: str = Field(description="What would change the answer, in one sentence")
    statement_en: str
    reasons: list[ReasonOut] = Field(description="In the order of the policy")
    attribution: Literal["", "path", "exact"] = Field(description="How causes were found; empty without any")
    causes: list[CauseOut] = Field(description="Heaviest first")
    changes: list[ChangeOut] = Field(description="Least effort first")


@router.get("/applications/{application_id}/explanation", tags=["apply"], response=ExplanationOut)
def explanation(request: HttpRequest, application_id: UUID) -> HttpResponse:
    """What counted and what would change the answer, in Chinese and English.

    Worked out when first asked for (some tenths of a second), then kept: the same is told again. 409 `not-decided-yet` while
    sources are waited for; 404 `explanation-not-possible` for a decision of an earlier engine; 503 `model-unusable` while the
    model of that decision cannot be read.
    """
    return respond(origination_queries.explanation_told(request.auth.shard, request.auth.id, application_id))


class ReviewIn(Strict):
    note: Prose = ""


@router.post("/applications/{application_id}/review", tags=["apply"], **answering(202))
def request_review(request: HttpRequest, application_id: UUID, body: ReviewIn) -> HttpResponse:
    """Ask for a person to look at this application."""

    def work(request_id: UUID) -> tuple[int, Any]:
        borrower = request.auth
        origination.request_review(borrower.shard, borrower.id, application_id, body.note)
        return 202, origination_queries.application(borrower.shard, borrower.id, application_id)

    return command(request, work)


class DisclosureIn(Strict):
    amount_fen: Fen
    instalments: Annotated[int, Field(gt=0, le=120, strict=True)]


@router.post("/offers/{offer_id}/disclosures", tags=["sign"], **answering(201))
def disclose(request: HttpRequest, offer_id: UUID, body: DisclosureIn) -> HttpResponse:
    """The full cost of one amount and term within the offer. Its reading time starts now."""

    def work(request_id: UUID) -> tuple[int, Any]:
        borrower = request.auth
        made = agreements.disclose(
            borrower.shard, borrower.id, offer_id, body.amount_fen, body.instalments, request_id
        )
        return 201, agreements_queries.disclosure(borrower.shard, borrower.id, made)

    return command(request, work)


@router.get("/disclosures/{disclosure_id}", tags=["sign"])
def disclosure(request: HttpRequest, disclosure_id: UUID) -> HttpResponse:
    return respond(agreements_queries.disclosure(request.auth.shard, request.auth.id, disclosure_id))


class ConfirmIn(Strict):
    disclosure_sha256: Sha256


@router.post("/disclosures/{disclosure_id}/confirmation", tags=["sign"], **answering(200))
def confirm(request: HttpRequest, disclosure_id: UUID, body: ConfirmIn) -> HttpResponse:
    """Confirm that the disclosure was read; refused before its reading time is over."""

    def work(request_id: UUID) -> tuple[int, Any]:
        borrower = request.auth
        agreements.confirm(borrower.shard, borrower.id, disclosure_id, body.disclosure_sha256)
        return 200, agreements_queries.disclosure(borrower.shard, borrower.id, disclosure_id)

    return command(request, work)


@router.post("/disclosures/{disclosure_id}/signing-code", tags=["sign"], **answering(202))
def signing_code(request: HttpRequest, disclosure_id: UUID, body: ConfirmIn) -> HttpResponse:
    """Send the one-time code that signs exactly this disclosure."""

    def work(request_id: UUID) -> tuple[int, Any]:
        borrower = request.auth
        challenge = agreements.send_signing_code(
            borrower.shard, borrower.id, disclosure_id, body.disclosure_sha256
        )
        return 202, {"challenge_id": challenge.id, "expires_in_seconds": challenge.expires_in_seconds}

    return command(request, work)


class SignIn(Strict):
    disclosure_sha256: Sha256
    challenge_id: UUID
    code: Annotated[str, Field(pattern=r"^\d{6}$")]


@router.post("/disclosures/{disclosure_id}/signature", tags=["sign"], **answering(201))
def sign(request: HttpRequest, disclosure_id: UUID, body: SignIn) -> HttpResponse:
    """Sign with the one-time code. The contract is made and the money paid out in the background."""

    def work(request_id: UUID) -> tuple[int, Any]:
        borrower = request.auth
        made = agreements.sign(
            borrower.shard,
            borrower.id,
            disclosure_id,
            body.disclosure_sha256,
            body.challenge_id,
            body.code,
            request_id,
        )
        return 201, agreements_queries.agreement(borrower.shard, borrower.id, made)

    return command(request, work)


@router.get("/agreements/{agreement_id}", tags=["sign"])
def agreement(request: HttpRequest, agreement_id: UUID) -> HttpResponse:
    """Where the agreement stands: contract, pay-out, loan."""
    return respond(agreements_queries.agreement(request.auth.shard, request.auth.id, agreement_id))


@router.get("/agreements/{agreement_id}/contract.pdf", tags=["sign"])
def contract_pdf(request: HttpRequest, agreement_id: UUID) -> HttpResponse:
    """The signed contract, byte for byte, with the executable terms embedded."""
    pdf = agreements_queries.contract_pdf(request.auth.shard, request.auth.id, agreement_id)
    return HttpResponse(
        pdf,
        content_type="application/pdf",
        headers={"Content-Disposition": 'inline; filename="contract.pdf"'},
    )


def _loan(view: servicing_queries.LoanView) -> dict[str, Any]:
    state: LoanState = view.state
    return {
        "id": view.id,
        "agreement_id": view.agreement_id,
        "principal_fen": view.principal_fen,
        "annual_rate_ppm": view.annual_rate_ppm,
        "opened_on": view.opened_on,
        "state": state.to_json(),
    }


@router.get("/loans", tags=["loan"])
def loans(request: HttpRequest) -> HttpResponse:
    return respond(
        {"loans": [_loan(view) for view in servicing_queries.loans_of(request.auth.shard, request.auth.id)]}
    )


@router.get("/loans/{loan_id}", tags=["loan"])
def loan(request: HttpRequest, loan_id: UUID, on: date | None = None) -> HttpResponse:
    """The loan as of today, or as of another day: balances, instalments, what is due, what settles it."""
    return respond(_loan(servicing_queries.loan(request.auth.shard, request.auth.id, loan_id, on)))


@router.get("/loans/{loan_id}/events", tags=["loan"])
def loan_events(request: HttpRequest, loan_id: UUID) -> HttpResponse:
    """The facts of the loan, in the form that replays the signed terms (`timelyrain contract replay`)."""
    return respond({"events": servicing_queries.events(request.auth.shard, request.auth.id, loan_id)})


class RepaymentIn(Strict):
    kind: RepaymentKind
    amount_fen: Fen | None = None
    mode: Literal["", "keep_term", "keep_instalment"] = ""


@router.post("/loans/{loan_id}/repayments", tags=["loan"], **answering(202))
def repay(request: HttpRequest, loan_id: UUID, body: RepaymentIn) -> HttpResponse:
    """Pay by debit of the bank card: what is due, early in part (mode keep_term or keep_instalment), or early in full."""

    def work(request_id: UUID) -> tuple[int, Any]:
        borrower = request.auth
        row = servicing.loan_for(borrower.shard, borrower.id, loan_id)
        servicing.request_repayment(row, body.kind, request_id, body.amount_fen, body.mode)
        views = servicing_queries.repayments(borrower.shard, borrower.id, loan_id)
        return 202, next(view for view in views if view.id == request_id)

    return command(request, work)


@router.get("/loans/{loan_id}/repayments", tags=["loan"])
def repayments(request: HttpRequest, loan_id: UUID) -> HttpResponse:
    return respond({"repayments": servicing_queries.repayments(request.auth.shard, request.auth.id, loan_id)})


class WishIn(Strict):
    kind: Literal["hardship", "due_day"]
    amount_fen: Annotated[Fen | None, Field(description="hardship: what could be paid each time")] = None
    instalments: Annotated[
        int | None, Field(ge=1, le=60, strict=True, description="hardship: in how many")
    ] = None
    due_day: Annotated[int | None, Field(ge=1, le=31, strict=True, description="due_day: the day wanted")] = (
        None
    )
    note: Prose = ""


@router.post("/loans/{loan_id}/wishes", tags=["loan"], **answering(201))
def ask_for_help(request: HttpRequest, loan_id: UUID, body: WishIn) -> HttpResponse:
    """Ask for help in hardship or for another due day; a person answers."""

    def work(request_id: UUID) -> tuple[int, Any]:
        borrower = request.auth
        wishes.ask(borrower.shard, borrower.id, loan_id, request_id=request_id, **body.dict())
        views = servicing_queries.wishes_of(borrower.shard, borrower.id, loan_id)
        return 201, next(view for view in views if view.id == request_id)

    return command(request, work)


@router.get("/loans/{loan_id}/wishes", tags=["loan"])
def loan_wishes(request: HttpRequest, loan_id: UUID) -> HttpResponse:
    return respond({"wishes": servicing_queries.wishes_of(request.auth.shard, request.auth.id, loan_id)})


@router.get("/loans/{loan_id}/changes", tags=["loan"])
def changes(request: HttpRequest, loan_id: UUID) -> HttpResponse:
    """Changes that count only if the borrower confirms them, each with its disclosure; its reading time begins now."""
    borrower = request.auth
    found = servicing_queries.offered(borrower.shard, borrower.id, loan_id)
    return respond({"changes": [acts.show_amendment(borrower.shard, borrower.id, act.id) for act in found]})


class ChangeIn(Strict):
    confirm: bool
    disclosure_sha256: Sha256


@router.post("/loans/{loan_id}/changes/{act_id}", tags=["loan"], **answering(200))
def answer_change(request: HttpRequest, loan_id: UUID, act_id: UUID, body: ChangeIn) -> HttpResponse:
    """Confirm a change after its reading time, or say no; then nothing changes."""

    def work(request_id: UUID) -> tuple[int, Any]:
        borrower = request.auth
        servicing.loan_for(borrower.shard, borrower.id, loan_id)
        if body.confirm:
            acts.confirm_amendment(borrower.shard, borrower.id, act_id, body.disclosure_sha256.lower())
        else:
            acts.decline_amendment(borrower.shard, borrower.id, act_id)
        return 200, _loan(servicing_queries.loan(borrower.shard, borrower.id, loan_id))

    return command(request, work)


@router.get("/messages", tags=["profile"])
def messages(request: HttpRequest) -> HttpResponse:
    """What the borrower was told, newest first."""
    return respond({"messages": customers_queries.messages(request.auth)})
