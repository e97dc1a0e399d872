"""Funding partners: who may fund loans with the lender, on what terms, what they are owed, and what was settled with them.

An arrangement is agreed for the loans of a product paid out from a day on, within what the law says of joint lending; a loan
keeps the one of its pay-out for life. What follows from it is in `shares` and `books`. See docs/books.md.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import date
from functools import lru_cache
from uuid import UUID

import numpy as np
from django.db import transaction
from django.db.models import Max, Q

from timelyrain.audit import services as audit
from timelyrain.contract import Column
from timelyrain.ledger import chart
from timelyrain.ledger import queries as ledger_queries
from timelyrain.ledger import services as ledger
from timelyrain.runtime import clock, law
from timelyrain.runtime.ids import derived_id
from timelyrain.runtime.problems import Invalid
from timelyrain.servicing.models import FundingArrangement, FundingPartner, LoanFunding
from timelyrain.servicing.shares import PPM, Part, partners_column

_SHARD = 0  # acts that concern no borrower


def admit(name: str, on: date, until: date | None = None, *, by: str) -> UUID:
    """Put a partner on the list, or change until when it stays there; returns its id, which follows from its name."""
    partner = derived_id("funding_partner", name)
    FundingPartner.objects.update_or_create(
        id=partner, defaults={"name": name, "admitted_on": on, "admitted_until": until}
    )
    audit.record(
        _SHARD, "partner_admitted", actor=by, subject=partner, on=on.isoformat(), until=str(until or "")
    )
    return partner


def agree(product: str, from_on: date, parts: Sequence[Part], *, by: str) -> int:
    """Who funds loans of a product paid out from a day on; no parts: the lender alone. Raises Invalid with every problem."""
    problems = unlawful(parts, from_on)
    if problems:
        raise Invalid(
            f"This arrangement cannot be made: {'; '.join(problems)}.",
            field="parts",
            remedy="Correct the shares; nothing was agreed.",
        )
    with transaction.atomic():
        number = (FundingArrangement.objects.aggregate(last=Max("number"))["last"] or 0) + 1
        kept = [[str(part.partner), *astuple(part)[1:]] for part in parts]
        FundingArrangement.objects.create(
            number=number, product=product, from_on=from_on, parts=kept, agreed_by=by, agreed_at=clock.now()
        )
        audit.record(
            _SHARD,
            "funding_agreed",
            actor=by,
            subject=number,
            product=product,
            on=from_on.isoformat(),
            parts=kept,
        )
    return number


def unlawful(parts: Sequence[Part], on: date) -> list[str]:
    """Everything that is wrong with shares of loans paid out on a day. Law: partner_share_min_ppm, for both sides."""
    if not parts:
        return []
    found: list[str] = []
    theirs, fees = sum(part.share_ppm for part in parts), sum(part.fees_ppm for part in parts)
    for part in parts:
        if not 0 < part.share_ppm <= PPM:
            found.append(f"share_ppm = {part.share_ppm} of {part.partner} must be from 1 to {PPM}")
        for name in ("fees_ppm", "service_ppm"):
            if not 0 <= getattr(part, name) <= PPM:
                found.append(f"{name} = {getattr(part, name)} of {part.partner} must be from 0 to {PPM}")
    if len({part.partner for part in parts}) < len(parts):
        found.append("a partner stands in it twice")
    if fees > PPM:
        found.append(f"the partners' fees_ppm come to {fees}, more than {PPM}")
    admitted = set(
        FundingPartner.objects.filter(
            Q(admitted_until=None) | Q(admitted_until__gte=on), admitted_on__lte=on
        ).values_list("id", flat=True)
    )
    found += [
        f"{part.partner} is not on the list of partners on {on}"
        for part in parts
        if part.partner not in admitted
    ]
    least = law.number("partner_share_min_ppm", on)
    for whose, share in (("the lender's own part", PPM - theirs), ("the partners' part", theirs)):
        if share < least:
            found.append(f"{whose} is {share} ppm, the law of {on} asks for {least}")
    return found


def fix(shard: int, loan_id: UUID, product: str, paid_out_on: date) -> tuple[Part, ...]:
    """Fix the arrangement of a loan at its pay-out (in the caller's transaction), once; returns its parts.

    One that the law of the day no longer allows is not used: the money has gone out, so the lender funds the loan alone.
    """
    known = parts_of(shard, [loan_id])
    if loan_id in known:
        return known[loan_id]
    latest = FundingArrangement.objects.filter(product=product, from_on__lte=paid_out_on)
    row = latest.order_by("-from_on", "-number").first()
    if row is None or not row.parts:
        return ()
    parts = _parts(row.number)
    if problems := unlawful(parts, paid_out_on):
        audit.record(
            shard, "funding_not_used", actor="servicing", subject=loan_id, number=row.number, why=problems
        )
        return ()
    LoanFunding.objects.create(shard=shard, loan_id=loan_id, arrangement_id=row.number)
    return parts


def parts_of(shard: int, ids: Iterable[UUID]) -> dict[UUID, tuple[Part, ...]]:
    """The partners' parts of those loans that have any."""
    rows = LoanFunding.objects.filter(shard=shard, loan_id__in=list(ids))
    return {loan_id: _parts(number) for loan_id, number in rows.values_list("loan_id", "arrangement_id")}


@lru_cache(1024)
def _parts(number: int) -> tuple[Part, ...]:
    """An arrangement never changes."""
    kept = FundingArrangement.objects.values_list("parts", flat=True).get(number=number)
    return tuple(Part(UUID(partner), *ppm) for partner, *ppm in kept)


# -- the day close -----------------------------------------------------------------------------------------------------------


def partners_ppm(arrangement: Column) -> Column:
    """What partners fund together of each loan, in ppm."""
    numbers, place = np.unique(arrangement, return_inverse=True)
    shares = [sum(part.share_ppm for part in _parts(int(n))) if n else 0 for n in numbers]
    return np.array(shares, np.int64)[place]


def own_exposure(exposure_fen: Column, partners: Column) -> Column:
    """The lender's part of each exposure, rounded up; `partners` as `partners_ppm`."""
    return exposure_fen - partners_column(exposure_fen, partners)


def post_days(
    shard: int,
    on: date,
    partners: Column,
    before: Sequence[Column],
    step: Sequence[Column],
    suspended: Column,
) -> None:
    """Take the partners' part out of what the day has posted for all loans (in the caller's transaction).

    before, step: interest and penalty, each accrued up to the last close and on this day, in fen.
    """
    lines: list[ledger.Line] = []
    for fen, more, receivable, suspense, income in (
        (
            before[0],
            step[0],
            chart.PARTNERS_INTEREST,
            chart.PARTNERS_INTEREST_SUSPENSE,
            chart.INTEREST_INCOME,
        ),
        (before[1], step[1], chart.PARTNERS_PENALTY, chart.PARTNERS_PENALTY_SUSPENSE, chart.PENALTY_INCOME),
    ):
        theirs = partners_column(fen + more, partners) - partners_column(fen, partners)
        held = int(theirs[suspended].sum())
        earned = int(theirs.sum()) - held
        lines += [
            ledger.Line(receivable, -held - earned),
            ledger.Line(suspense, held),
            ledger.Line(income, earned),
        ]
    lines = [line for line in lines if line.amount_fen]
    if lines:
        ledger.post(shard, [ledger.Transfer(f"partners:{on}", "day_of_partners", on, clock.now(), lines)])


# -- settling ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Due:
    """What stands between the lender and a partner at the end of a day, in fen.

    funding_fen: what the partner has still to pay for its part of loans paid out. remit_fen: what it is owed of what borrowers
    paid, less the lender's service fee. by_loan: what this day added to remit_fen, loan by loan.
    """

    partner: UUID
    on: date
    funding_fen: int
    remit_fen: int
    by_loan: Mapping[UUID, int]


def due(partner: UUID, on: date, shard: int | None = None) -> Due:
    """By value date, in one shard or in all."""
    funding = ledger_queries.general_ledger(chart.FUNDING_DUE, on, on, owner=partner, shard=shard)
    remit = ledger_queries.general_ledger(chart.SHARES_TO_REMIT, on, on, owner=partner, shard=shard)
    by_loan: dict[UUID, int] = {}
    for line in remit.lines:
        if line.loan_id is not None:
            by_loan[line.loan_id] = by_loan.get(line.loan_id, 0) - line.amount_fen
    return Due(
        partner,
        on,
        funding.closing_fen,
        -remit.closing_fen,
        {loan: fen for loan, fen in by_loan.items() if fen},
    )


def settle(
    shard: int, partner: UUID, account: str, amount_fen: int, on: date, reference: str, *, by: str
) -> None:
    """Book money that went to a partner (+) or came from it (-), once per reference of the bank's.

    account: chart.SHARES_TO_REMIT or chart.FUNDING_DUE. Raises Invalid, TransferKeyReused.
    """
    if account not in (chart.SHARES_TO_REMIT, chart.FUNDING_DUE) or not amount_fen or not reference:
        raise Invalid(
            f"{amount_fen} fen on account {account!r} with reference {reference!r} cannot be booked.",
            field="amount_fen",
            remedy=f"Give an amount, the bank's reference, and {chart.SHARES_TO_REMIT} or {chart.FUNDING_DUE}.",
        )
    lines = (ledger.Line(account, amount_fen, partner), ledger.Line(chart.BANK, -amount_fen))
    transfer = ledger.Transfer(f"partner:{partner}:{reference}", "partner_settled", on, clock.now(), lines)
    with transaction.atomic():
        if ledger.post(shard, [transfer]):
            audit.record(
                shard, "partner_settled", actor=by, subject=partner, account=account, amount_fen=amount_fen,
                reference=reference,
            )  # fmt: skip


@dataclass(frozen=True)
class PartnerFinding:
    """kind: missing (in the partner's statement, not in ours), surplus (in ours alone), differing."""

    kind: str
    loan_id: UUID
    theirs_fen: int
    ours_fen: int


def reconcile(partner: UUID, on: date, statement: Mapping[UUID, int]) -> tuple[int, list[PartnerFinding]]:
    """A partner's statement of a day (loan -> fen it expects of that day) against ours: how many agree, and what does not."""
    ours = due(partner, on).by_loan
    found: list[PartnerFinding] = []
    for loan in sorted(ours.keys() | statement.keys()):
        mine, theirs = ours.get(loan, 0), statement.get(loan, 0)
        if mine != theirs:
            kind = (
                "differing"
                if loan in ours and loan in statement
                else "missing"
                if loan in statement
                else "surplus"
            )
            found.append(PartnerFinding(kind, loan, theirs, mine))
    return len(ours.keys() | statement.keys()) - len(found), found
