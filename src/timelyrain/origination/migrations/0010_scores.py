from django.db import migrations, models

import timelyrain.runtime.ids
from timelyrain.runtime import schema


class Migration(migrations.Migration):
    dependencies = [("origination", "0009_watching")]

    operations = [
        migrations.AlterField(
            model_name="releasestep",
            name="kind",
            field=models.CharField(
                choices=[
                    ("policy", "decision policy"),
                    ("model", "scoring model"),
                    ("fraud", "model of fraud"),
                    ("anomaly", "model of oddness"),
                ],
                max_length=8,
            ),
        ),
        migrations.CreateModel(
            name="Sighting",
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
                ("kind", models.CharField(max_length=8)),
                ("key_hash", models.BinaryField(max_length=32)),
                ("person_hash", models.BinaryField(max_length=32)),
                ("application_id", models.UUIDField()),
                ("at", models.DateTimeField()),
            ],
            options={"indexes": [models.Index(fields=["key_hash", "at", "id"], name="sighting_of_key")]},
        ),
        schema.AppendOnly("sighting"),
    ]
