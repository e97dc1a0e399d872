from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "timelyrain.audit"
    label = "audit"
    verbose_name = "Audit"
