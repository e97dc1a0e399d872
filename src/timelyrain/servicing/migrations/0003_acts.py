import django.db.models.deletion
from django.db import migrations, models

import timelyrain.runtime.ids
from timelyrain.runtime import schema


class Migration(migrations.Migration):
    dependencies = [
        ("servicing", "0002_day_close"),
    ]

    operations = [
        migrations.CreateModel(
            name="LoanAct",
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
                ("amount_fen", models.BigIntegerField()),
                ("data", models.JSONField(default=dict)),
                ("reason", models.TextField()),
                ("wish_id", models.UUIDField(null=True)),
                ("requested_by", models.CharField(max_length=150)),
                ("requested_at", models.DateTimeField()),
                ("second_person", models.BooleanField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "waits for a second person"),
                            ("offered", "waits for the borrower"),
                            ("moving", "money on its way"),
                            ("done", "done"),
                            ("rejected", "not approved"),
                            ("failed", "the bank refused"),
                        ],
                        max_length=8,
                    ),
                ),
                ("before", models.JSONField(default=dict)),
                ("after", models.JSONField(default=dict)),
                ("borrower_fen", models.BigIntegerField()),
                ("decided_by", models.CharField(blank=True, default="", max_length=150)),
                ("decided_at", models.DateTimeField(null=True)),
                ("note", models.TextField(blank=True, default="")),
                ("disclosure", models.TextField(blank=True, default="")),
                ("disclosure_sha256", models.CharField(blank=True, default="", max_length=64)),
                ("shown_at", models.DateTimeField(null=True)),
                ("event_id", models.UUIDField(null=True)),
                ("refusal", models.CharField(blank=True, default="", max_length=80)),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "loan",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="acts",
                        to="servicing.loan",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["shard", "loan"], name="act_of_loan")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state", "rejected"),
                            ("decided_by", ""),
                            models.Q(("decided_by", models.F("requested_by")), _negated=True),
                            _connector="OR",
                        ),
                        name="act_decided_by_another",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Wish",
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
                        choices=[("hardship", "help in hardship"), ("due_day", "another due day")],
                        max_length=8,
                    ),
                ),
                ("amount_fen", models.BigIntegerField(null=True)),
                ("instalments", models.SmallIntegerField(null=True)),
                ("due_day", models.SmallIntegerField(null=True)),
                ("note", models.TextField(blank=True, default="")),
                ("asked_at", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "waits for an answer"),
                            ("granted", "granted"),
                            ("declined", "declined"),
                        ],
                        default="open",
                        max_length=8,
                    ),
                ),
                ("answer", models.TextField(blank=True, default="")),
                ("answered_by", models.CharField(blank=True, default="", max_length=150)),
                ("answered_at", models.DateTimeField(null=True)),
                (
                    "loan",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="wishes",
                        to="servicing.loan",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "open")),
                        fields=("shard", "loan", "kind"),
                        name="one_open_wish_of_a_kind",
                    )
                ],
            },
        ),
        schema.ShardKey("loanact"),
        schema.ShardKey("wish"),
        schema.ShardReference("loanact", "loan_id", "servicing_loan"),
        schema.ShardReference("wish", "loan_id", "servicing_loan"),
    ]
