"""Why a day added to a loan what it added: the numbers of one day close, found again from terms and the events known then."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import numpy as np

from timelyrain.contract import Line, fold, look_ahead
from timelyrain.ledger import queries as ledger
from timelyrain.runtime import clock
from timelyrain.runtime.columns import number
from timelyrain.runtime.problems import NotFound
from timelyrain.servicing import accruing, funding, provisions
from timelyrain.servicing.accruing import Looked
from timelyrain.servicing.models import DayRun, Loan
from timelyrain.servicing.provisions import Band
from timelyrain.servicing.services import events_of, terms_of


@dataclass(frozen=True)
class DayExplained:
    """One loan on one closed day, money in fen.

    since: the day up to which the books had accrued before; `on` itself where an event had taken them further. interest,
    penalties: the lines the charges grow along from then, None where they were not needed because something happened on the day.
    exposure_fen: the lender's own part; partners_ppm: what partners fund. stage, pd_ppm (over the stage's horizon) and lgd_ppm
    are what was held for; pd_origin_ppm and pd_now_ppm are the loan's own PDs of twelve months, 0 where no model had rated it.
    booked: the row in the books. agrees: whether what was found again equals it.
    """

    loan_id: UUID
    on: date
    closed_at: datetime
    events_known: int
    since: date
    interest_before_fen: int
    interest_after_fen: int
    interest: Line | None
    penalty_before_fen: int
    penalty_after_fen: int
    penalties: tuple[Line, ...]
    dpd: int
    exposure_fen: int
    partners_ppm: int
    band: Band
    stage: int
    pd_origin_ppm: int
    pd_now_ppm: int
    months: int
    pd_ppm: int
    lgd_ppm: int
    allowance_fen: int
    booked: ledger.DayOfLoan

    @property
    def agrees(self) -> bool:
        found = (
            self.interest_after_fen - self.interest_before_fen,
            self.penalty_after_fen - self.penalty_before_fen,
            self.dpd,
            self.allowance_fen,
        )
        row = self.booked
        return found == (row.interest_fen, row.penalty_fen, row.dpd, row.allowance_fen)

    def sentences(self, language: str = "en") -> list[str]:
        """The same in words; language: en or zh."""
        row, band, zh = self.booked, self.band, language == "zh"
        found = [
            f"截至 {self.on} 利息 {self.interest_after_fen} 分，截至 {self.since} 为 {self.interest_before_fen} 分；"
            f"当日计 {row.interest_fen} 分（{row.interest_formula or '不计息'}）。"
            if zh
            else f"Interest up to {self.on}: {self.interest_after_fen} fen, up to {self.since}: {self.interest_before_fen} fen; "
            f"the day adds {row.interest_fen} fen ({row.interest_formula or 'no interest'})."
        ]
        if self.interest and self.interest.a_day:
            line = self.interest
            found.append(
                f"本期：（{line.at_start} + {line.a_day} × 自 {line.start} 起的天数）÷ {line.per}，舍入 {line.rounding}。"
                if zh
                else f"Running period: ({line.at_start} + {line.a_day} x days since {line.start}) / {line.per}, "
                f"rounded {line.rounding}."
            )
        if self.penalty_after_fen or self.penalties:
            found.append(
                f"截至 {self.on} 罚息 {self.penalty_after_fen} 分，截至 {self.since} 为 {self.penalty_before_fen} 分；"
                f"当日计 {row.penalty_fen} 分（{row.penalty_formula or '不计罚息'}）。"
                if zh
                else f"Penalty interest up to {self.on}: {self.penalty_after_fen} fen, up to {self.since}: "
                f"{self.penalty_before_fen} fen; the day adds {row.penalty_fen} fen ({row.penalty_formula or 'no penalty'})."
            )
        if self.pd_origin_ppm:
            found.append(
                f"十二个月违约概率：放款时 {self.pd_origin_ppm} ppm，现为 {self.pd_now_ppm} ppm；剩余 {self.months} 个月。"
                if zh
                else f"PD of twelve months: {self.pd_origin_ppm} ppm at origination, {self.pd_now_ppm} ppm now; "
                f"{self.months} month(s) still to run."
            )
        suspense = ("，息费转入非应计" if zh else ", charges in suspense") if row.suspended else ""
        partners = ""
        if self.partners_ppm:
            partners = (
                f"；合作方出资 {self.partners_ppm} ppm，自担其份额"
                if zh
                else f"; partners fund {self.partners_ppm} ppm and bear their part"
            )
        found.append(
            f"逾期 {self.dpd} 天：{band.risk_class} 类，第 {self.stage} 阶段；准备 {self.allowance_fen} 分 = "
            f"{self.exposure_fen} 分 × PD {self.pd_ppm} ppm × LGD {self.lgd_ppm} ppm{suspense}{partners}。"
            if zh
            else f"{self.dpd} day(s) past due: class {band.risk_class}, stage {self.stage}; allowance {self.allowance_fen} fen = "
            f"{self.exposure_fen} fen x PD {self.pd_ppm} ppm x LGD {self.lgd_ppm} ppm{suspense}{partners}."
        )
        return found


def explain(shard: int, loan_id: UUID, on: date) -> DayExplained:
    """Raises NotFound when that day was not closed for that loan."""
    booked = ledger.day_of_loan(shard, loan_id, on)
    run = DayRun.objects.filter(shard=shard, on=on).first()
    if booked is None or run is None:
        raise NotFound(
            f"No day close of {on} covers loan {loan_id}.",
            remedy="Ask for a business day that was closed while it was open.",
        )
    loan = Loan.objects.get(shard=shard, id=loan_id)
    terms = terms_of(loan)
    known = [e for e in events_of(loan) if e.booked_at <= run.at]
    last = DayRun.objects.filter(shard=shard, on__lt=on).order_by("-on").values_list("on", flat=True).first()
    posted = max(max(clock.business_date(e.booked_at), e.value_on) for e in known)
    by_itself = any(p.act == "day_of_loan" and p.value_on == on for p in ledger.loan_postings(shard, loan_id))
    since = on if by_itself else max(posted, last or posted)
    at = max(on, since)
    before, ahead = look_ahead(terms, known, since)
    after = before if at == since else fold(terms, known, at)
    rule = provisions.provisions(on)
    stood, stands = (
        Looked(loan, terms, known, state, ahead, rule.suspended(state.dpd)) for state in (before, after)
    )
    dpd = after.dpd if at == on else max(0, (on - ahead.late_since).days if ahead.late_since else 0)
    extras = accruing.extras_of(shard, [loan_id], run.at).get(loan_id, accruing.Extras())
    partners = funding.partners_ppm(np.array([extras.arrangement]))
    exposure = funding.own_exposure(np.array([stands.exposure_fen]), partners)
    columns = accruing.Columns(
        {
            "last_due_on": np.array([number(before.instalments[-1].due_on)]),
            "pd_origin_ppm": np.array([extras.pd_origin_ppm]),
            "pd_ppm": np.array([extras.pd_ppm]),
            "product": np.array([provisions.product_number(terms.product)]),
        },
        {},
        np.array([], np.int64),
    )
    rated = columns.rated(number(on))
    losses = rule.losses(np.array([dpd]), rated)
    straight = since <= at < ahead.until and stood.ours
    return DayExplained(
        loan_id=loan_id,
        on=on,
        closed_at=run.at,
        events_known=len(known),
        since=since,
        interest_before_fen=stood.accrued[0],
        interest_after_fen=stands.accrued[0],
        interest=ahead.interest if straight else None,
        penalty_before_fen=stood.accrued[1],
        penalty_after_fen=stands.accrued[1],
        penalties=ahead.penalties if straight else (),
        dpd=dpd,
        exposure_fen=int(exposure[0]),
        partners_ppm=int(partners[0]),
        band=rule.band(dpd),
        stage=int(losses.stage[0]),
        pd_origin_ppm=extras.pd_origin_ppm,
        pd_now_ppm=extras.pd_ppm,
        months=int(rated.months[0]),
        pd_ppm=int(losses.pd_ppm[0]),
        lgd_ppm=int(losses.lgd_ppm[0]),
        allowance_fen=int(rule.allowances(exposure, np.array([dpd]), rated)[0]),
        booked=booked,
    )
