from importlib import resources

import django.contrib.postgres.indexes
from django.db import migrations, models

from timelyrain.runtime import schema

_SQL = resources.files("timelyrain.ledger").joinpath("sql")


class Migration(migrations.Migration):
    dependencies = [("ledger", "0004_chart_of_partners_and_sales")]

    operations = [
        migrations.RemoveConstraint("account", "account_once"),
        migrations.AddConstraint(
            "account",
            models.UniqueConstraint(fields=("shard", "owner", "code"), name="account_once"),
        ),
        migrations.RemoveIndex("entry", "entry_of_account"),
        migrations.AddIndex(
            "entry",
            django.contrib.postgres.indexes.BrinIndex(
                autosummarize=True,
                fields=["account"],
                name="entry_of_account",
                opclasses=["uuid_bloom_ops"],
                pages_per_range=32,
            ),
        ),
        migrations.RunSQL(_SQL.joinpath("post.sql").read_text()),
        migrations.RunSQL(_SQL.joinpath("months.sql").read_text()),
        migrations.RunSQL(_SQL.joinpath("days.sql").read_text()),
        schema.AppendOnly("loanday"),
    ]
