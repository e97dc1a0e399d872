from typing import Protocol


class SmsGateway(Protocol):
    """Sends a text to a phone. The same key never sends twice."""

    def send(self, phone: str, text: str, key: str) -> None: ...
