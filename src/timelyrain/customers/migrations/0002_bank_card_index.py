from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from timelyrain.customers.sealing import unseal
from timelyrain.runtime.crypto import blind_index


def index_cards(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """Cards kept before: a list of cards finds them too."""
    borrowers = apps.get_model("customers", "Borrower").objects.using(editor.connection.alias)
    for borrower in borrowers.exclude(bank_card_sealed=None).iterator():
        card = unseal("bank_card", borrower.id, borrower.bank_card_sealed)
        borrowers.filter(shard=borrower.shard, id=borrower.id).update(
            bank_card_index=blind_index("card", card)
        )


class Migration(migrations.Migration):
    dependencies = [("customers", "0001_initial")]

    operations = [
        migrations.AddField("borrower", "bank_card_index", models.BinaryField(max_length=32, null=True)),
        migrations.RunPython(index_cards, migrations.RunPython.noop),
    ]
