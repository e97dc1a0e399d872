"""Bad terms are told all at once: each problem is a value, and one exception carries them together."""

from collections.abc import Iterable
from typing import NamedTuple


class TermsProblem(NamedTuple):
    """One thing wrong: the field, the value it had, and what would be right."""

    field: str
    value: object
    remedy: str

    def __str__(self) -> str:
        return f"{self.field}={self.value!r}: {self.remedy}"


class TermsInvalid(ValueError):
    """Terms that cannot be computed with. `problems` lists every one, never only the first."""

    def __init__(self, problems: Iterable[TermsProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))
