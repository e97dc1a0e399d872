from django.apps import AppConfig


class LedgerConfig(AppConfig):
    name = "timelyrain.ledger"
    label = "ledger"
    verbose_name = "Books"
