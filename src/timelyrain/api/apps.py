from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "timelyrain.api"
    label = "api"
