"""What is asked for and approved with funding partners."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("servicing", "0004_funding_and_ratings"),
    ]

    operations = [
        migrations.CreateModel(
            name="FundingAct",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("kind", models.CharField(max_length=8)),
                ("data", models.JSONField()),
                ("reference", models.CharField(blank=True, default="", max_length=160)),
                ("reason", models.TextField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "waits for a second person"),
                            ("offered", "waits for the borrower"),
                            ("moving", "money on its way"),
                            ("done", "done"),
                            ("rejected", "not approved"),
                            ("failed", "the bank refused"),
                        ],
                        default="waiting",
                        max_length=8,
                    ),
                ),
                ("requested_by", models.CharField(max_length=150)),
                ("requested_at", models.DateTimeField()),
                ("decided_by", models.CharField(blank=True, default="", max_length=150)),
                ("decided_at", models.DateTimeField(null=True)),
                ("note", models.TextField(blank=True, default="")),
            ],
        ),
        migrations.AddConstraint(
            model_name="fundingact",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state", "rejected"),
                    models.Q(("decided_by", models.F("requested_by")), _negated=True),
                    _connector="OR",
                ),
                name="funding_decided_by_another",
            ),
        ),
        migrations.AddConstraint(
            model_name="fundingact",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    models.Q(("reference", ""), _negated=True), models.Q(("state", "rejected"), _negated=True)
                ),
                fields=("reference",),
                name="partner_money_once",
            ),
        ),
    ]
