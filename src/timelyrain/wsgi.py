"""The WSGI application: `granian --interface wsgi timelyrain.wsgi:application`."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "timelyrain.runtime.settings")
application = get_wsgi_application()

from timelyrain.origination.services import warm  # noqa: E402 (its tables are known from here on)

warm()

# What is there by now stays: looking through all of it for garbage would stop the requests for a fifth of a second, every while.
gc.collect()
gc.freeze()
