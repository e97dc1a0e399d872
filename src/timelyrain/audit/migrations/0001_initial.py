from django.db import migrations, models

import timelyrain.runtime.ids
from timelyrain.runtime import schema


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Leaf",
            fields=[
                ("position", models.BigIntegerField(primary_key=True, serialize=False)),
                ("act_id", models.UUIDField(unique=True)),
                ("sha256", models.BinaryField(max_length=32)),
            ],
        ),
        migrations.CreateModel(
            name="TreeHead",
            fields=[
                ("size", models.BigIntegerField(primary_key=True, serialize=False)),
                ("root", models.BinaryField(max_length=32)),
                ("at", models.DateTimeField()),
                ("signature", models.BinaryField(max_length=64)),
            ],
        ),
        migrations.CreateModel(
            name="Act",
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
                ("act", models.CharField(max_length=60)),
                ("actor", models.CharField(max_length=80)),
                ("subject", models.CharField(max_length=80)),
                ("body", models.JSONField()),
                ("at", models.DateTimeField()),
                ("leaf_sha256", models.BinaryField(max_length=32)),
            ],
            options={
                "indexes": [models.Index(fields=["subject"], name="act_subject")],
            },
        ),
        schema.ShardKey("act"),
        schema.AppendOnly("act"),
        schema.AppendOnly("leaf"),
        schema.AppendOnly("treehead"),
    ]
