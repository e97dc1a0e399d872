import django.db.models.deletion
from django.db import migrations, models

import timelyrain.runtime.ids
from timelyrain.runtime import schema


class Migration(migrations.Migration):
    dependencies = [("origination", "0005_exemptions")]

    operations = [
        migrations.CreateModel(
            name="Explanation",
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
                ("attribution", models.CharField(blank=True, max_length=8)),
                ("told_sealed", models.BinaryField()),
                ("at", models.DateTimeField()),
                (
                    "decision",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="explanations",
                        to="origination.decisionrecord",
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("shard", "decision"), name="explained_once")]
            },
        ),
        schema.ShardKey("explanation"),
        schema.ShardReference("explanation", "decision_id", "origination_decisionrecord"),
        schema.AppendOnly("explanation"),
    ]
