import django.db.models.deletion
from django.db import migrations, models

import timelyrain.runtime.ids
from timelyrain.runtime import schema


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="IdentityClaim",
            fields=[
                ("id_number_index", models.BinaryField(max_length=32, primary_key=True, serialize=False)),
                ("borrower_id", models.UUIDField()),
            ],
        ),
        migrations.CreateModel(
            name="Borrower",
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
                ("phone_index", models.BinaryField(max_length=32)),
                ("phone_sealed", models.BinaryField()),
                ("name_sealed", models.BinaryField(null=True)),
                ("id_number_index", models.BinaryField(max_length=32, null=True)),
                ("id_number_sealed", models.BinaryField(null=True)),
                ("id_valid_until", models.DateField(null=True)),
                ("bank_card_sealed", models.BinaryField(null=True)),
                ("registered_at", models.DateTimeField()),
                ("profiled_at", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("shard", "phone_index"), name="borrower_phone_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Consent",
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
                ("purpose", models.CharField(max_length=60)),
                ("recipient", models.CharField(max_length=60)),
                ("text_sha256", models.CharField(max_length=64)),
                ("version", models.CharField(max_length=20)),
                ("granted", models.BooleanField()),
                ("channel", models.CharField(max_length=20)),
                ("at", models.DateTimeField()),
                (
                    "borrower",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="customers.borrower",
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="OneTimeCode",
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
                ("phone_index", models.BinaryField(max_length=32)),
                ("purpose", models.CharField(max_length=20)),
                ("subject", models.BinaryField(max_length=32)),
                ("digest", models.BinaryField(max_length=32)),
                ("attempts", models.SmallIntegerField(default=0)),
                ("expires_at", models.DateTimeField()),
                ("created_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(null=True)),
                ("used_for", models.UUIDField(null=True)),
            ],
            options={
                "indexes": [models.Index(fields=["shard", "phone_index", "created_at"], name="code_recent")],
            },
        ),
        migrations.CreateModel(
            name="PersonalDataRead",
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
                ("reader", models.CharField(max_length=80)),
                ("purpose", models.CharField(max_length=80)),
                ("fields", models.CharField(max_length=200)),
                ("at", models.DateTimeField()),
                (
                    "borrower",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="customers.borrower",
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Message",
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
                ("key", models.CharField(max_length=120)),
                ("text", models.TextField()),
                ("at", models.DateTimeField()),
                (
                    "borrower",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="customers.borrower",
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("shard", "key"), name="message_once")],
            },
        ),
        migrations.CreateModel(
            name="Session",
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
                ("token_sha256", models.BinaryField(max_length=32)),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "borrower",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="customers.borrower",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("shard", "token_sha256"), name="session_token_once")
                ],
            },
        ),
        schema.ShardKey("borrower"),
        schema.ShardKey("onetimecode"),
        schema.ShardKey("session"),
        schema.ShardKey("consent"),
        schema.ShardKey("personaldataread"),
        schema.ShardKey("message"),
        schema.ShardReference("session", "borrower_id", "customers_borrower"),
        schema.ShardReference("consent", "borrower_id", "customers_borrower"),
        schema.ShardReference("personaldataread", "borrower_id", "customers_borrower"),
        schema.ShardReference("message", "borrower_id", "customers_borrower"),
        schema.AppendOnly("identityclaim"),
        schema.AppendOnly("consent"),
        schema.AppendOnly("personaldataread"),
        schema.AppendOnly("message"),
    ]
