from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="Unsealed",
            fields=[("act_id", models.UUIDField(primary_key=True, serialize=False))],
        ),
        migrations.RunSQL(
            "INSERT INTO audit_unsealed SELECT id FROM audit_act a"
            " WHERE NOT EXISTS (SELECT FROM audit_leaf l WHERE l.act_id = a.id)",
            migrations.RunSQL.noop,
        ),
    ]
