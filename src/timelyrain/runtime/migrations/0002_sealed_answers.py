from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runtime", "0001_initial")]

    operations = [
        migrations.RunSQL("DELETE FROM runtime_idempotentrequest", migrations.RunSQL.noop),
        migrations.RemoveField("idempotentrequest", "status"),
        migrations.RemoveField("idempotentrequest", "body"),
        migrations.AddField("idempotentrequest", "answer_sealed", models.BinaryField(null=True)),
    ]
