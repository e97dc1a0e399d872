"""What several providers have in common: one question about a person, asked with the consent it rests on."""

from datetime import datetime

from timelyrain.sources.ports import Question, Subject


class PersonSource:
    """A provider that knows people by phone and identity number. path: where it is asked."""

    name: str
    purpose: str
    recipient: str
    path: str

    def __init__(self, base_url: str) -> None:
        self._url = f"{base_url.rstrip('/')}{self.path}"

    def question(self, subject: Subject, consent_id: str, as_of: datetime) -> Question:
        body = {
            "phone": subject.phone,
            "id_number": subject.id_number,
            "consent_id": consent_id,
            "as_of": as_of.isoformat(),
        }
        return Question(self.name, self._url, body)
