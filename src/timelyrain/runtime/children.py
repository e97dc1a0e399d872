"""Work for processes that were just born and know nothing of Django yet: this module can be imported before it is set up."""

from importlib import import_module
from typing import Any


def call(module: str, function: str, *arguments: Any) -> Any:
    """Set Django up by the environment's settings, once a process, and call a function by its name."""
    import django

    django.setup()
    return getattr(import_module(module), function)(*arguments)
