from importlib import resources

import django.db.models.deletion
from django.db import migrations, models

import timelyrain.runtime.ids
from timelyrain.ledger.chart import CHART
from timelyrain.runtime import schema


def fill_chart(apps, schema_editor):
    rows = [vars(line) for line in CHART]
    model = apps.get_model("ledger", "Chart")
    model.objects.using(schema_editor.connection.alias).bulk_create([model(**row) for row in rows])


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Chart",
            fields=[
                ("code", models.CharField(max_length=12, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=60)),
                ("name_zh", models.CharField(max_length=60)),
                ("type", models.CharField(max_length=10)),
                ("charge_kind", models.CharField(max_length=40, null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Account",
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
                ("owner", models.UUIDField()),
                ("balance_fen", models.BigIntegerField(default=0)),
                (
                    "code",
                    models.ForeignKey(
                        db_column="code", on_delete=django.db.models.deletion.PROTECT, to="ledger.chart"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="DisclosedCharge",
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
                ("loan_id", models.UUIDField()),
                ("kind", models.CharField(max_length=40)),
                ("formula", models.TextField()),
                ("disclosure_sha256", models.BinaryField(max_length=32)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("shard", "loan_id", "kind", "formula"), name="charge_disclosed_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Transfer",
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
                ("key", models.CharField(max_length=160)),
                ("act", models.CharField(max_length=40)),
                ("loan_id", models.UUIDField(null=True)),
                ("value_on", models.DateField()),
                ("booked_at", models.DateTimeField()),
                ("lines", models.SmallIntegerField()),
                ("digest", models.BinaryField(max_length=32)),
            ],
            options={
                "indexes": [models.Index(fields=["shard", "loan_id"], name="transfer_of_loan")],
                "constraints": [models.UniqueConstraint(fields=("shard", "key"), name="transfer_once")],
            },
        ),
        migrations.CreateModel(
            name="Entry",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "shard",
                        "transfer_id",
                        "line",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("shard", models.SmallIntegerField()),
                ("line", models.SmallIntegerField()),
                ("amount_fen", models.BigIntegerField()),
                ("balance_after_fen", models.BigIntegerField()),
                ("charge_formula", models.TextField(null=True)),
                (
                    "account",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        to="ledger.account",
                    ),
                ),
                (
                    "transfer",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="entries",
                        to="ledger.transfer",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.UniqueConstraint(fields=("shard", "code", "owner"), name="account_once"),
        ),
        migrations.AddIndex(
            model_name="entry",
            index=models.Index(fields=["shard", "account"], name="entry_of_account"),
        ),
        schema.ShardKey("account"),
        schema.ShardKey("transfer"),
        schema.ShardKey("disclosedcharge"),
        migrations.RunPython(fill_chart, migrations.RunPython.noop),
        migrations.RunSQL(
            resources.files("timelyrain.ledger").joinpath("sql/post.sql").read_text(),
            "DROP TRIGGER balanced ON ledger_entry; DROP FUNCTION ledger_check_balanced; DROP FUNCTION ledger_post;"
            " DROP FUNCTION ledger_write_lines",
        ),
        schema.AppendOnly("transfer"),
        schema.AppendOnly("entry"),
        schema.AppendOnly("disclosedcharge"),
    ]
