from django.apps import AppConfig
from django.conf import settings


class ConsoleConfig(AppConfig):
    name = "timelyrain.console"
    label = "console"
    verbose_name = "Console"

    def ready(self) -> None:
        from timelyrain.console.unfold import UNFOLD

        # The settings belong to a lower room, which may not know this face; unfold reads its part at each request.
        settings.UNFOLD = UNFOLD
