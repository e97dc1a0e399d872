"""Accounts for the parts of funding partners and for loans that are sold."""

from django.db import migrations

from timelyrain.ledger.chart import CHART


def add_lines(apps, schema_editor):
    model = apps.get_model("ledger", "Chart")
    lines = [model(**vars(line)) for line in CHART]
    model.objects.using(schema_editor.connection.alias).bulk_create(lines, ignore_conflicts=True)


class Migration(migrations.Migration):
    dependencies = [("ledger", "0003_loan_days")]
    operations = [migrations.RunPython(add_lines, migrations.RunPython.noop)]
