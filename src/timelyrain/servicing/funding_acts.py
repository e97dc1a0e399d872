"""Acts with funding partners: asked for by one person, approved by another. All touch the law's list or money, so all need two.

admit {name, on, until}; agree {product, from_on, parts: [partner, share_ppm, fees_ppm, service_ppm] each};
settle {partner, account, amount_fen (+ to the partner), on, reference}. What they do is in `funding`.
"""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from timelyrain.audit import services as audit
from timelyrain.finance import yuan
from timelyrain.ledger import chart
from timelyrain.runtime import clock, law
from timelyrain.runtime.problems import Conflict, Invalid, NotFound
from timelyrain.servicing import errors, funding
from timelyrain.servicing.models import ActState, FundingAct, FundingPartner
from timelyrain.servicing.shares import Part

_SHARD = 0  # acts that concern no borrower


def request(kind: str, data: Mapping[str, Any], *, by: str, reason: str, request_id: UUID) -> UUID:
    """Ask for an act, once per id; what could not be done now is refused. Raises Invalid, Conflict."""
    if FundingAct.objects.filter(id=request_id).exists():
        return request_id
    if kind not in _DOES:
        raise Invalid(
            f"{kind!r} is no act with a partner.", field="kind", remedy=f"Choose one of {', '.join(_DOES)}."
        )
    if not reason.strip():
        raise Invalid("No reason is given.", field="reason", remedy="Say why.")
    _CHECKS[kind](data)
    reference = f"{data['partner']}:{data['reference']}" if kind == "settle" else ""
    with transaction.atomic():
        taken = FundingAct.objects.filter(reference=reference).exclude(state=ActState.REJECTED)
        if reference and taken.exists():
            raise Conflict(
                f"The bank's reference {data['reference']!r} of this partner was asked for before.",
                field="reference",
                remedy="Look at the act with this reference.",
            )
        FundingAct.objects.create(
            id=request_id,
            kind=kind,
            data=dict(data),
            reference=reference,
            reason=reason.strip()[:1000],
            requested_by=by,
            requested_at=clock.now(),
        )
        _record("funding_act_requested", request_id, by, kind=kind, data=dict(data), reason=reason)
    return request_id


def approve(act_id: UUID, *, by: str, note: str = "") -> None:
    """Do it, as the law and the books are now. Raises SamePerson, ActDecided, Invalid."""
    with transaction.atomic():
        row = _waiting(act_id)
        if row.requested_by == by:
            raise errors.SamePerson("You asked for this yourself.", remedy="Somebody else must approve it.")
        _CHECKS[row.kind](row.data)
        _DOES[row.kind](row.data, row.requested_by)
        _decide(row, ActState.DONE, by, note)


def reject(act_id: UUID, *, by: str, note: str) -> None:
    """Leave everything as it is, and say why; who asked may take it back so. Raises ActDecided."""
    with transaction.atomic():
        _decide(_waiting(act_id), ActState.REJECTED, by, note)


def _waiting(act_id: UUID) -> FundingAct:
    row = FundingAct.objects.select_for_update().filter(id=act_id).first()
    if row is None:
        raise NotFound(f"There is no act {act_id}.", remedy="Take it from the page of funding partners.")
    if row.state != ActState.WAITING:
        raise errors.ActDecided(f"It is {row.state} since {row.decided_at}.", remedy="Ask for a new one.")
    return row


def _decide(row: FundingAct, state: str, by: str, note: str) -> None:
    row.state, row.decided_by, row.decided_at, row.note = state, by, clock.now(), note[:1000]
    row.save()
    _record(f"funding_act_{state}", row.id, by, kind=row.kind, data=row.data, requested_by=row.requested_by)


def _record(act: str, act_id: UUID, by: str, **more: Any) -> None:
    audit.record(_SHARD, act, actor=by, subject=act_id, **more)


# -- admit ------------------------------------------------------------------------------------------------------------------


def _check_admit(data: Mapping[str, Any]) -> None:
    name, until = data["name"].strip(), data["until"]
    if not 1 <= len(name) <= 80:
        raise Invalid(f"{name!r} is no name.", field="name", remedy="Give 1 to 80 characters.")
    if until and date.fromisoformat(until) < date.fromisoformat(data["on"]):
        raise Invalid(
            f"{until} is before {data['on']}.", field="until", remedy="Leave it empty, or give a later day."
        )


def _admit(data: Mapping[str, Any], by: str) -> None:
    until = date.fromisoformat(data["until"]) if data["until"] else None
    funding.admit(data["name"].strip(), date.fromisoformat(data["on"]), until, by=by)


# -- agree ------------------------------------------------------------------------------------------------------------------


def _check_agree(data: Mapping[str, Any]) -> None:
    known = [product.id for product in law.pack().products()]
    if data["product"] not in known:
        raise Invalid(
            f"There is no product {data['product']!r}.",
            field="product",
            remedy=f"Choose one of {', '.join(known)}.",
        )
    from_on = date.fromisoformat(data["from_on"])
    if problems := funding.unlawful(_parts(data), from_on):
        raise Invalid(f"{'; '.join(problems)}.", field="parts", remedy="Correct the shares.")


def _agree(data: Mapping[str, Any], by: str) -> None:
    funding.agree(data["product"], date.fromisoformat(data["from_on"]), _parts(data), by=by)


def _parts(data: Mapping[str, Any]) -> list[Part]:
    return [Part(UUID(partner), *ppm) for partner, *ppm in data["parts"]]


# -- settle -----------------------------------------------------------------------------------------------------------------


def _check_settle(data: Mapping[str, Any]) -> None:
    if not FundingPartner.objects.filter(id=data["partner"]).exists():
        raise Invalid(f"There is no partner {data['partner']}.", field="partner", remedy="Admit it first.")
    if not data["reference"].strip():
        raise Invalid(
            "The bank's reference is missing.", field="reference", remedy="Take it from the statement."
        )
    if date.fromisoformat(data["on"]) > clock.today():
        raise Invalid(
            f"{data['on']} has not come.", field="on", remedy="Give the day on which the money moved."
        )
    sign = {chart.SHARES_TO_REMIT: 1, chart.FUNDING_DUE: -1}.get(data["account"], 0)
    amount_fen, held = data["amount_fen"] * sign, sum(_standing(data))
    if not 0 < amount_fen <= held:
        raise Invalid(
            f"{yuan(max(held, 0))} yuan stand on account {data['account']} with this partner, not {yuan(abs(amount_fen))}.",
            field="amount_fen",
            remedy="Give an amount up to what stands on that day.",
        )


def _standing(data: Mapping[str, Any]) -> list[int]:
    """What stands between the lender and the partner on the account, shard by shard, nothing below zero."""
    found = [
        funding.due(UUID(data["partner"]), date.fromisoformat(data["on"]), shard)
        for shard in range(settings.SHARDS)
    ]
    remit = data["account"] == chart.SHARES_TO_REMIT
    return [max(0, one.remit_fen if remit else one.funding_fen) for one in found]


def _settle(data: Mapping[str, Any], by: str) -> None:
    """One transfer of the bank's, booked in each shard up to what stands there."""
    sign = 1 if data["account"] == chart.SHARES_TO_REMIT else -1
    left = abs(data["amount_fen"])
    for shard, standing in enumerate(_standing(data)):
        if fen := min(left, standing):
            on, partner = date.fromisoformat(data["on"]), UUID(data["partner"])
            funding.settle(shard, partner, data["account"], sign * fen, on, data["reference"].strip(), by=by)
            left -= fen


_CHECKS: dict[str, Callable[[Mapping[str, Any]], None]] = {
    "admit": _check_admit,
    "agree": _check_agree,
    "settle": _check_settle,
}
_DOES: dict[str, Callable[[Mapping[str, Any], str], None]] = {
    "admit": _admit,
    "agree": _agree,
    "settle": _settle,
}
