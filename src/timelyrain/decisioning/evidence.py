"""What is known about one applicant at one moment: its checks, its canonical bytes. schema.py declares what it may hold."""

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import chain
from typing import cast

import msgspec
import numpy as np
import numpy.typing as npt

from .schema import (
    FACTS,
    LATER_SOURCES,
    MAX_FEN,
    MAX_ROWS,
    MAX_TIME,
    MAX_TOTAL_FEN,
    SOURCES,
    TABLES,
    Field,
    Table,
)
from .wording import Bilingual, Language, Said

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_ENCODER = msgspec.json.Encoder(order="sorted")  # the bytes of `canonical_json` where there are no fractions

MAX_BYTES = 16 * 2**20
MAX_BRACKETS = 1_000
"""Objects and lists in one evidence: the schema needs fewer than a hundred, and their number bounds memory and depth."""
MAX_PROBLEMS = 50


class EvidenceInvalid(Bilingual, ValueError):
    """Evidence was refused. `problems` lists all that was found (at most 50), each with the value and the remedy."""

    def __init__(self, found: tuple[tuple[str, Said], ...]):
        """found: where, and what is wrong there."""
        Exception.__init__(self, found)
        self._found = found

    @property
    def problems(self) -> tuple[str, ...]:
        return self.sentences()

    def sentences(self, language: Language = "en") -> tuple[str, ...]:
        colon, semicolon = (": ", "; ") if language == "en" else ("：", "；")
        return tuple(
            f"{where}{colon if where else ''}{semicolon.join(said.told(language))}"
            for where, said in self._found
        )

    def told(self, language: Language = "en") -> str:
        if language == "zh":
            return "证据被拒绝：" + "；".join(self.sentences("zh"))
        return "evidence refused: " + "; ".join(self.problems)


PLACES: Mapping[str, int] = {name: at for at, name in enumerate(TABLES)}
"""Of a table, among those declared."""


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """Evidence as flat arrays. events int64: column by column, table by table, as declared; columns of table t begin at
    starts[t] and are sizes[t] long. head int64, known bool: facts (0 where missing), then which sources are missing."""

    events: Ints
    starts: Ints
    sizes: Ints
    head: Ints
    known: Bools


@dataclass(frozen=True, eq=False)
class Evidence:
    """facts: code or None when missing. tables: name -> column -> int64[rows], oldest first. missing: sources."""

    as_of: int
    facts: Mapping[str, int | None]
    tables: Mapping[str, Mapping[str, Ints]]
    missing: tuple[str, ...]

    @cached_property
    def canonical(self) -> bytes:
        """See `canonical_bytes`."""
        facts = {name: decode(field, self.facts[name]) for name, field in FACTS.items()}
        events: dict[str, dict[str, list[int] | list[str]]] = {name: {} for name in TABLES}
        for (table, column, field), values in zip(_COLUMNS, self._lists(), strict=True):
            names = field.values
            events[table][column] = [names[code] for code in values] if field.kind == "enum" else values
        return _ENCODER.encode(
            {"as_of": self.as_of, "facts": facts, "events": events, "missing": self.missing}
        )

    def _lists(self) -> Iterator[list[int]]:
        """Every column, as declared."""
        packed, end = self.packed, 0
        values: list[int] = packed.events.tolist()
        for (_, table), size in zip(TABLES.items(), packed.sizes.tolist(), strict=True):
            for _ in table.columns:
                begin, end = end, end + size
                yield values[begin:end]

    @cached_property
    def sha256(self) -> str:
        """Hash of the canonical bytes, taken once."""
        return hashlib.sha256(self.canonical).hexdigest()

    @cached_property
    def packed(self) -> Packed:
        """What features are made of; made where evidence is read."""
        sizes = np.array([len(self.tables[name]["at"]) for name in TABLES], np.int64)
        codes = [self.facts[name] for name in FACTS]
        head = [*(code or 0 for code in codes), *(source in self.missing for source in SOURCES)]
        known = [*(code is not None for code in codes), *(True for _ in SOURCES)]
        starts = np.concatenate([[0], np.cumsum(sizes * _WIDTHS)[:-1]])
        events = np.concatenate([self.tables[table][column] for table, column, _ in _COLUMNS])
        return Packed(events, starts, sizes, np.array(head, np.int64), np.array(known))


def evidence_from_json(data: bytes | Mapping[str, object]) -> Evidence:
    """Check and encode evidence in the shape of docs/architecture.md.

    A fact that is absent or null is missing; a table may be absent only when its source is listed in `missing`, or by
    the rules for later additions (schema.py). Raises EvidenceInvalid with every problem: wrong types, unknown names or enum
    values, future dates, events out of order, absurd sizes, data from a source that is said to be missing.
    """
    return _Reading().whole(_load(data) if isinstance(data, bytes) else data)


def canonical_bytes(evidence: Evidence) -> bytes:
    """The evidence as canonical JSON: sorted keys, no spaces, UTF-8, every declared fact and table present; made once."""
    return evidence.canonical


def canonical_json(value: object) -> bytes:
    """JSON with sorted keys, no spaces and no NaN: equal values give equal bytes."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def decode(field: Field, code: int | None) -> int | bool | str | None:
    """The value as people write it: enum by name, flag as bool."""
    if code is None:
        return None
    return field.values[code] if field.kind == "enum" else bool(code) if field.kind == "bool" else code


def _load(data: bytes) -> Mapping[str, object]:
    if len(data) > MAX_BYTES:
        raise _refused("evidence_bytes", found=len(data), most=MAX_BYTES)
    if (found := data.count(b"[") + data.count(b"{")) > MAX_BRACKETS:
        raise _refused("evidence_brackets", found=found, most=MAX_BRACKETS)
    try:
        value = json.loads(data, parse_constant=_no_constant, object_pairs_hook=_no_twins)
    except (ValueError, RecursionError) as error:
        raise _refused("evidence_no_json", said=str(error)) from None
    if not isinstance(value, dict):
        raise _refused("evidence_top", value=_show(value))
    return cast(dict[str, object], value)


def _refused(slug: str, **values: object) -> EvidenceInvalid:
    """For what is wrong with the whole."""
    return EvidenceInvalid((("", Said(slug, values)),))


def _no_constant(text: str) -> object:
    raise ValueError(f"{text} is not a value; write null for missing")


def _no_twins(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


class _Reading:
    """One pass over raw evidence, collecting problems."""

    def __init__(self) -> None:
        self.problems: list[tuple[str, Said]] = []

    def whole(self, raw: Mapping[str, object]) -> Evidence:
        self._only(raw, ("as_of", "facts", "events", "missing"), "top")
        as_of = self._code(Field("int", high=MAX_TIME), raw.get("as_of"), "as_of") or 0
        raw_facts = self._object(raw.get("facts"), "facts")
        self._only(raw_facts, FACTS, "facts")
        raw_events = self._object(raw.get("events"), "events")
        self._only(raw_events, TABLES, "events")
        silent = (source for source in LATER_SOURCES if not _speaks(source, raw_facts, raw_events))
        missing = self._missing(raw.get("missing", []), silent)
        facts = {name: self._fact(name, raw_facts.get(name), missing) for name in FACTS}
        lists = {name: self._table(name, raw_events.get(name), missing) for name in TABLES}
        tables = self._arrays(lists, as_of)
        if self.problems:
            raise EvidenceInvalid(tuple(self.problems[:MAX_PROBLEMS]))
        evidence = Evidence(as_of, facts, tables, missing)
        _ = evidence.packed
        return evidence

    def _say(self, where: str, slug: str, **values: object) -> None:
        self.problems.append((where, Said(slug, values)))

    def _only(
        self, raw: Mapping[str, object], known: Mapping[str, object] | tuple[str, ...], where: str
    ) -> None:
        for name in raw:
            if len(self.problems) >= MAX_PROBLEMS:
                return
            if name not in known:
                self._say(where, "evidence_unknown", name=str(name)[:40], known=tuple(known))

    def _object(self, raw: object, where: str) -> Mapping[str, object]:
        if isinstance(raw, Mapping):
            return cast(Mapping[str, object], raw)
        self._say(where, "evidence_no_object", value=_show(raw))
        return {}

    def _missing(self, raw: object, silent: Iterable[str]) -> tuple[str, ...]:
        names = _list(raw)
        if names is None or any(name not in SOURCES for name in names):
            self._say("missing", "evidence_no_sources", value=_show(raw), known=SOURCES)
            return ()
        return tuple(sorted({str(name) for name in names}.union(silent)))

    def _fact(self, name: str, raw: object, missing: tuple[str, ...]) -> int | None:
        if raw is None:
            return None
        source = FACTS[name].source
        if source in missing:
            self._say(f"facts.{name}", "evidence_silent_fact", value=_show(raw), source=source)
        return self._code(FACTS[name], raw, f"facts.{name}")

    def _code(self, field: Field, raw: object, where: str) -> int | None:
        if field.kind == "enum":
            if isinstance(raw, str) and raw in field.values:
                return field.values.index(raw)
            self._say(where, "evidence_no_choice", value=_show(raw), known=field.values)
        elif field.kind == "bool":
            if isinstance(raw, bool):
                return int(raw)
            self._say(where, "evidence_no_flag", value=_show(raw))
        elif type(raw) is not int:
            self._say(where, "evidence_no_integer", value=_show(raw), low=field.low, high=field.high)
        elif not field.low <= raw <= field.high:
            self._say(where, "evidence_range", value=_show(raw), low=field.low, high=field.high)
        else:
            return raw
        return None

    def _table(self, name: str, raw: object, missing: tuple[str, ...]) -> Mapping[str, list[object]]:
        """Its columns, all as long as each other; their values are not looked at."""
        table, where = TABLES[name], f"events.{name}"
        nothing: dict[str, list[object]] = {column: [] for column in table.columns}
        if raw is None:
            if table.source not in missing and not table.later:
                self._say(where, "evidence_no_table", source=table.source)
            return nothing
        columns = self._object(raw, where)
        self._only(columns, table.columns, where)
        lists: dict[str, list[object]] = {}
        needed = {name: f for name, f in table.columns.items() if name in columns or not f.later}
        for column in needed:
            values = _list(columns.get(column))
            if values is not None:
                lists[column] = values
            else:
                self._say(f"{where}.{column}", "evidence_no_list", value=_show(columns.get(column)))
        lengths = {len(values) for values in lists.values()}
        if len(lists) < len(needed):
            return nothing
        if len(lengths) > 1:
            self._say(where, "evidence_lengths", lengths=sorted(lengths))
            return nothing
        if max(lengths) > MAX_ROWS:
            self._say(where, "evidence_rows", found=max(lengths), most=MAX_ROWS)
            return nothing
        if max(lengths) and table.source in missing:
            self._say(where, "evidence_silent_rows", source=table.source)
        absent: list[object] = [0] * max(lengths)
        return {column: lists.get(column, absent) for column in table.columns}

    def _arrays(
        self, lists: Mapping[str, Mapping[str, list[object]]], as_of: int
    ) -> dict[str, dict[str, Ints]]:
        """All columns as numbers: in one sweep, and where a value of them is wrong one by one, to say which."""
        raw = [lists[table][column] for table, column, _ in _COLUMNS]
        found = _at_once(raw) or [
            self._column(field, values, f"events.{table}.{column}")
            for (table, column, field), values in zip(_COLUMNS, raw, strict=True)
        ]
        tables: dict[str, dict[str, Ints]] = {name: {} for name in TABLES}
        for (table, column, _), values in zip(_COLUMNS, found, strict=True):
            if values is not None:
                tables[table][column] = values
        for name, arrays in tables.items():
            if len(arrays) == len(TABLES[name].columns):
                self._times(arrays, as_of, f"events.{name}")
        return tables

    def _column(self, field: Field, raw: list[object], where: str) -> Ints | None:
        if field.kind == "enum":
            codes = _codes(field.values)
            if not {*map(type, raw)} <= {str} or not {*raw} <= codes.keys():
                bad = [v for v in raw if not isinstance(v, str) or v not in codes]
                if bad:
                    self._say(where, "evidence_no_choice", value=_show(bad[0]), known=field.values)
                    return None
            return np.array([codes[v] for v in cast(list[str], raw)], np.int64)
        if not {*map(type, raw)} <= {int}:
            odd = next(i for i, v in enumerate(raw) if type(v) is not int)
            self._say(
                f"{where}[{odd}]",
                "evidence_no_integer",
                value=_show(raw[odd]),
                low=field.low,
                high=field.high,
            )
            return None
        numbers = cast(list[int], raw)
        if numbers and not (field.low <= min(numbers) and max(numbers) <= field.high):
            odd = next(i for i, v in enumerate(numbers) if not field.low <= v <= field.high)
            self._say(
                f"{where}[{odd}]", "evidence_range", value=_show(numbers[odd]), low=field.low, high=field.high
            )
            return None
        values = np.array(numbers, np.int64)
        if field.unit == "fen" and int(np.abs(values).sum()) > MAX_TOTAL_FEN:
            self._say(where, "evidence_total", most=MAX_TOTAL_FEN)
            return None
        return values

    def _times(self, arrays: Mapping[str, Ints], as_of: int, where: str) -> None:
        at = arrays["at"]
        if not len(at):
            return
        if (at[1:] < at[:-1]).any():
            row = int(np.argmax(at[1:] < at[:-1])) + 1
            self._say(f"{where}.at[{row}]", "evidence_order", value=int(at[row]))
        elif int(at[-1]) > as_of:
            self._say(f"{where}.at[{len(at) - 1}]", "evidence_future", value=int(at[-1]), as_of=as_of)
        closed = arrays.get("closed")
        if closed is not None and ((closed > as_of) | ((closed > 0) & (closed < at))).any():
            self._say(f"{where}.closed", "evidence_closed")


def _speaks(source: str, facts: Mapping[str, object], events: Mapping[str, object]) -> bool:
    """Is anything of this source there?"""
    return any(
        FACTS[name].source == source for name, value in facts.items() if name in FACTS and value is not None
    ) or any(
        TABLES[name].source == source
        for name, value in events.items()
        if name in TABLES and value is not None
    )


_COLUMNS = [
    (name, column, field) for name, table in TABLES.items() for column, field in table.columns.items()
]
_WIDTHS = [len(table.columns) for table in TABLES.values()]
_LOWS = np.array([0 if field.kind == "enum" else field.low for _, _, field in _COLUMNS], np.int64)
_HIGHS = np.array([len(field.values) if field.kind == "enum" else field.high for _, _, field in _COLUMNS])
_OF_MONEY = np.array([field.unit == "fen" for _, _, field in _COLUMNS])


def _at_once(raw: Sequence[list[object]]) -> list[Ints] | None:
    """Every column as numbers; None where any value is not what its field takes."""
    try:
        coded = [
            list(map(_codes(field.values).__getitem__, cast(list[str], values)))
            if field.kind == "enum"
            else values
            for (_, _, field), values in zip(_COLUMNS, raw, strict=True)
        ]
        flat = msgspec.convert(list(chain.from_iterable(coded)), list[int])
        numbers = np.frombuffer(bytearray(struct.pack(f"{len(flat)}q", *flat)), np.int64)
    except (KeyError, TypeError, msgspec.ValidationError, struct.error):
        return None  # an unknown name, a value that is no name or no integer, a huge one
    sizes = np.array([len(values) for values in coded])
    if (numbers < _LOWS.repeat(sizes)).any() or (numbers > _HIGHS.repeat(sizes)).any():
        return None
    ends = sizes.cumsum()
    sums = np.concatenate([[0], np.abs(numbers).cumsum()])
    if (_OF_MONEY & (sums[ends] - sums[ends - sizes] > MAX_TOTAL_FEN)).any():
        return None
    return [numbers[end - size : end] for end, size in zip(ends.tolist(), sizes.tolist(), strict=True)]


@cache
def _codes(values: tuple[str, ...]) -> Mapping[str, int]:
    return {value: code for code, value in enumerate(values)}


def _list(value: object) -> list[object] | None:
    return cast(list[object], value) if isinstance(value, list) else None


def _show(value: object) -> str:
    text = repr(value) if isinstance(value, (str, bool, float, type(None))) else ""
    if type(value) is int:
        text = repr(value) if value.bit_length() < 128 else "a huge integer"
    return text[:60] or f"a {type(value).__name__}"


__all__ = [
    "FACTS",
    "MAX_FEN",
    "MAX_ROWS",
    "MAX_TOTAL_FEN",
    "PLACES",
    "SOURCES",
    "TABLES",
    "Bools",
    "Evidence",
    "EvidenceInvalid",
    "Field",
    "Ints",
    "Table",
    "canonical_bytes",
    "canonical_json",
    "decode",
    "evidence_from_json",
]
