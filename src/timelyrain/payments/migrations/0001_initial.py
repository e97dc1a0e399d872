from django.db import migrations, models

import timelyrain.runtime.ids
from timelyrain.runtime import schema


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("customers", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="PaymentOrder",
            fields=[
                ("shard", models.SmallIntegerField()),
                (
                    "id",
                    models.UUIDField(
                        default=timelyrain.runtime.ids.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "direction",
                    models.CharField(choices=[("pay_out", "pay-out"), ("debit", "debit")], max_length=10),
                ),
                ("subject", models.UUIDField()),
                ("borrower_id", models.UUIDField()),
                ("amount_fen", models.BigIntegerField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("new", "new"),
                            ("sent", "sent"),
                            ("unknown", "outcome unknown, asking"),
                            ("succeeded", "succeeded"),
                            ("refused", "refused"),
                        ],
                        default="new",
                        max_length=10,
                    ),
                ),
                ("calls", models.SmallIntegerField(default=0)),
                ("queries", models.SmallIntegerField(default=0)),
                ("rail_reference", models.CharField(blank=True, default="", max_length=80)),
                ("refusal", models.CharField(blank=True, default="", max_length=80)),
                ("created_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("shard", "direction", "subject"), name="order_once"),
                    models.CheckConstraint(
                        condition=models.Q(("amount_fen__gt", 0)), name="order_amount_positive"
                    ),
                ],
            },
        ),
        schema.ShardKey("paymentorder"),
        schema.ShardReference("paymentorder", "borrower_id", "customers_borrower"),
    ]
