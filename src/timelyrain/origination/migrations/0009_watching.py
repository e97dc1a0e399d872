from django.db import migrations, models

import timelyrain.runtime.ids
from timelyrain.runtime import schema


class Migration(migrations.Migration):
    dependencies = [("origination", "0008_models")]

    operations = [
        migrations.CreateModel(
            name="ModelWatch",
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
                ("model_sha256", models.CharField(max_length=64)),
                ("on", models.DateField()),
                ("level", models.CharField(max_length=5)),
                ("report", models.JSONField()),
                ("sha256", models.CharField(max_length=64)),
                ("at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("model_sha256", "on"), name="model_watched_once_a_day")
                ]
            },
        ),
        schema.AppendOnly("modelwatch"),
    ]
