from django.apps import AppConfig


class BorrowerConfig(AppConfig):
    name = "timelyrain.borrower"
    label = "borrower"
