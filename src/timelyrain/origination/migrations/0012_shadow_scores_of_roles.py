from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("origination", "0011_sightings_and_watch_runs")]

    operations = [
        migrations.AddField("shadowscore", "score_ppm", models.IntegerField(null=True)),
        migrations.AddField("shadowscore", "decided_score_ppm", models.IntegerField(null=True)),
        migrations.AddField("shadowscore", "velocities", models.JSONField(default=dict)),
    ]
