"""The sandbox's SMS gateway."""

import httpx
from django.conf import settings

from timelyrain.runtime.problems import Unavailable


class SandboxSms:
    def __init__(self) -> None:
        self._client = httpx.Client(base_url=settings.SANDBOX_URL, timeout=settings.OUTSIDE_TIMEOUT_SECONDS)

    def send(self, phone: str, text: str, key: str) -> None:
        try:
            self._client.post("/sms", json={"phone": phone, "text": text, "key": key}).raise_for_status()
        except httpx.HTTPError as error:
            raise Unavailable(
                "The text message could not be sent.", remedy="Ask for it again in a minute."
            ) from error
