"""A file of past loans as a frame of texts: its packing, encoding, separator, header and ragged rows; rows drawn where memory is
short. What was odd is told in notes.
"""

import bz2
import csv
import gzip
import io
import lzma
import os
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from math import ceil
from pathlib import Path
from typing import IO, cast

import polars as pl

from .problems import TrainingDataInvalid

_MEMORY_TIMES = 12  # of the unpacked file: text, typed columns, matrices
_PACKED_TIMES = 4
_SEPARATORS = (",", ";", "\t", "|", " ")
_LOOKED_AT = 4 * 2**20  # bytes by which encoding and separator are told
_DRAW = 2_654_435_761
"""A row is drawn by its number times this modulo 2**32: evenly, and the same rows each time."""


@dataclass(frozen=True, eq=False)
class Read:
    """frame: columns of texts, or typed ones of a Parquet file. sample: one row of so many was kept."""

    frame: pl.DataFrame
    sample: int
    notes: tuple[str, ...]


def read(path: Path, sample: int = 0, known: Sequence[str] = ()) -> Read:
    """sample: keep one row of so many; 0 for as few as memory asks. known: names that stand in the header if there is one.

    Raises TrainingDataInvalid, OSError and polars' errors where the file is none.
    """
    with path.open("rb") as source:
        magic = source.read(8)
    if not magic:
        raise TrainingDataInvalid(f"{path} is empty: nothing to learn from")
    parquet = magic[:4] == b"PAR1"
    packed = parquet or magic[:2] in (b"\x1f\x8b", b"PK", b"BZ") or magic[:6] == b"\xfd7zXZ\0"
    need = path.stat().st_size * _MEMORY_TIMES * (_PACKED_TIMES if packed else 1)
    free = free_memory()
    every = sample or max(1, ceil(need / (0.8 * free)))
    notes: list[str] = []
    if parquet:
        frame = (
            pl.read_parquet(path)
            if every == 1
            else _drawn(pl.scan_parquet(path), every).collect(engine="streaming")
        )
    else:
        frame = _parsed(path, _text(path, magic, every, notes), set(known), notes)
    if every > 1:
        why = (
            "as asked"
            if sample
            else f"{need / 2**30:.1f} GiB would be needed and {free / 2**30:.1f} GiB are free"
        )
        notes.append(f"one row of {every} was drawn, {frame.height} rows: {why}")
    return Read(frame, every, tuple(notes))


def free_memory() -> int:
    """Bytes that may be taken: what the system has at hand, or what the control group leaves."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        told = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
        free = int(told[1]) * 1024 if told else free
        most, used = (
            Path(f"/sys/fs/cgroup/memory.{name}").read_text().strip() for name in ("max", "current")
        )
        return free if most == "max" else min(free, int(most) - int(used))
    except (OSError, ValueError):
        return free


def _drawn(frame: pl.LazyFrame, every: int) -> pl.LazyFrame:
    kept = (pl.col("#row").cast(pl.UInt64) * _DRAW) % 2**32 < 2**32 // every
    return frame.with_row_index("#row").filter(kept).drop("#row")


def _text(path: Path, magic: bytes, every: int, notes: list[str]) -> str:
    with _unpacked(path, magic) as source:
        head = source.read(_LOOKED_AT)
    if not head:
        raise TrainingDataInvalid(f"{path} is empty: nothing to learn from")
    wide = _wide(head)
    with _unpacked(path, magic) as source:
        if every == 1:
            text, note = decoded(source.read(), wide)
        else:
            lines = io.TextIOWrapper(source, wide, errors="replace") if wide else source
            kept = b"".join(
                line.encode() if isinstance(line, str) else line
                for line in _some(cast(Iterator[str | bytes], lines), every)
            )
            text, note = decoded(kept, "")
            note = f"read as {wide.upper()}" if wide else note
    if note:
        notes.append(note)
    if text.count("\ufffd") > len(text) / 100:
        raise TrainingDataInvalid(
            f"{path} is neither UTF-8 nor GBK: too many unreadable characters; save it as UTF-8"
        )
    if "\0" in text:
        notes.append(f"{text.count(chr(0))} NUL characters removed")
        text = text.replace("\0", "")
    return text


def _some(lines: Iterator[str | bytes], every: int) -> Iterator[str | bytes]:
    """The first lines, by which header and separator are told, and after them the rows drawn; a quoted line break ends no row."""
    for number, line in enumerate(lines):
        marks = line.count('"') if isinstance(line, str) else line.count(b'"')
        while marks % 2:
            more = next(lines, "")
            if not more:
                break
            marks += more.count('"') if isinstance(more, str) else more.count(b'"')
            line = cast(str, line) + more if isinstance(more, str) else cast(bytes, line) + more
        if number < 12 or number * _DRAW % 2**32 < 2**32 // every:
            yield line


def _unpacked(path: Path, magic: bytes) -> IO[bytes]:
    if magic[:2] == b"\x1f\x8b":
        return cast(IO[bytes], gzip.open(path))
    if magic[:3] == b"BZh":
        return cast(IO[bytes], bz2.open(path))
    if magic[:6] == b"\xfd7zXZ\0":
        return cast(IO[bytes], lzma.open(path))
    if magic[:4] != b"PK\3\4":
        return path.open("rb")
    inside = zipfile.ZipFile(path)
    names = [name for name in inside.namelist() if not name.endswith("/") and not name.startswith("__MACOSX")]
    if any(name.startswith("xl/") for name in names):
        raise TrainingDataInvalid(f"{path} is a workbook: save the sheet as CSV (UTF-8)")
    if len(names) != 1:
        raise TrainingDataInvalid(
            f"{path} packs {len(names)} files ({', '.join(names[:5])}): unpack the one that is meant"
        )
    return inside.open(names[0])


def _wide(head: bytes) -> str:
    """utf-16 by its mark, or by the zeros in every other byte; empty for other encodings."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    sample = head[:4000]
    for first, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        if (
            len(sample) > 20
            and sample[first::2].count(0) > 0.4 * len(sample[first::2])
            and sample[1 - first :: 2].count(0) == 0
        ):
            return name
    return ""


def decoded(raw: bytes, wide: str) -> tuple[str, str]:
    """(text, note). UTF-8 first, then GBK; a file of both, or of neither, is read line by line."""
    if wide:
        return raw.decode(wide, errors="replace").removeprefix("\ufeff"), "read as UTF-16"
    try:
        return raw.decode("utf-8-sig"), ""
    except UnicodeDecodeError:
        pass
    lines = raw.splitlines(keepends=True) if b"\n" not in raw else raw.split(b"\n")
    end = "" if b"\n" not in raw else "\n"
    odd = [line for line in lines if not line.isascii()]
    as_utf8 = sum(_reads(line, "utf-8") and _has_wide(line) for line in odd)
    as_gbk = sum(_reads(line, "gb18030") for line in odd)
    if not as_utf8 and as_gbk == len(odd):
        return raw.decode("gb18030"), "read as GBK (GB 18030)"
    if not as_utf8 and as_gbk < 0.5 * len(odd):
        return raw.decode("cp1252", errors="replace"), "read as Windows-1252 (Latin)"
    counted: Counter[str] = Counter()

    def one(line: bytes) -> str:
        for name in ("utf-8", "gb18030"):
            if _reads(line, name):
                counted[name] += not line.isascii()
                return line.decode(name)
        counted["neither"] += 1
        return line.decode("cp1252", errors="replace")

    text = end.join(map(one, lines)).removeprefix("\ufeff")
    told = ", ".join(f"{n} lines {name}" for name, n in counted.items() if n)
    return text, f"a file of several encodings, read line by line: {told}"


def _reads(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _has_wide(line: bytes) -> bool:
    """A character of three bytes or more: two bytes of GBK often look like one of UTF-8's two."""
    return any(ord(mark) > 0x7FF for mark in line.decode("utf-8"))


def _parsed(path: Path, text: str, known: set[str], notes: list[str]) -> pl.DataFrame:
    if re.match(r"(?:\s*%[^\n]*\n|\s*\n)*\s*@relation", text[:_LOOKED_AT], re.IGNORECASE):
        text = _of_arff(text)
        notes.append("read as ARFF")
    head = list(islice((line for line in text[:200_000].splitlines() if line.strip()), 60))
    if not head:
        raise TrainingDataInvalid(f"{path} is empty: nothing to learn from")
    separator = _separator(head)
    if separator == " ":
        text = re.sub(r"(?m)^ +| +$", "", re.sub(r" {2,}", " ", text))
        head = [re.sub(r" {2,}", " ", line).strip() for line in head]
    if separator != ",":
        notes.append(f"columns are separated by {separator!r}")
    cells = list(csv.reader(head, delimiter=separator))
    width = Counter(len(row) for row in cells[1:] or cells).most_common(1)[0][0]
    skipped = next(
        (i for i, row in enumerate(cells[:10]) if len(row) >= min(width, 2) and 2 * len(row) > width), 0
    )
    if skipped:
        notes.append(f"{skipped} lines above the header left out")
    first = [cell.strip() for cell in cells[skipped]]
    headed = _is_header(first, cells[skipped + 1 :], known)
    names = first if headed else [""] * width
    if headed and len(names) == width - 1:
        names = ["", *names]
        notes.append("rows have one cell more than the header: the first is taken for a name of the row")
    if not headed:
        notes.append(f"no header: columns are called column 1 to column {width}")
    body = text
    for _ in range(skipped + headed):
        body = _below(body)
    if not body.strip():
        raise TrainingDataInvalid(f"{path} holds a header and no rows: nothing to learn from")
    return _frame(path, body, _distinct(names, notes), separator, notes)


def _below(text: str) -> str:
    """What follows the first line that is not blank."""
    lead = len(text) - len(text.lstrip("\r\n"))
    line = re.compile(r"\r\n|\n|\r").search(text, lead)
    return text[line.end() :] if line else ""


def _frame(path: Path, body: str, names: Sequence[str], separator: str, notes: list[str]) -> pl.DataFrame:
    schema = dict.fromkeys(names, pl.String)

    def parse(ragged: bool, quote: str | None) -> pl.DataFrame:
        return pl.read_csv(
            body.encode(), separator=separator, has_header=False, schema=schema, truncate_ragged_lines=ragged,
            quote_char=quote, glob=False, eol_char="\n" if "\n" in body else "\r",
        )  # fmt: skip

    try:
        return parse(False, '"')
    except pl.exceptions.ComputeError:
        pass
    rows = [line for line in body.splitlines() if line.strip()]
    longer = sum(line.count(separator) >= len(names) and '"' not in line for line in rows)
    if longer > 0.2 * len(rows):
        raise TrainingDataInvalid(
            f"{path}: {longer} of {len(rows)} rows have more cells than the {len(names)} of the header: quote texts that "
            f"hold {separator!r}, or save with another separator"
        )
    if longer:
        notes.append(f"{longer} rows have more cells than the header: what is too much was left out")
    try:
        return parse(True, '"')
    except pl.exceptions.ComputeError:
        notes.append("quotation marks that do not close are taken as they stand")
        return parse(True, None)


def _separator(head: Sequence[str]) -> str:
    """The mark that parts most rows into the same number of cells, more than one."""
    best, mark = (0.0, 0), ","
    for one in _SEPARATORS:
        lines = [re.sub(r" {2,}", " ", line).strip() for line in head] if one == " " else head
        widths = Counter(len(row) for row in csv.reader(lines, delimiter=one))
        width, rows = max(widths.items(), key=lambda item: (item[1], item[0]))
        if width > 1 and (scored := (round(rows / len(head), 1), width)) > best:
            best, mark = scored, one
    return mark


def _is_header(first: Sequence[str], rows: Sequence[Sequence[str]], known: set[str]) -> bool:
    """A header names; where some cells are numbers and those below are too, it is a row of data."""
    if known & set(first) or not rows:
        return True
    numbers = [i for i, cell in enumerate(first) if _is_number(cell)]
    if len(numbers) < 0.2 * max(1, sum(cell != "" for cell in first)):
        return True
    if len(numbers) > 1 and all(
        first[a].isdigit() and first[b] == f"{int(first[a]) + 1}" for a, b in pairwise(numbers)
    ):
        return True  # columns that are called 0, 1, 2 ...
    below = [
        _is_number(row[i])
        for row in rows
        for i in numbers
        if i < len(row) and row[i].strip() not in ("", "?")
    ]
    return sum(below) < 0.8 * len(below)


def _is_number(cell: str) -> bool:
    return re.fullmatch(r"[-+]?\d+(?:[.,]\d+)?(?:[eE][-+]?\d+)?", cell.strip()) is not None


def _distinct(names: Sequence[str], notes: list[str]) -> list[str]:
    """Names as they stand, `column 3` for an empty one, `x (2)` for a second x."""
    found: list[str] = []
    for place, name in enumerate(names, 1):
        base = name.strip() or f"column {place}"
        made, again = base, 1
        while made in found:
            again += 1
            made = f"{base} ({again})"
        if again > 1:
            notes.append(f"column {base!r} stands twice: the other is called {made!r}")
        found.append(made)
    return found


def _of_arff(text: str) -> str:
    head, _, data = re.split(r"(?im)^(\s*@data\s*)$", text, maxsplit=1)
    names = re.findall(r"(?im)^\s*@attribute\s+('(?:[^']*)'|\"[^\"]*\"|\S+)", head)
    rows = "\n".join(line for line in data.splitlines() if line.strip() and not line.lstrip().startswith("%"))
    return ",".join(name.strip("'\"") for name in names) + "\n" + rows.replace("'", '"')
