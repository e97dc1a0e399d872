from django.apps import AppConfig


class CustomersConfig(AppConfig):
    name = "timelyrain.customers"
    label = "customers"
    verbose_name = "Customers"
