from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("origination", "0006_explanations")]

    operations = [
        migrations.AddConstraint(
            model_name="decisionrecord",
            constraint=models.UniqueConstraint(
                fields=("shard", "application"), name="one_decision_per_application"
            ),
        ),
    ]
