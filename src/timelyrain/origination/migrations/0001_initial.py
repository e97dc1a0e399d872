import django.db.models.deletion
from django.db import migrations, models

import timelyrain.runtime.ids
from timelyrain.runtime import schema


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("customers", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="PolicyVersion",
            fields=[
                ("sha256", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=80)),
                ("source", models.TextField()),
                ("activated_by", models.CharField(max_length=80)),
                ("activated_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="ScoringModel",
            fields=[
                ("sha256", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("manifest", models.JSONField()),
                ("activated_by", models.CharField(max_length=80)),
                ("activated_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Application",
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
                ("product", models.CharField(max_length=60)),
                ("amount_fen", models.BigIntegerField()),
                ("instalments", models.SmallIntegerField()),
                ("purpose", models.CharField(max_length=60)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("gathering", "gathering evidence"),
                            ("approved", "approved"),
                            ("declined", "declined"),
                            ("referred", "with a person"),
                            ("more_evidence", "more evidence is needed"),
                        ],
                        default="gathering",
                        max_length=14,
                    ),
                ),
                ("submitted_at", models.DateTimeField()),
                ("decided_at", models.DateTimeField(null=True)),
            ],
            options={
                "indexes": [models.Index(fields=["shard", "borrower_id"], name="application_of_borrower")],
            },
        ),
        migrations.CreateModel(
            name="DecisionRecord",
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
                ("outcome", models.CharField(max_length=14)),
                ("reasons", models.JSONField()),
                ("policy_sha256", models.CharField(max_length=64)),
                ("model_sha256", models.CharField(max_length=64, null=True)),
                ("record_sha256", models.CharField(max_length=64)),
                ("record_sealed", models.BinaryField()),
                ("evidence_sealed", models.BinaryField()),
                ("microseconds", models.IntegerField()),
                ("gather_milliseconds", models.IntegerField()),
                ("at", models.DateTimeField()),
                (
                    "application",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="decisions",
                        to="origination.application",
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Offer",
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
                ("product", models.CharField(max_length=60)),
                ("purpose", models.CharField(max_length=60)),
                ("minimum_fen", models.BigIntegerField()),
                ("limit_fen", models.BigIntegerField()),
                ("requested_fen", models.BigIntegerField()),
                ("requested_instalments", models.SmallIntegerField()),
                ("instalments", models.JSONField()),
                ("rate_ppm", models.IntegerField()),
                ("cap_ppm", models.IntegerField()),
                ("expires_at", models.DateTimeField()),
                ("created_at", models.DateTimeField()),
                (
                    "application",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="offers",
                        to="origination.application",
                    ),
                ),
                (
                    "decision",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        to="origination.decisionrecord",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("shard", "decision"), name="offer_per_decision")
                ],
            },
        ),
        migrations.CreateModel(
            name="Review",
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
                ("asked_by", models.CharField(max_length=10)),
                ("note", models.TextField(blank=True, default="")),
                ("opened_at", models.DateTimeField()),
                ("answered_by", models.CharField(blank=True, default="", max_length=80)),
                ("answer", models.TextField(blank=True, default="")),
                ("answered_at", models.DateTimeField(null=True)),
                (
                    "application",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="reviews",
                        to="origination.application",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("answered_at", None)),
                        fields=("shard", "application"),
                        name="one_open_review",
                    )
                ],
            },
        ),
        schema.ShardKey("application"),
        schema.ShardKey("decisionrecord"),
        schema.ShardKey("offer"),
        schema.ShardKey("review"),
        schema.ShardReference("application", "borrower_id", "customers_borrower"),
        schema.ShardReference("decisionrecord", "application_id", "origination_application"),
        schema.ShardReference("offer", "application_id", "origination_application"),
        schema.ShardReference("offer", "decision_id", "origination_decisionrecord"),
        schema.ShardReference("review", "application_id", "origination_application"),
        schema.AppendOnly("policyversion"),
        schema.AppendOnly("scoringmodel"),
        schema.AppendOnly("decisionrecord"),
        schema.AppendOnly("offer"),
    ]
