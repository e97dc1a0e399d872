from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("servicing", "0001_initial"), ("ledger", "0003_loan_days")]

    operations = [
        migrations.AlterField("loan", "status", models.CharField(max_length=12)),
        migrations.CreateModel(
            name="Accruing",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "shard", "loan_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("shard", models.SmallIntegerField()),
                ("loan_id", models.UUIDField()),
                ("opened_on", models.DateField()),
                ("from_on", models.DateField()),
                ("until_on", models.DateField()),
                ("fallen_on", models.DateField()),
                ("next_due_on", models.DateField()),
                ("late_since", models.DateField()),
                ("interest_fen", models.BigIntegerField()),
                ("interest_start", models.DateField()),
                ("interest_at_start", models.BigIntegerField()),
                ("interest_a_day", models.BigIntegerField()),
                ("interest_per", models.BigIntegerField()),
                ("rounding", models.SmallIntegerField()),
                ("penalty_fen", models.BigIntegerField()),
                ("penalties", models.SmallIntegerField()),
                ("owed_fen", models.BigIntegerField()),
                ("paid_fen", models.BigIntegerField()),
                ("surplus_fen", models.BigIntegerField()),
                ("suspended", models.BooleanField()),
                ("settled", models.BooleanField()),
                ("interest_charge_id", models.UUIDField()),
                ("penalty_charge_id", models.UUIDField()),
            ],
        ),
        migrations.CreateModel(
            name="PenaltyLine",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "shard",
                        "loan_id",
                        "line",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("shard", models.SmallIntegerField()),
                ("loan_id", models.UUIDField()),
                ("line", models.SmallIntegerField()),
                ("start_on", models.DateField()),
                ("at_start", models.BigIntegerField()),
                ("a_day", models.BigIntegerField()),
                ("per", models.BigIntegerField()),
            ],
        ),
    ]
