from django.db import migrations, models

import timelyrain.runtime.ids

# Sightings are deleted by one function alone, in the owner's name and in batches. Whatever it is asked, what is younger than
# the longest window of velocities (30 days before the newest sighting) stays.
FORGET = """
DROP TRIGGER append_only ON origination_sighting;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON origination_sighting FOR EACH STATEMENT
    WHEN (coalesce(current_setting('timelyrain.forgets', true), '') <> 'origination_sighting')
    EXECUTE FUNCTION refuse_change();
CREATE FUNCTION forget_sightings(p_before timestamptz, p_most int) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp AS $$
DECLARE
    gone bigint;
    bound timestamptz;
BEGIN
    SELECT least(p_before, max(at) - interval '30 days') INTO bound FROM origination_sighting;
    PERFORM set_config('timelyrain.forgets', 'origination_sighting', true);
    DELETE FROM origination_sighting WHERE id IN (
        SELECT id FROM origination_sighting WHERE at < bound ORDER BY at LIMIT p_most);
    GET DIAGNOSTICS gone = ROW_COUNT;
    PERFORM set_config('timelyrain.forgets', '', true);
    RETURN gone;
END $$;
"""
KEEP = """
DROP FUNCTION forget_sightings(timestamptz, int);
DROP TRIGGER append_only ON origination_sighting;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON origination_sighting FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("origination", "0010_scores")]

    operations = [
        migrations.AddIndex("sighting", models.Index(fields=["at"], name="sighting_at")),
        migrations.RunSQL(FORGET, KEEP),
        migrations.CreateModel(
            name="SightingBackfill",
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
                ("by", models.CharField(max_length=150)),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField()),
                ("after_shard", models.SmallIntegerField(default=-1)),
                ("after_id", models.UUIDField(null=True)),
                ("decisions", models.IntegerField(default=0)),
                ("sightings", models.BigIntegerField(default=0)),
                ("begun_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="WatchRun",
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
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("begun", "waits for the worker"),
                            ("running", "is computed"),
                            ("done", "done"),
                            ("stopped", "stopped"),
                        ],
                        default="running",
                        max_length=7,
                    ),
                ),
                ("deaths", models.SmallIntegerField(default=0)),
                ("last_error", models.TextField(blank=True, default="")),
                ("begun_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("model_sha256", "on"), name="watch_run_once_a_day")
                ]
            },
        ),
    ]
