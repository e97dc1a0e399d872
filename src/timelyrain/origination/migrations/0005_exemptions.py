from django.db import migrations, models

import timelyrain.runtime.ids


class Migration(migrations.Migration):
    dependencies = [("origination", "0004_standing_and_shadows")]

    operations = [
        migrations.CreateModel(
            name="Exemption",
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
                ("what", models.CharField(max_length=8)),
                ("name", models.CharField(max_length=80)),
                ("key_hash", models.BinaryField(max_length=32, null=True)),
                ("borrower_shard", models.SmallIntegerField(null=True)),
                ("borrower_id", models.UUIDField(null=True)),
                ("until", models.DateTimeField(null=True)),
                ("why", models.TextField()),
                ("asked_by", models.CharField(max_length=150)),
                ("asked_at", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "waits for a second person"),
                            ("approved", "approved"),
                            ("rejected", "rejected"),
                        ],
                        default="waiting",
                        max_length=8,
                    ),
                ),
                ("decided_by", models.CharField(blank=True, default="", max_length=150)),
                ("decided_at", models.DateTimeField(null=True)),
                ("note", models.TextField(blank=True, default="")),
            ],
        ),
    ]
