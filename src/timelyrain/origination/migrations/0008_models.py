import django.db.models.deletion
from django.db import migrations, models

import timelyrain.runtime.ids
from timelyrain.runtime import schema


def _id() -> models.UUIDField:
    return models.UUIDField(
        default=timelyrain.runtime.ids.new_id, editable=False, primary_key=True, serialize=False
    )


class Migration(migrations.Migration):
    dependencies = [("origination", "0007_one_decision")]

    operations = [
        migrations.AlterField(
            model_name="releasestep",
            name="act",
            field=models.CharField(
                choices=[
                    ("submitted", "submitted for approval"),
                    ("seconded", "approved by the first of two"),
                    ("approved", "approved by a second person"),
                    ("rejected", "rejected or taken back"),
                    ("activated", "activated"),
                ],
                max_length=10,
            ),
        ),
        migrations.CreateModel(
            name="ModelTrial",
            fields=[
                ("id", _id()),
                ("model_sha256", models.CharField(max_length=64)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("challenger", "decides for a share of the applicants"),
                            ("shadow", "scores after the answer, changes nothing"),
                        ],
                        max_length=10,
                    ),
                ),
                ("share_ppm", models.IntegerField(default=0)),
                ("by", models.CharField(max_length=150)),
                ("begun_at", models.DateTimeField()),
                ("ended_by", models.CharField(blank=True, default="", max_length=150)),
                ("ended_at", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(kind="challenger", ended_at=None),
                        fields=("kind",),
                        name="one_challenger",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(kind="shadow", ended_at=None),
                        fields=("model_sha256",),
                        name="shadow_model_once",
                    ),
                ]
            },
        ),
        migrations.CreateModel(
            name="ShadowScore",
            fields=[
                ("shard", models.SmallIntegerField()),
                ("id", _id()),
                ("model_sha256", models.CharField(max_length=64)),
                ("pd_ppm", models.IntegerField(null=True)),
                ("decided_pd_ppm", models.IntegerField(null=True)),
                ("outcome", models.CharField(max_length=14)),
                ("agrees", models.BooleanField()),
                ("at", models.DateTimeField()),
                (
                    "decision",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="shadow_scores",
                        to="origination.decisionrecord",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["model_sha256", "at"], name="shadow_scores_of_model")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("shard", "decision", "model_sha256"), name="shadow_score_once"
                    )
                ],
            },
        ),
        schema.ShardKey("shadowscore"),
        schema.ShardReference("shadowscore", "decision_id", "origination_decisionrecord"),
        schema.AppendOnly("shadowscore"),
        migrations.CreateModel(
            name="Retraining",
            fields=[
                ("id", _id()),
                ("asked_by", models.CharField(max_length=150)),
                ("asked_at", models.DateTimeField()),
                ("months", models.SmallIntegerField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("begun", "waits for the worker"),
                            ("running", "is computed"),
                            ("done", "done"),
                            ("stopped", "stopped"),
                        ],
                        default="begun",
                        max_length=7,
                    ),
                ),
                ("stage", models.TextField(blank=True, default="")),
                ("attempts", models.IntegerField(default=0)),
                ("last_error", models.TextField(blank=True, default="")),
                ("model_sha256", models.CharField(max_length=64, null=True)),
                ("finished_at", models.DateTimeField(null=True)),
            ],
        ),
    ]
