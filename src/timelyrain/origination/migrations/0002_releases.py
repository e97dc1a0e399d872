from django.db import migrations, models

import timelyrain.runtime.ids
from timelyrain.runtime import schema

# What was in force goes on: the versions that were kept by activating them get the step that says so.
CARRY_OVER = """
INSERT INTO origination_releasestep (id, kind, sha256, act, by, at, effective_at, note, report)
SELECT gen_random_uuid(), 'policy', sha256, 'activated', kept_by, kept_at, kept_at, '', '{}'::jsonb FROM origination_policyversion
UNION ALL
SELECT gen_random_uuid(), 'model', sha256, 'activated', kept_by, kept_at, kept_at, '', '{}'::jsonb FROM origination_scoringmodel
"""


def _id() -> models.UUIDField:
    return models.UUIDField(
        default=timelyrain.runtime.ids.new_id, editable=False, primary_key=True, serialize=False
    )


def _renamed(model: str) -> list[migrations.operations.base.Operation]:
    return [
        migrations.RenameField(model, "activated_by", "kept_by"),
        migrations.RenameField(model, "activated_at", "kept_at"),
        migrations.AlterField(model, "kept_by", models.CharField(max_length=150)),
    ]


class Migration(migrations.Migration):
    dependencies = [("origination", "0001_initial")]

    operations = [
        *_renamed("policyversion"),
        *_renamed("scoringmodel"),
        migrations.CreateModel(
            name="ReleaseStep",
            fields=[
                ("id", _id()),
                (
                    "kind",
                    models.CharField(
                        choices=[("policy", "decision policy"), ("model", "scoring model")], max_length=8
                    ),
                ),
                ("sha256", models.CharField(max_length=64)),
                (
                    "act",
                    models.CharField(
                        choices=[
                            ("submitted", "submitted for approval"),
                            ("approved", "approved by a second person"),
                            ("rejected", "rejected or taken back"),
                            ("activated", "activated"),
                        ],
                        max_length=10,
                    ),
                ),
                ("by", models.CharField(max_length=150)),
                ("at", models.DateTimeField()),
                ("effective_at", models.DateTimeField(null=True)),
                ("note", models.TextField(blank=True, default="")),
                ("report", models.JSONField(default=dict)),
            ],
            options={"indexes": [models.Index(fields=["kind", "sha256"], name="release_of_version")]},
        ),
        migrations.RunSQL(CARRY_OVER, migrations.RunSQL.noop),
        schema.AppendOnly("releasestep"),
        migrations.CreateModel(
            name="PolicyDraft",
            fields=[
                ("id", _id()),
                ("title", models.CharField(max_length=120)),
                ("source", models.TextField()),
                ("begun_by", models.CharField(max_length=150)),
                ("changed_by", models.CharField(max_length=150)),
                ("changed_at", models.DateTimeField()),
                ("submitted_sha256", models.CharField(blank=True, default="", max_length=64)),
            ],
        ),
        migrations.CreateModel(
            name="PolicyCase",
            fields=[
                ("id", _id()),
                ("policy_name", models.CharField(max_length=80)),
                ("title", models.CharField(max_length=200)),
                ("case_sealed", models.BinaryField()),
                ("made_by", models.CharField(max_length=150)),
                ("made_at", models.DateTimeField()),
                ("retired_at", models.DateTimeField(null=True)),
            ],
        ),
    ]
