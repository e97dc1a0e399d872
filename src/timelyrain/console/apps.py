from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "timelyrain.console"
    label = "console"
    verbose_name = "Console"
