from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="paymentorder",
            name="payee_sealed",
            field=models.BinaryField(null=True),
        ),
    ]
