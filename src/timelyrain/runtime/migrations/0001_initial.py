import django.db.models.deletion
from django.db import migrations, models

import timelyrain.runtime.ids
from timelyrain.runtime import schema


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="ClockShift",
            fields=[
                ("id", models.SmallIntegerField(primary_key=True, serialize=False)),
                ("shift", models.DurationField()),
            ],
        ),
        migrations.CreateModel(
            name="IdempotentRequest",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("request_sha256", models.BinaryField(max_length=32)),
                ("status", models.SmallIntegerField(null=True)),
                ("body", models.JSONField(null=True)),
                ("claimed_until", models.DateTimeField()),
                ("created_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Schedule",
            fields=[
                ("name", models.CharField(max_length=80, primary_key=True, serialize=False)),
                ("due_at", models.DateTimeField()),
                ("last_error", models.TextField(blank=True, default="")),
            ],
        ),
        migrations.CreateModel(
            name="Saga",
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
                ("kind", models.CharField(max_length=60)),
                ("key", models.CharField(max_length=120)),
                ("step", models.CharField(max_length=80)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("ready", "ready"),
                            ("unknown", "outcome unknown, asking"),
                            ("done", "done"),
                            ("refused", "refused"),
                            ("dead", "needs a person"),
                        ],
                        default="ready",
                        max_length=10,
                    ),
                ),
                ("data", models.JSONField(default=dict)),
                ("attempts", models.IntegerField(default=0)),
                ("due_at", models.DateTimeField()),
                ("claimed_by", models.CharField(max_length=60, null=True)),
                ("claimed_until", models.DateTimeField(null=True)),
                ("last_error", models.TextField(blank=True, default="")),
                ("created_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("status__in", ["ready", "unknown"])),
                        fields=["due_at"],
                        name="saga_due",
                    )
                ],
                "constraints": [models.UniqueConstraint(fields=("shard", "kind", "key"), name="saga_once")],
            },
        ),
        migrations.CreateModel(
            name="SagaTrace",
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
                ("step", models.CharField(max_length=80)),
                ("attempt", models.IntegerField()),
                ("outcome", models.CharField(max_length=10)),
                ("detail", models.TextField(blank=True, default="")),
                ("milliseconds", models.FloatField()),
                ("at", models.DateTimeField()),
                (
                    "saga",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="traces",
                        to="runtime.saga",
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        schema.ShardKey("saga"),
        schema.ShardKey("sagatrace"),
        schema.ShardReference("sagatrace", "saga_id", "runtime_saga"),
        schema.AppendOnly("sagatrace"),
    ]
