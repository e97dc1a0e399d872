from django.apps import AppConfig


class SourcesConfig(AppConfig):
    name = "timelyrain.sources"
    label = "sources"
    verbose_name = "Sources"
