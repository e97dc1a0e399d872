from django.apps import AppConfig


class ServicingConfig(AppConfig):
    name = "timelyrain.servicing"
    label = "servicing"
    verbose_name = "Loans"
