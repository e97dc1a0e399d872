from typing import ClassVar

from django.contrib.postgres.indexes import BrinIndex
from django.db import models

from timelyrain.runtime.models import Sharded


class Chart(models.Model):
    """The chart of accounts as the database knows it (reference table, filled by migrations from `chart.py`)."""

    read_only = True
    code = models.CharField(primary_key=True, max_length=12)
    name = models.CharField(max_length=60)
    name_zh = models.CharField(max_length=60)
    type = models.CharField(max_length=10)
    charge_kind = models.CharField(max_length=40, null=True)


class Account(Sharded):
    """One account: a chart line for the lender as a whole or for one loan. `balance_fen` is + for debit."""

    read_only = True
    code = models.ForeignKey(Chart, models.PROTECT, db_column="code")
    owner = models.UUIDField()  # the loan; the nil UUID for the lender's own
    balance_fen = models.BigIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["shard", "owner", "code"], name="account_once"),
        ]


class Transfer(Sharded):
    """One business act. `key` makes it happen once; `digest` recognises a different act under the same key."""

    append_only = read_only = True
    key = models.CharField(max_length=160)
    act = models.CharField(max_length=40)
    loan_id = models.UUIDField(null=True)
    value_on = models.DateField()
    booked_at = models.DateTimeField()
    lines = models.SmallIntegerField()
    digest = models.BinaryField(max_length=32)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["shard", "key"], name="transfer_once")]
        indexes: ClassVar = [
            models.Index(fields=["shard", "loan_id"], name="transfer_of_loan"),
            BrinIndex(fields=["value_on"], name="transfer_of_day"),
        ]


class Entry(models.Model):
    """One line of a transfer: + debit, - credit, with the account's balance after it."""

    append_only = read_only = True
    pk = models.CompositePrimaryKey("shard", "transfer_id", "line")
    shard = models.SmallIntegerField()
    transfer = models.ForeignKey(
        Transfer, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="entries"
    )
    line = models.SmallIntegerField()
    account = models.ForeignKey(Account, models.DO_NOTHING, db_constraint=False, db_index=False)
    amount_fen = models.BigIntegerField()
    balance_after_fen = models.BigIntegerField()
    charge_formula = models.TextField(null=True)

    class Meta:
        # Entries of an account lie anywhere: a tree over them would cost a tenth of posting, and more as it grows. A Bloom filter
        # for every 32 pages costs next to nothing and lets a search leave out the others.
        indexes: ClassVar = [
            BrinIndex(
                fields=["account"],
                name="entry_of_account",
                opclasses=["uuid_bloom_ops"],
                pages_per_range=32,
                autosummarize=True,
            )
        ]


class DisclosedCharge(Sharded):
    """A charge the borrower saw before signing: what may be credited to a charge account for this loan."""

    append_only = True
    loan_id = models.UUIDField()
    kind = models.CharField(max_length=40)
    formula = models.TextField()
    disclosure_sha256 = models.BinaryField(max_length=32)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["shard", "loan_id", "kind", "formula"], name="charge_disclosed_once"
            )
        ]


class LoanDay(models.Model):
    """What one business day added to a loan, and what is held against it at its end. Inserting a shard's day posts it.

    interest_fen, penalty_fen: accrued on that day, apart from what an event of the loan had booked on its own accounts.
    suspended: a non-accrual loan, whose charges are not counted as income until they are paid. The charges are rows of
    DisclosedCharge, the nil UUID where there is none. One partition a month, in the schema ledger_months.
    """

    append_only = True
    pk = models.CompositePrimaryKey("shard", "on", "loan_id")
    shard = models.SmallIntegerField()
    on = models.DateField()
    loan_id = models.UUIDField()
    interest_fen = models.BigIntegerField()
    penalty_fen = models.BigIntegerField()
    allowance_fen = models.BigIntegerField()
    interest_charge_id = models.UUIDField()
    penalty_charge_id = models.UUIDField()
    dpd = models.IntegerField()
    suspended = models.BooleanField()
