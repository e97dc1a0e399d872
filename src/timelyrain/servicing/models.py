from datetime import date
from typing import ClassVar

from django.db import models

from timelyrain.runtime.models import Sharded


class Loan(Sharded):
    """A loan that was paid out. Terms are the signed bytes; the rest is the fold's summary for lists and day runs."""

    borrower_id = models.UUIDField()
    agreement_id = models.UUIDField()
    terms_json = models.TextField()
    terms_sha256 = models.CharField(max_length=64)
    opened_on = models.DateField()
    posted_on = models.DateField()  # the books hold the fold as of this day
    status = models.CharField(max_length=12)
    outstanding_fen = models.BigIntegerField()
    dpd = models.IntegerField(default=0)
    bucket = models.CharField(max_length=2, default="M0")
    next_due_on = models.DateField(null=True)
    settled_on = models.DateField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["shard", "agreement_id"], name="loan_per_agreement")
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["shard", "posted_on"], condition=~models.Q(status="SETTLED"), name="loan_open"
            ),
            models.Index(fields=["shard", "borrower_id"], name="loan_of_borrower"),
        ]


class LoanEvent(Sharded):
    """A fact about a loan, exactly as the fold reads it."""

    append_only = True
    loan = models.ForeignKey(Loan, models.DO_NOTHING, db_constraint=False, related_name="events")
    type = models.CharField(max_length=20)
    value_on = models.DateField()
    booked_at = models.DateTimeField()
    amount_fen = models.BigIntegerField()
    data = models.JSONField(default=dict)


class RepaymentKind(models.TextChoices):
    DUE = "due", "what is due"
    PART = "part", "early, in part"
    FULL = "full", "early, in full"


class RepaymentState(models.TextChoices):
    PENDING = "pending", "on its way"
    BOOKED = "booked", "booked"
    REFUSED = "refused", "refused"


class Repayment(Sharded):
    """A payment by the borrower or a debit on a due day, from the wish to the booking."""

    loan = models.ForeignKey(Loan, models.DO_NOTHING, db_constraint=False, related_name="repayments")
    kind = models.CharField(max_length=4, choices=RepaymentKind.choices)
    mode = models.CharField(max_length=16, default="", blank=True)
    amount_fen = models.BigIntegerField()
    state = models.CharField(max_length=8, choices=RepaymentState.choices, default=RepaymentState.PENDING)
    automatic = models.BooleanField(default=False)
    refusal = models.CharField(max_length=80, default="", blank=True)
    requested_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            # Two payments on their way at once could together pay too much.
            models.UniqueConstraint(
                fields=["shard", "loan"], condition=models.Q(state="pending"), name="one_repayment_on_its_way"
            ),
        ]


class DayRun(models.Model):
    """A business day that was run for a shard: accrual booked, debits queued, late loans marked."""

    append_only = True
    pk = models.CompositePrimaryKey("shard", "on")
    shard = models.SmallIntegerField()
    on = models.DateField()
    loans = models.IntegerField()
    at = models.DateTimeField()


class Accruing(models.Model):
    """What the coming days add to a loan, as columns: `contract.columns.Outlook` of its fold, and what else the day close needs.

    One row per open loan, written anew when something happens to it; everything in it can be derived from terms and events.
    `until_on`: the first day that needs the fold again. `owed_fen`: principal and fees receivable; `paid_fen`: charges paid,
    waived or written off: what is accrued less it is receivable. Charge ids are the nil UUID where there is no such charge.
    """

    pk = models.CompositePrimaryKey("shard", "loan_id")
    shard = models.SmallIntegerField()
    loan_id = models.UUIDField()
    opened_on = models.DateField()
    from_on = models.DateField()
    until_on = models.DateField()
    fallen_on = models.DateField()  # the last due date up to from_on, or the day of opening
    next_due_on = models.DateField()  # 9999-12-31 when all has fallen due
    late_since = models.DateField()  # 9999-12-31 when nothing is late
    interest_fen = models.BigIntegerField()
    interest_start = models.DateField()
    interest_at_start = models.BigIntegerField()
    interest_a_day = models.BigIntegerField()
    interest_per = models.BigIntegerField()
    rounding = models.SmallIntegerField()
    penalty_fen = models.BigIntegerField()
    penalties = models.SmallIntegerField()  # how many rows of PenaltyLine
    owed_fen = models.BigIntegerField()
    paid_fen = models.BigIntegerField()
    surplus_fen = models.BigIntegerField()
    suspended = models.BooleanField()
    settled = models.BooleanField()
    interest_charge_id = models.UUIDField()
    penalty_charge_id = models.UUIDField()
    arrangement = models.IntegerField(
        db_default=0
    )  # FundingArrangement, 0 where the lender alone funds the loan
    pd_origin_ppm = models.IntegerField(db_default=0)  # 0 where no model has rated the loan
    pd_ppm = models.IntegerField(db_default=0)
    product = models.BigIntegerField(db_default=0)  # provisions.product_number
    last_due_on = models.DateField(db_default=date(9999, 12, 31))


class PenaltyLine(models.Model):
    """One overdue instalment of a loan in `Accruing`: a line of penalty interest (see `contract.columns.Line`)."""

    pk = models.CompositePrimaryKey("shard", "loan_id", "line")
    shard = models.SmallIntegerField()
    loan_id = models.UUIDField()
    line = models.SmallIntegerField()
    start_on = models.DateField()
    at_start = models.BigIntegerField()
    a_day = models.BigIntegerField()
    per = models.BigIntegerField()


class ActState(models.TextChoices):
    WAITING = "waiting", "waits for a second person"
    OFFERED = "offered", "waits for the borrower"
    MOVING = "moving", "money on its way"
    DONE = "done", "done"
    REJECTED = "rejected", "not approved"
    FAILED = "failed", "the bank refused"


class LoanAct(Sharded):
    """Something a person wants done with a loan, from the request to the booked event (see `catalogue`)."""

    loan = models.ForeignKey(Loan, models.DO_NOTHING, db_constraint=False, related_name="acts")
    type = models.CharField(max_length=20)
    value_on = models.DateField()
    amount_fen = models.BigIntegerField()
    data = models.JSONField(default=dict)
    reason = models.TextField()
    wish_id = models.UUIDField(null=True)
    requested_by = models.CharField(max_length=150)
    requested_at = models.DateTimeField()
    second_person = models.BooleanField()
    state = models.CharField(max_length=8, choices=ActState.choices)
    before = models.JSONField(
        default=dict
    )  # summaries, as they were seen at the request and then at the booking
    after = models.JSONField(default=dict)
    borrower_fen = models.BigIntegerField()
    decided_by = models.CharField(max_length=150, default="", blank=True)
    decided_at = models.DateTimeField(null=True)
    note = models.TextField(default="", blank=True)
    disclosure = models.TextField(
        default="", blank=True
    )  # what the borrower must confirm: a rate above the signed one
    disclosure_sha256 = models.CharField(max_length=64, default="", blank=True)
    shown_at = models.DateTimeField(null=True)
    event_id = models.UUIDField(null=True)
    refusal = models.CharField(max_length=80, default="", blank=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(state="rejected")
                | models.Q(decided_by="")
                | ~models.Q(decided_by=models.F("requested_by")),
                name="act_decided_by_another",
            )
        ]
        indexes: ClassVar = [models.Index(fields=["shard", "loan"], name="act_of_loan")]


class WishKind(models.TextChoices):
    HARDSHIP = "hardship", "help in hardship"
    DUE_DAY = "due_day", "another due day"


class WishState(models.TextChoices):
    OPEN = "open", "waits for an answer"
    GRANTED = "granted", "granted"
    DECLINED = "declined", "declined"


class Wish(Sharded):
    """What a borrower asks for; somebody answers it with an act, or says why not."""

    loan = models.ForeignKey(Loan, models.DO_NOTHING, db_constraint=False, related_name="wishes")
    kind = models.CharField(max_length=8, choices=WishKind.choices)
    amount_fen = models.BigIntegerField(null=True)  # what could be paid each month
    instalments = models.SmallIntegerField(null=True)  # for how many
    due_day = models.SmallIntegerField(null=True)
    note = models.TextField(default="", blank=True)
    asked_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=WishState.choices, default=WishState.OPEN)
    answer = models.TextField(default="", blank=True)
    answered_by = models.CharField(max_length=150, default="", blank=True)
    answered_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["shard", "loan", "kind"],
                condition=models.Q(state="open"),
                name="one_open_wish_of_a_kind",
            )
        ]


class FundingPartner(models.Model):
    """Who may fund loans together with the lender, and from when to when (reference table)."""

    id = models.UUIDField(primary_key=True)
    name = models.CharField(max_length=80, unique=True)
    admitted_on = models.DateField()
    admitted_until = models.DateField(null=True)


class FundingArrangement(models.Model):
    """Who funds how much of the loans of a product paid out from a day on (reference table). The latest counts; no parts: the
    lender alone. `parts`: [partner, share_ppm, fees_ppm, service_ppm] each, as `shares.Part`.
    """

    append_only = True
    number = models.IntegerField(primary_key=True)
    product = models.CharField(max_length=60)
    from_on = models.DateField()
    parts = models.JSONField()
    agreed_by = models.CharField(max_length=150)
    agreed_at = models.DateTimeField()


class FundingAct(models.Model):
    """What one person asks to be done with a funding partner and another approves (reference table; see `funding_acts`)."""

    id = models.UUIDField(primary_key=True)
    kind = models.CharField(max_length=8)  # admit, agree, settle
    data = models.JSONField()
    reference = models.CharField(
        max_length=160, default="", blank=True
    )  # partner and bank reference of money
    reason = models.TextField()
    state = models.CharField(max_length=8, choices=ActState.choices, default=ActState.WAITING)
    requested_by = models.CharField(max_length=150)
    requested_at = models.DateTimeField()
    decided_by = models.CharField(max_length=150, default="", blank=True)
    decided_at = models.DateTimeField(null=True)
    note = models.TextField(default="", blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(state="rejected") | ~models.Q(decided_by=models.F("requested_by")),
                name="funding_decided_by_another",
            ),
            models.UniqueConstraint(
                fields=["reference"],
                condition=~models.Q(reference="") & ~models.Q(state="rejected"),
                name="partner_money_once",
            ),
        ]


class LoanFunding(models.Model):
    """The arrangement of a loan, fixed at pay-out. A loan without a row is the lender's alone."""

    append_only = True
    pk = models.CompositePrimaryKey("shard", "loan_id")
    shard = models.SmallIntegerField()
    loan_id = models.UUIDField()
    arrangement = models.ForeignKey(FundingArrangement, models.DO_NOTHING, db_column="arrangement")


class LoanRating(models.Model):
    """A loan's probability of default within twelve months, as somebody or something saw it on a day."""

    append_only = True
    pk = models.CompositePrimaryKey("shard", "loan_id", "on")
    shard = models.SmallIntegerField()
    loan_id = models.UUIDField()
    on = models.DateField()
    pd_ppm = models.IntegerField()
    source = models.CharField(max_length=80)
    at = models.DateTimeField()
