import django.db.models.deletion
from django.db import migrations, models

import timelyrain.runtime.ids
from timelyrain.runtime import schema


def _id() -> models.UUIDField:
    return models.UUIDField(
        default=timelyrain.runtime.ids.new_id, editable=False, primary_key=True, serialize=False
    )


class Migration(migrations.Migration):
    dependencies = [("origination", "0003_backtests")]

    operations = [
        migrations.CreateModel(
            name="ListEntry",
            fields=[
                ("id", _id()),
                ("position", models.BigIntegerField(unique=True)),
                ("list", models.CharField(max_length=80)),
                ("key_hash", models.BinaryField(max_length=32)),
                ("on", models.BooleanField()),
                ("until", models.DateTimeField(null=True)),
                ("by", models.CharField(max_length=150)),
                ("why", models.TextField()),
                ("at", models.DateTimeField()),
                ("chain", models.BinaryField(max_length=32)),
            ],
            options={
                "indexes": [models.Index(fields=["key_hash", "list", "position"], name="list_entry_of_key")]
            },
        ),
        schema.AppendOnly("listentry"),
        migrations.CreateModel(
            name="RuleSnooze",
            fields=[
                ("shard", models.SmallIntegerField()),
                ("id", _id()),
                ("borrower_id", models.UUIDField()),
                ("code", models.CharField(max_length=60)),
                ("until", models.DateTimeField()),
                ("by", models.CharField(max_length=150)),
                ("why", models.TextField()),
                ("at", models.DateTimeField()),
            ],
            options={"indexes": [models.Index(fields=["shard", "borrower_id"], name="snooze_of_borrower")]},
        ),
        schema.ShardKey("rulesnooze"),
        schema.AppendOnly("rulesnooze"),
        migrations.CreateModel(
            name="ShadowPolicy",
            fields=[
                ("id", _id()),
                ("policy_sha256", models.CharField(max_length=64)),
                ("by", models.CharField(max_length=150)),
                ("begun_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="ShadowDecision",
            fields=[
                ("shard", models.SmallIntegerField()),
                ("id", _id()),
                ("policy_sha256", models.CharField(max_length=64)),
                ("outcome", models.CharField(max_length=14)),
                ("agrees", models.BooleanField()),
                ("record_sha256", models.CharField(max_length=64)),
                ("record_sealed", models.BinaryField()),
                ("at", models.DateTimeField()),
                (
                    "decision",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="shadows",
                        to="origination.decisionrecord",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("shard", "decision", "policy_sha256"), name="shadow_once")
                ]
            },
        ),
        schema.ShardKey("shadowdecision"),
        schema.ShardReference("shadowdecision", "decision_id", "origination_decisionrecord"),
        schema.AppendOnly("shadowdecision"),
    ]
