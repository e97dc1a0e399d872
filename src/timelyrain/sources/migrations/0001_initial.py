from django.db import migrations, models

import timelyrain.runtime.ids
from timelyrain.runtime import schema


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("customers", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="SourceRead",
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
                ("application_id", models.UUIDField()),
                ("borrower_id", models.UUIDField()),
                ("source", models.CharField(max_length=40)),
                ("recipient", models.CharField(max_length=60)),
                ("consent_id", models.UUIDField(null=True)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("ok", "ok"),
                            ("no_consent", "not asked: no consent"),
                            ("timeout", "no answer in time"),
                            ("unavailable", "unavailable"),
                            ("refused", "refused"),
                            ("malformed", "malformed answer"),
                            ("error", "error"),
                        ],
                        max_length=12,
                    ),
                ),
                ("detail", models.TextField(blank=True, default="")),
                ("url", models.CharField(blank=True, default="", max_length=300)),
                ("document_sha256", models.CharField(blank=True, default="", max_length=64)),
                ("document_sealed", models.BinaryField(null=True)),
                ("milliseconds", models.IntegerField()),
                ("at", models.DateTimeField()),
            ],
            options={
                "indexes": [models.Index(fields=["shard", "application_id"], name="reads_of_application")],
            },
        ),
        schema.ShardKey("sourceread"),
        schema.ShardReference("sourceread", "borrower_id", "customers_borrower"),
        schema.AppendOnly("sourceread"),
    ]
