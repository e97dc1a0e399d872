"""The identity registry (身份核验): do this name and this number belong together? Here the sandbox's."""

from datetime import datetime

from timelyrain.sources.adapters.document import read
from timelyrain.sources.adapters.exchange import ask
from timelyrain.sources.ports import Extract, RawDocument, Subject


class RegistrySource:
    name = "identity"
    purpose = "identity_check"
    recipient = "identity_registry"

    def __init__(self, base_url: str) -> None:
        self._url = f"{base_url.rstrip('/')}/registry/verify"

    def fetch(self, subject: Subject, consent_id: str, as_of: datetime, timeout: float) -> RawDocument:
        body = {
            "name": subject.name,
            "id_number": subject.id_number,
            "consent_id": consent_id,
            "as_of": as_of.isoformat(),
        }
        return ask(self.name, self._url, body, timeout)

    def parse(self, document: bytes, as_of: datetime) -> Extract:
        return parse_verification(document)


def parse_verification(document: bytes) -> Extract:
    """match -> id_match true; mismatch and not_found -> false."""
    result = read("identity", document).at("result").one_of("match", "mismatch", "not_found")
    return Extract({"id_match": result == "match"}, {})
