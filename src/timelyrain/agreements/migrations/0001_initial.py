import django.db.models.deletion
from django.db import migrations, models

import timelyrain.runtime.ids
from timelyrain.runtime import schema


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("runtime", "0001_initial"),
        ("origination", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Agreement",
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
                ("offer_id", models.UUIDField()),
                ("borrower_id", models.UUIDField()),
                ("loan_id", models.UUIDField()),
                ("challenge_id", models.UUIDField()),
                ("saga_id", models.UUIDField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("signed", "signed, contract being made"),
                            ("contracted", "contract made"),
                            ("cancelled", "cancelled before pay-out"),
                            ("fulfilled", "fulfilled: the loan is settled"),
                        ],
                        default="signed",
                        max_length=10,
                    ),
                ),
                ("cancelled_because", models.CharField(blank=True, default="", max_length=200)),
                ("signed_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Disclosure",
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
                ("offer_id", models.UUIDField()),
                ("borrower_id", models.UUIDField()),
                ("amount_fen", models.BigIntegerField()),
                ("instalments", models.SmallIntegerField()),
                ("body", models.TextField()),
                ("sha256", models.CharField(max_length=64)),
                ("terms_json", models.TextField()),
                ("terms_sha256", models.CharField(max_length=64)),
                ("read_seconds", models.SmallIntegerField()),
                ("shown_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="ContractDocument",
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
                ("pdf", models.BinaryField()),
                ("sha256", models.CharField(max_length=64)),
                ("checked", models.JSONField()),
                ("made_at", models.DateTimeField()),
                (
                    "agreement",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="document",
                        to="agreements.agreement",
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.AddField(
            model_name="agreement",
            name="disclosure",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                to="agreements.disclosure",
            ),
        ),
        migrations.CreateModel(
            name="Confirmation",
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
                ("seconds", models.FloatField()),
                ("at", models.DateTimeField()),
                (
                    "disclosure",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="confirmations",
                        to="agreements.disclosure",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("shard", "disclosure"), name="confirmed_once")
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="agreement",
            constraint=models.UniqueConstraint(fields=("shard", "offer_id"), name="agreement_per_offer"),
        ),
        schema.ShardKey("disclosure"),
        schema.ShardKey("confirmation"),
        schema.ShardKey("agreement"),
        schema.ShardKey("contractdocument"),
        schema.ShardReference("disclosure", "offer_id", "origination_offer"),
        schema.ShardReference("confirmation", "disclosure_id", "agreements_disclosure"),
        schema.ShardReference("agreement", "disclosure_id", "agreements_disclosure"),
        schema.ShardReference("agreement", "saga_id", "runtime_saga"),
        schema.ShardReference("contractdocument", "agreement_id", "agreements_agreement"),
        schema.AppendOnly("disclosure"),
        schema.AppendOnly("confirmation"),
        schema.AppendOnly("contractdocument"),
    ]
