"""The identity registry (身份核验): do this name and this number belong together? Here the sandbox's."""

from datetime import datetime
from typing import Literal

import msgspec

from timelyrain.sources.adapters.document import reader
from timelyrain.sources.ports import Extract, Question, Subject


class RegistrySource:
    name = "identity"
    purpose = "identity_check"
    recipient = "identity_registry"

    def __init__(self, base_url: str) -> None:
        self._url = f"{base_url.rstrip('/')}/registry/verify"

    def question(self, subject: Subject, consent_id: str, as_of: datetime) -> Question:
        body = {
            "name": subject.name,
            "id_number": subject.id_number,
            "consent_id": consent_id,
            "as_of": as_of.isoformat(),
        }
        return Question(self.name, self._url, body)

    def parse(self, document: bytes, as_of: datetime) -> Extract:
        return parse_verification(document)


class _Verification(msgspec.Struct):
    result: Literal["match", "mismatch", "not_found"]


_read = reader("identity", _Verification)


def parse_verification(document: bytes) -> Extract:
    """match -> id_match true; mismatch and not_found -> false."""
    return Extract({"id_match": _read(document).result == "match"}, {})
