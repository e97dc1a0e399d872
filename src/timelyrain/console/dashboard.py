"""The first page: the tiles that the rooms offer, for what this person may see, under the business date."""

from typing import Any

from django.http import HttpRequest

from timelyrain.runtime import clock, panels
from timelyrain.runtime.glossary import words


def context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    shown = [panels.visible(request, tile) for tile in panels.tiles(request)]
    return context | {"title": words("总览", "Overview"), "today": clock.today(), "panels": shown}
