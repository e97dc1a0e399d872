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
from .language import Type
from .schema import MAX_FEN
from .tables import COLLECTED, unit_of
from .unary import Unreadable, our_cells, read_output, read_unary, zen_cell, zen_output
from .wording import Said

MAX_SPLIT = 64
"""Rows of ours that one rule may become."""


@dataclass(frozen=True, slots=True)
class Column:
    """key and source: name and expression in our table; place: as the document calls it."""

    id: str
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

    def read(
        self, place: Said, rules: list[Json], columns: list[Column], outs: list[Output], hit: str
    ) -> list[Json]:
        rows: list[Json] = []
        for i, rule in enumerate(rules):
            named = text_of(rule.get("_id"))[:40] or str(i + 1)
            where = Said("at_rule", {"at": place, "rule": named, "row": i + 1})
            original = _embedded(rule)
            given: Json = {out.key: self._output(place, where, rule, out, original, hit) for out in outs}
            cells = [
                self._cells(place, Said("at_column", {"at": where, "column": c.place}), rule, c, original)
                for c in columns
            ]
            if any(cell is None for cell in cells):
                continue
            ways = [cast(list[object], cell) for cell in cells]
            count = prod(len(way) for way in ways)
            if count > MAX_SPLIT:
                self.report.refuse(where, "jdm_split", rows=count)
            elif not count:
                self.report.differ(where, "jdm_fits_nothing")
            else:
                if count > 1:
                    self.report.keep(where, "jdm_rows_made", rows=count)
                for cell in product(*ways):
                    filled = {c.key: v for c, v in zip(columns, cell, strict=True) if v != ""}
                    rows.append({**filled, **given})
        if not rows and not self.report.refused:
            self.report.refuse(place, "jdm_no_rule_fits")
        return rows

    def _cells(
        self, place: Said, where: Said, rule: Json, column: Column, original: Json
    ) -> list[object] | None:
        raw = rule.get(column.id, "")
        if not isinstance(raw, str):
            self.report.refuse(where, "jdm_no_cell", value=raw)
            return None
        text = raw.strip()
        if not text or text == "-":
            if text:
                self.report.differ(where, "jdm_dash")
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
            named = text[:60] in error.said.what
            said = error.said if named else Said("jdm_in_cell", {"text": text, "said": error.said})
            self.report.tell("refused", where, said)
            return None

    def _output(self, place: Said, row: Said, rule: Json, out: Output, original: Json, hit: str) -> int | str:
        where = Said("at_output", {"at": row, "output": out.place})
        raw, before = rule.get(out.id, ""), original.get(out.key)
        try:
            if not isinstance(raw, str):
                raise Unreadable("unary_output_form", value=raw)
            if before is not None and out.scale == 1 and zen_output(before) == raw.strip():
                return cast("int | str", before)
            kind, value = read_output(raw, out.scale)
        except Unreadable as error:
            self.report.tell("refused", where, error.said)
            return 0
        if kind == "flag":
            self.report.differ(Said("at_output", {"at": place, "output": out.place}), "jdm_flag")
        if kind == "text" and hit in COLLECTED:
            self.report.refuse(where, "jdm_text_collected", value=value, hit=hit)
        if isinstance(value, int) and abs(value) > MAX_FEN:
            self.report.refuse(where, "jdm_over", value=value, most=MAX_FEN)
        return value


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


def output_kind(rows: Sequence[Json], out: Output) -> Type:
    values = list(dict.fromkeys(row[out.key] for row in rows))
    texts = tuple(value for value in values if isinstance(value, str))
    return Type("enum", values=texts) if texts else Type("int", unit_of(out.key), -MAX_FEN, MAX_FEN)


def step_rows(rows: Sequence[Json], columns: Sequence[Column]) -> list[Json]:
    """Rows of a table in steps (`below`); empty when they no longer are steps."""
    found: list[Json] = []
    for row in rows:
        limit = re.fullmatch(r"< (-?\d+)", str(row.get(columns[0].key)))
        if len(columns) > 1 or limit is None or (found and found[-1]["below"] >= int(limit[1])):
            return []
        found.append({"below": int(limit[1])} | {k: v for k, v in row.items() if k != columns[0].key})
    return found
