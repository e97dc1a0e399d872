"""What came of one case."""

from typing import NamedTuple


class Outcome(NamedTuple):
    """A case that was compared. `differences`: what is not as published, in words; none when all of it is."""

    id: str
    differences: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.differences


class SuiteUnreadable(ValueError):
    """A file that does not have the suite's format."""
