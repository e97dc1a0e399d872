"""Rules of a JDM decision table -> rows of ours, each cell at its place in the document."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import cast

from .checks import domain
from .jdm import OURS, Json, Report, an_object, text_of
from .jdm_conditions import Box, Conditions, meet, named
from .language import Type
from .schema import MAX_FEN
from .tables import COLLECTED, unit_of
from .unary import Test, Unreadable, our_cells, read_output, read_unary, zen_cell, zen_output
from .wording import Said

MAX_SPLIT = 64
"""Rows of ours that one rule may become."""


@dataclass(frozen=True, slots=True)
class Column:
    """key and source: name and expression in our table; field and place: as the document calls it.

    id: '' for a field that only conditions name.
    """

    id: str
    field: str
    key: str
    source: str
    kind: Type
    scale: int
    place: str


@dataclass(frozen=True, slots=True)
class Output:
    id: str
    key: str
    scale: int
    place: str


class RuleReader:
    """Reads cell after cell; what cannot be read is reported and left out."""

    def __init__(self, report: Report):
        self.report = report
        self.kinds: dict[str, set[str]] = {}  # output -> kinds of what the document gives

    def read(
        self,
        place: Said,
        rules: list[Json],
        columns: list[Column],
        outs: list[Output],
        hit: str,
        conditions: Sequence[tuple[str, str]] = (),
    ) -> list[Json]:
        """conditions: id and name of the columns without a field."""
        reader = Conditions({c.field: c.kind for c in columns}, {c.field: c.scale for c in columns})
        rows: list[Json] = []
        for i, rule in enumerate(rules):
            named = text_of(rule.get("_id"))[:40] or str(i + 1)
            where = Said("at_rule", {"at": place, "rule": named, "row": i + 1})
            original = _embedded(rule)
            read = {out.key: self._output(place, where, rule, out, original, hit) for out in outs}
            given = {key: value for key, value in read.items() if value is not None}
            cells = [
                self._cells(place, Said("at_column", {"at": where, "column": c.place}), rule, c, original)
                for c in columns
            ]
            boxes = self._boxes(where, rule, conditions, columns, reader)
            if boxes is None or any(cell is None for cell in cells):
                continue
            plain = [cast(list[object], cell) for cell in cells]
            split = [
                [
                    _within(rule, c, box[c.field]) if c.field in box else way
                    for c, way in zip(columns, plain, strict=True)
                ]
                for box in boxes
            ]
            count = sum(prod(len(way) for way in ways) for ways in split)
            if count > MAX_SPLIT:
                self.report.refuse(where, "jdm_split", rows=count)
            elif not count:
                self.report.differ(where, "jdm_fits_nothing")
            else:
                if count > 1:
                    self.report.keep(where, "jdm_rows_made", rows=count)
                for cell in (cell for ways in split for cell in product(*ways)):
                    filled = {c.key: v for c, v in zip(columns, cell, strict=True) if v != ""}
                    rows.append({**filled, **given})
        if not rows and not self.report.refused:
            self.report.refuse(place, "jdm_no_rule_fits")
        return rows

    def _boxes(
        self,
        row: Said,
        rule: Json,
        conditions: Sequence[tuple[str, str]],
        columns: list[Column],
        reader: Conditions,
    ) -> list[Box] | None:
        """Where all conditions of a rule hold, and cells that name other fields; None after a refusal."""
        found: list[Box] | None = [{}]
        mixed = [(c.id, c.place, c.field) for c in columns if c.id and named(text_of(rule.get(c.id)), True)]
        for id_, place, own in [*((id_, name, "") for id_, name in conditions), *mixed]:
            where = Said("at_column", {"at": row, "column": place})
            text = self._text(where, rule, id_)
            if not text:
                found = None if text is None else found
                continue
            try:
                boxes = reader.read(text, own)
                found = found and [
                    box for a in found for b in boxes if (box := reader.both(a, b)) is not None
                ]
                if found and len(found) > MAX_SPLIT:
                    raise Unreadable("jdm_split", rows=len(found))
            except Unreadable as error:
                self._refuse(where, text, error)
                found = None
        return found

    def _text(self, where: Said, rule: Json, id_: str) -> str | None:
        """A cell as written, '' for any value; None after a refusal."""
        raw = rule.get(id_, "") if id_ else ""
        if not isinstance(raw, str):
            self.report.refuse(where, "jdm_no_cell", value=raw)
            return None
        text = raw.strip()
        if text == "-":
            self.report.differ(where, "jdm_dash")
            return ""
        return text

    def _refuse(self, where: Said, text: str, error: Unreadable) -> None:
        named = text[:60] in error.said.what
        said = error.said if named else Said("jdm_in_cell", {"text": text, "said": error.said})
        self.report.tell("refused", where, said)

    def _cells(
        self, place: Said, where: Said, rule: Json, column: Column, original: Json
    ) -> list[object] | None:
        text = self._text(where, rule, column.id)
        if text is None:
            return None
        if not text or named(text, True):
            return [original[column.key] if original.get(column.key) == "-" else ""]
        before = original.get(column.key)
        try:
            if before is not None and column.scale == 1 and zen_cell(before, column.kind) == text:
                return [before]
            test = read_unary(text, column.kind, column.scale)
            if column.kind.unit == "date" and "(" in text and "'" in text.replace('"', "'"):
                self.report.differ(Said("at_column", {"at": place, "column": column.place}), "jdm_date")
            if "," in text and test.spans == (domain(column.kind),):
                self.report.keep(where, "jdm_comma", text=text)
            return cast(list[object], our_cells(test, column.kind))
        except Unreadable as error:
            self._refuse(where, text, error)
            return None

    def _output(
        self, place: Said, row: Said, rule: Json, out: Output, original: Json, hit: str
    ) -> int | str | None:
        """None where a rule gives none."""
        where = Said("at_output", {"at": row, "output": out.place})
        raw, before = rule.get(out.id, ""), original.get(out.key)
        try:
            if not isinstance(raw, str):
                raise Unreadable("unary_output_form", value=raw)
            if before is not None and out.scale == 1 and zen_output(before) == raw.strip():
                return cast("int | str", before)
            if not raw.strip() and hit not in ("max", "min"):
                if hit == "sum":
                    self.report.differ(
                        Said("at_output", {"at": place, "output": out.place}), "jdm_sum_of_some"
                    )
                return {"sum": 0, "count": 1}.get(hit)
            kind, value = read_output(raw, out.scale)
        except Unreadable as error:
            self.report.tell("refused", where, error.said)
            return 0
        self.kinds.setdefault(out.key, set()).add(kind)
        if kind == "flag":
            self.report.differ(Said("at_output", {"at": place, "output": out.place}), "jdm_flag")
        if kind == "text" and hit == "count":
            return 1
        if kind == "text" and hit in COLLECTED:
            self.report.refuse(where, "jdm_text_collected", value=value, hit=hit)
        if isinstance(value, int) and abs(value) > MAX_FEN:
            self.report.refuse(where, "jdm_over", value=value, most=MAX_FEN)
        return value


def _within(rule: Json, column: Column, test: Test) -> list[object]:
    """The cells of a rule that also has to fit a condition; they have been read before."""
    text = text_of(rule.get(column.id)).strip() if column.id else ""
    if text not in ("", "-") and not named(text, True):
        test = meet(read_unary(text, column.kind, column.scale), test)
    return cast(list[object], our_cells(test, column.kind))


def _embedded(rule: Json) -> Json:
    """Cells as they were written before an export, if any."""
    text = text_of(rule.get(f"_{OURS}"))
    if not text or len(text) > 10_000:
        return {}
    try:
        found = an_object(json.loads(text))
    except (ValueError, RecursionError):
        return {}
    return {key: v for key, v in found.items() if isinstance(v, (str, int)) and len(str(v)[:300]) < 300}


def conditions_of(inputs: list[Json]) -> list[tuple[str, str]]:
    """Id and name of columns without a field."""
    found = [
        (text_of(raw.get("id")), text_of(raw.get("name")))
        for raw in inputs
        if not text_of(raw.get("field")).strip()
    ]
    return [(id_, name[:60] or id_) for id_, name in found]


def named_by(rules: list[Json], id_: str, compared: bool) -> list[str]:
    """Fields that the cells of a column name."""
    texts = dict.fromkeys(text_of(rule.get(id_)) for rule in rules)
    return list(dict.fromkeys(path for text in texts for path in named(text, compared)))


def output_kind(rows: Sequence[Json], out: Output) -> Type:
    values = list(dict.fromkeys(row[out.key] for row in rows if out.key in row))
    texts = tuple(value for value in values if isinstance(value, str))
    return Type("enum", values=texts) if texts else Type("int", unit_of(out.key), -MAX_FEN, MAX_FEN)


def sparse_rows(rows: Sequence[Json], key: str) -> list[Json]:
    """Rows of a table over the number of the row that fits, for an output that only some rows give."""
    found: dict[object, list[str]] = {}
    for i, row in enumerate(rows):
        if key in row:
            found.setdefault(row[key], []).append(str(i + 1))
    return [{"row": ", ".join(numbers), key: value} for value, numbers in found.items()]


def step_rows(rows: Sequence[Json], columns: Sequence[Column]) -> list[Json]:
    """Rows of a table in steps (`below`); empty when they no longer are steps."""
    found: list[Json] = []
    for row in rows:
        limit = re.fullmatch(r"< (-?\d+)", str(row.get(columns[0].key)))
        if len(columns) > 1 or limit is None or (found and found[-1]["below"] >= int(limit[1])):
            return []
        found.append({"below": int(limit[1])} | {k: v for k, v in row.items() if k != columns[0].key})
    return found
