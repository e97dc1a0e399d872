from importlib import resources

import django.contrib.postgres.indexes
from django.db import migrations, models

from timelyrain.ledger.chart import CHART
from timelyrain.runtime import schema


def fill_chart(apps, schema_editor):
    rows = [vars(line) for line in CHART]
    model = apps.get_model("ledger", "Chart")
    model.objects.using(schema_editor.connection.alias).bulk_create(
        [model(**row) for row in rows], ignore_conflicts=True
    )


class Migration(migrations.Migration):
    dependencies = [("ledger", "0002_chart_of_the_whole_life")]

    operations = [
        migrations.CreateModel(
            name="LoanDay",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "shard",
                        "on",
                        "loan_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("shard", models.SmallIntegerField()),
                ("on", models.DateField()),
                ("loan_id", models.UUIDField()),
                ("interest_fen", models.BigIntegerField()),
                ("penalty_fen", models.BigIntegerField()),
                ("allowance_fen", models.BigIntegerField()),
                ("interest_charge_id", models.UUIDField()),
                ("penalty_charge_id", models.UUIDField()),
                ("dpd", models.IntegerField()),
                ("suspended", models.BooleanField()),
            ],
        ),
        migrations.AddIndex(
            model_name="transfer",
            index=django.contrib.postgres.indexes.BrinIndex(fields=["value_on"], name="transfer_of_day"),
        ),
        migrations.RunPython(fill_chart, migrations.RunPython.noop),
        migrations.RunSQL(
            resources.files("timelyrain.ledger").joinpath("sql/days.sql").read_text(),
            "DROP TRIGGER posted ON ledger_loanday; DROP FUNCTION ledger_post_days",
        ),
        schema.AppendOnly("loanday"),
    ]
