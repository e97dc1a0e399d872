from django.db import migrations, models

import timelyrain.runtime.ids
from timelyrain.runtime import schema


class Migration(migrations.Migration):
    dependencies = [("payments", "0002_payee")]

    operations = [
        migrations.CreateModel(
            name="Reconciliation",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=timelyrain.runtime.ids.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("on", models.DateField()),
                ("at", models.DateTimeField()),
                ("matched", models.IntegerField()),
                ("findings", models.JSONField(default=list)),
            ],
            options={"indexes": [models.Index(fields=["on", "at"], name="reconciliation_of_day")]},
        ),
        schema.AppendOnly("reconciliation"),
    ]
