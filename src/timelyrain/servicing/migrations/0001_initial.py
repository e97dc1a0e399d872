import django.db.models.deletion
from django.db import migrations, models

import timelyrain.runtime.ids
from timelyrain.runtime import schema


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("agreements", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="DayRun",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "shard", "on", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("shard", models.SmallIntegerField()),
                ("on", models.DateField()),
                ("loans", models.IntegerField()),
                ("at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Loan",
            fields=[
                ("shard", models.SmallIntegerField()),
                (
                    "id",
                    models.UUIDField(
                        default=timelyrain.runtime.ids.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("borrower_id", models.UUIDField()),
                ("agreement_id", models.UUIDField()),
                ("terms_json", models.TextField()),
                ("terms_sha256", models.CharField(max_length=64)),
                ("opened_on", models.DateField()),
                ("posted_on", models.DateField()),
                ("status", models.CharField(max_length=10)),
                ("outstanding_fen", models.BigIntegerField()),
                ("dpd", models.IntegerField(default=0)),
                ("bucket", models.CharField(default="M0", max_length=2)),
                ("next_due_on", models.DateField(null=True)),
                ("settled_on", models.DateField(null=True)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("status", "SETTLED"), _negated=True),
                        fields=["shard", "posted_on"],
                        name="loan_open",
                    ),
                    models.Index(fields=["shard", "borrower_id"], name="loan_of_borrower"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("shard", "agreement_id"), name="loan_per_agreement")
                ],
            },
        ),
        migrations.CreateModel(
            name="LoanEvent",
            fields=[
                ("shard", models.SmallIntegerField()),
                (
                    "id",
                    models.UUIDField(
                        default=timelyrain.runtime.ids.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("type", models.CharField(max_length=20)),
                ("value_on", models.DateField()),
                ("booked_at", models.DateTimeField()),
                ("amount_fen", models.BigIntegerField()),
                ("data", models.JSONField(default=dict)),
                (
                    "loan",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="events",
                        to="servicing.loan",
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Repayment",
            fields=[
                ("shard", models.SmallIntegerField()),
                (
                    "id",
                    models.UUIDField(
                        default=timelyrain.runtime.ids.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("due", "what is due"),
                            ("part", "early, in part"),
                            ("full", "early, in full"),
                        ],
                        max_length=4,
                    ),
                ),
                ("mode", models.CharField(blank=True, default="", max_length=16)),
                ("amount_fen", models.BigIntegerField()),
                (
                    "state",
                    models.CharField(
                        choices=[("pending", "on its way"), ("booked", "booked"), ("refused", "refused")],
                        default="pending",
                        max_length=8,
                    ),
                ),
                ("automatic", models.BooleanField(default=False)),
                ("refusal", models.CharField(blank=True, default="", max_length=80)),
                ("requested_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "loan",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="repayments",
                        to="servicing.loan",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "pending")),
                        fields=("shard", "loan"),
                        name="one_repayment_on_its_way",
                    )
                ],
            },
        ),
        schema.ShardKey("loan"),
        schema.ShardKey("loanevent"),
        schema.ShardKey("repayment"),
        schema.ShardReference("loan", "agreement_id", "agreements_agreement"),
        schema.ShardReference("loanevent", "loan_id", "servicing_loan"),
        schema.ShardReference("repayment", "loan_id", "servicing_loan"),
        schema.AppendOnly("loanevent"),
        schema.AppendOnly("dayrun"),
    ]
