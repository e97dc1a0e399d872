from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    name = "timelyrain.payments"
    label = "payments"
    verbose_name = "Payments"
