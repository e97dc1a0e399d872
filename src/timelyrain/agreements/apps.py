from django.apps import AppConfig


class AgreementsConfig(AppConfig):
    name = "timelyrain.agreements"
    label = "agreements"
    verbose_name = "Agreements"
