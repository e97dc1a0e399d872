from django.apps import AppConfig


class OriginationConfig(AppConfig):
    name = "timelyrain.origination"
    label = "origination"
    verbose_name = "Applications"
