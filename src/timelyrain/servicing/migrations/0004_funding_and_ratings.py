"""Who funds a loan, how it was rated, and both in its columns."""

import datetime

import django.db.models.deletion
from django.db import migrations, models

from timelyrain.runtime import schema


class Migration(migrations.Migration):
    dependencies = [
        ("servicing", "0003_acts"),
    ]

    operations = [
        migrations.CreateModel(
            name="FundingArrangement",
            fields=[
                ("number", models.IntegerField(primary_key=True, serialize=False)),
                ("product", models.CharField(max_length=60)),
                ("from_on", models.DateField()),
                ("parts", models.JSONField()),
                ("agreed_by", models.CharField(max_length=150)),
                ("agreed_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="FundingPartner",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=80, unique=True)),
                ("admitted_on", models.DateField()),
                ("admitted_until", models.DateField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="LoanRating",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "shard",
                        "loan_id",
                        "on",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("shard", models.SmallIntegerField()),
                ("loan_id", models.UUIDField()),
                ("on", models.DateField()),
                ("pd_ppm", models.IntegerField()),
                ("source", models.CharField(max_length=80)),
                ("at", models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name="accruing",
            name="arrangement",
            field=models.IntegerField(db_default=0),
        ),
        migrations.AddField(
            model_name="accruing",
            name="last_due_on",
            field=models.DateField(db_default=datetime.date(9999, 12, 31)),
        ),
        migrations.AddField(
            model_name="accruing",
            name="pd_origin_ppm",
            field=models.IntegerField(db_default=0),
        ),
        migrations.AddField(
            model_name="accruing",
            name="pd_ppm",
            field=models.IntegerField(db_default=0),
        ),
        migrations.AddField(
            model_name="accruing",
            name="product",
            field=models.BigIntegerField(db_default=0),
        ),
        migrations.CreateModel(
            name="LoanFunding",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "shard", "loan_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("shard", models.SmallIntegerField()),
                ("loan_id", models.UUIDField()),
                (
                    "arrangement",
                    models.ForeignKey(
                        db_column="arrangement",
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        to="servicing.fundingarrangement",
                    ),
                ),
            ],
        ),
        schema.AppendOnly("fundingarrangement"),
        schema.AppendOnly("loanfunding"),
        schema.AppendOnly("loanrating"),
    ]
