"""Reading packaged TOML strictly: every problem of a file is collected and told together."""

import tomllib
from collections.abc import Mapping, Sequence
from datetime import date
from importlib import resources
from typing import Any, cast


class PackInvalid(ValueError):
    """A policy pack cannot be used. `problems` lists every reason with its file and entry."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(problems))


def packaged_bytes(pack: str, name: str) -> bytes:
    """A file of a pack as it is shipped. Raises PackInvalid when there is none."""
    try:
        return (resources.files("timelyrain.policies") / pack / name).read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise PackInvalid([f"policy pack {pack!r} has no file {name}"]) from error


def toml_tables(source: bytes, where: str) -> dict[str, list[dict[str, Any]]]:
    """A TOML file that holds arrays of tables only. Raises PackInvalid."""
    try:
        parsed = tomllib.loads(source.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PackInvalid([f"{where}: {error}"]) from error
    if wrong := [name for name, value in parsed.items() if not _is_tables(value)]:
        raise PackInvalid([f"{where}: {name} must be an array of tables ([[{name}]])" for name in wrong])
    return parsed


class Entry:
    """One table of a file; getters note what is missing or of the wrong type in the shared `problems`."""

    def __init__(self, table: Mapping[str, Any], where: str, problems: list[str]) -> None:
        self.table, self.where, self.problems = table, where, problems
        self.asked: set[str] = set()

    def problem(self, text: str) -> None:
        self.problems.append(f"{self.where}: {text}")

    def _get(self, name: str, kinds: tuple[type, ...], default: Any) -> Any:
        self.asked.add(name)
        value = self.table.get(name, default)
        if value is None:
            self.problem(f"{name} is missing")
        elif type(value) not in kinds and value is not default:
            self.problem(f"{name} = {value!r} must be {' or '.join(k.__name__ for k in kinds)}")
        else:
            return value
        return kinds[0]() if kinds[0] is not date else date.min

    def text(self, name: str, default: str | None = None) -> str:
        return self._get(name, (str,), default)

    def integer(self, name: str, default: int | None = None) -> int:
        return self._get(name, (int,), default)

    def flag(self, name: str, default: bool | None = None) -> bool:
        return self._get(name, (bool,), default)

    def day(self, name: str, default: date | None = None) -> date:
        return self._get(name, (date,), default)

    def optional_day(self, name: str) -> date | None:
        return self.day(name) if name in self.table else None

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(cast("list[str]", self._list(name, str)))

    def integers(self, name: str) -> tuple[int, ...]:
        return tuple(cast("list[int]", self._list(name, int)))

    def _list(self, name: str, kind: type) -> list[Any]:
        values = cast("list[Any]", self._get(name, (list,), None))
        if any(type(value) is not kind for value in values):
            self.problem(f"{name} must hold {kind.__name__} only")
            return []
        return values

    def done(self) -> None:
        """Note names that nobody asked for."""
        for name in self.table.keys() - self.asked:
            self.problem(f"{name} is not a known name")


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in cast("list[object]", value))
