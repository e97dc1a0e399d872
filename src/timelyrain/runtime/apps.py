from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.module_loading import autodiscover_modules


class RuntimeConfig(AppConfig):
    name = "timelyrain.runtime"
    label = "runtime"
    verbose_name = "Runtime"

    def ready(self) -> None:
        from timelyrain.runtime.schema import grant_application_role

        post_migrate.connect(grant_application_role, sender=self)
        autodiscover_modules("jobs")  # each room registers its saga steps and scheduled work
