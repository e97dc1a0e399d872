"""Files as people send them: encodings, separators, headers, rows that do not fit, values written every which way."""

import bz2
import gzip
import io
import lzma
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from timelyrain.risk import TrainingDataInvalid, files, roles, tables

ROWS = 400
RNG = np.random.default_rng(11)
INCOME = np.round(RNG.lognormal(8, 0.6, ROWS), 2)
DEBT = np.round(RNG.random(ROWS), 4)
CITY = RNG.choice(["上海", "成都", "西安", "哈尔滨市"], ROWS)
BAD = (RNG.random(ROWS) < 0.2 + 0.5 * DEBT).astype(int)


def lines(separator: str = ",", header: str = "income,debt,city,bad") -> list[str]:
    rows = [separator.join(map(str, row)) for row in zip(INCOME, DEBT, CITY, BAD, strict=True)]
    return [header.replace(",", separator), *rows] if header else rows


def check(
    content: bytes, path: Path, names: tuple[str, ...] = ("income", "debt", "city", "bad")
) -> tables.Table:
    path.write_bytes(content)
    table = tables.read(path, known=("bad",))
    assert [column.name for column in table.columns] == list(names) and table.rows == ROWS
    assert [column.kind for column in table.columns] == ["number", "number", "category", "number"]
    assert (
        table.columns[0].values.tolist() == INCOME.tolist()
        and table.columns[3].values.tolist() == BAD.tolist()
    )
    assert sorted(table.columns[2].levels) == sorted(set(CITY.tolist()))
    return table


TEXT = "\n".join(lines()) + "\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings(tmp_path: Path, encoding: str, end: str):
    check(TEXT.replace("\n", end).encode(encoding), tmp_path / "x.csv")


def test_a_file_of_two_encodings_is_read_line_by_line(tmp_path: Path):
    mixed = [line.encode("utf-8" if i % 2 else "gb18030") for i, line in enumerate(lines())]
    table = check(b"\n".join(mixed), tmp_path / "x.csv")
    assert "several encodings" in table.notes[0]
    spanish = [line.replace(".", ".").replace("上海", "Cádiz") for line in lines()]
    latin = "\n".join(line.encode("ascii", "ignore").decode() + ",Núñez é" for line in spanish)
    (tmp_path / "latin.csv").write_bytes(latin.encode("cp1252"))
    assert "Latin" in tables.read(tmp_path / "latin.csv").notes[0]


@pytest.mark.parametrize("separator", [";", "\t", "|", " "])
def test_separators(tmp_path: Path, separator: str):
    check("\n".join(lines(separator)).encode(), tmp_path / "x.csv")


def test_packings(tmp_path: Path):
    raw = TEXT.encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as inside:
        inside.writestr("loans.csv", raw)
    for content in (gzip.compress(raw), bz2.compress(raw), lzma.compress(raw), packed.getvalue()):
        check(content, tmp_path / "no-telling-name")


def test_headers(tmp_path: Path):
    path = tmp_path / "x.csv"
    numbered = tuple(f"column {i}" for i in range(1, 5))
    bare = check("\n".join(lines(header="")).encode(), path, numbered)
    assert "no header" in bare.notes[0] and bare["4"].name == "column 4"
    assert roles.plan(bare, "4", ["1"], exclude=["3"]).columns[1].name == "column 2"
    check("\n".join(["Notes of the export, 2011", "", *lines()]).encode(), path)
    named = [f"r{i},{line}" if i else line for i, line in enumerate(lines())]
    path.write_text("\n".join(named))
    assert [c.name for c in tables.read(path).columns][:2] == ["column 1", "income"]
    path.write_text("\n".join(f"{line},{line.rpartition(',')[2]}" for line in lines()))
    assert [c.name for c in tables.read(path).columns][-2:] == ["bad", "bad (2)"]
    path.write_text("\n".join(f"{line},{line.partition(',')[0]}" for line in lines()))
    twins = roles.plan(tables.read(path), "bad").report[-1]
    assert (twins.name, twins.role, twins.why) == ("income (2)", "refused", "the same as income in every row")
    path.write_text(
        "2001,2002,2003,y\n" + "\n".join(f"{a},{a},{a},{b}" for a, b in zip(INCOME, BAD, strict=True))
    )
    assert [c.name for c in tables.read(path).columns] == ["2001", "2002", "2003", "y"]
    path.write_text(
        "@relation x\n@attribute 'a b' numeric\n@attribute y {0,1}\n@data\n"
        + "\n".join(f"{d},?" for d in DEBT)
    )
    assert [c.name for c in tables.read(path).columns] == ["a b", "y"]


def test_rows_that_do_not_fit(tmp_path: Path):
    path = tmp_path / "x.csv"
    rows = lines()
    rows[7] += ",more,and more"
    rows.append("Total: 12")
    path.write_text("\n".join(rows))
    table = tables.read(path)
    assert table.rows == ROWS + 1 and any("1 rows have more cells" in note for note in table.notes)
    assert len(roles.plan(table, "bad").labels) == ROWS
    path.write_text(
        "\n".join([rows[0], *(f"1,{line}" if i % 2 else line for i, line in enumerate(rows[1:]))])
    )
    with pytest.raises(TrainingDataInvalid, match="more cells than the 4 of the header"):
        tables.read(path)
    path.write_bytes(TEXT.replace("\n", "\n\0", 3).encode())
    assert "3 NUL characters" in tables.read(path).notes[0]
    path.write_text(TEXT.replace("上海", '5" 上海'))
    assert tables.read(path).rows == ROWS


def test_files_that_are_none(tmp_path: Path):
    book = io.BytesIO()
    with zipfile.ZipFile(book, "w") as inside:
        inside.writestr("xl/workbook.xml", "")
    for content, message in (
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (gzip.compress(b""), "is empty"),
        (b"a,b\n", "a header and no rows"),
        (bytes(range(128, 256)) * 40, "neither UTF-8"),
        (book.getvalue(), "save the sheet as CSV"),
        (b"PAR1 but no more", "cannot be read"),
        (b"\x1f\x8b broken", "cannot be read"),
    ):
        path = tmp_path / "x.csv"
        path.write_bytes(content)
        with pytest.raises(TrainingDataInvalid, match=message):
            tables.read(path)
    with pytest.raises(TrainingDataInvalid, match="cannot be read"):
        tables.read(tmp_path / "absent.parquet")


def of(name: str, *values: str | None) -> tables.Column:
    return tables.typed_column(name, pl.Series(name, [v for v in values for _ in range(30)]))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (("$1,200.50", "3%", "N/A"), (1200.5, 3, None)),
        (("$1,234.00", "$(56.5)"), (1234, None)),
        (("12,5", "1.234,5", "7"), (12.5, 1234.5, 7)),
        (("1 234", "12\u00a0000", "n/a"), (1234, 12000, None)),
        (("1,234", "1,234,567"), (1234, 1234567)),
        (("36 months", " 60 months"), (36, 60)),
        (("10+ years", "< 1 year", "1 year", "?"), (10, 0.5, 1, None)),
        (("1yrs 11mon", "0yrs 0mon"), (23, 0)),
        (("3.5万", "12万"), (3.5, 12)),
        (("b'1'", "b'0'"), (1, 0)),
        (("1e3", "nan", ""), (1000, None, None)),
        (("-5", "USD 7"), (-5, 7)),
    ],
)
def test_numbers_as_people_write_them(written: tuple[str, ...], meant: tuple[float | None, ...]):
    if "$(56.5)" in written:
        meant = (1234, -56.5)
    column = of("amount", *written)
    assert column.kind == "number"
    assert [None if np.isnan(v) else v for v in column.values[::30].tolist()] == list(meant)


def test_words_for_gaps_and_columns_of_both():
    numbers = [str(i) for i in range(40)]
    assert of("x", *numbers, "No Data", "none").kind == "number"
    assert of("grade", "1", "2", "none").levels == ("1", "2", "none")
    assert of("class", "A1", "B2", "12 red", "3 blue").kind == "category"
    assert of("b", "none", "none", "yes").levels == ("none", "yes")


@pytest.mark.parametrize(
    "text",
    [
        *("1998-02-04", "2/4/1998", "2/4/98", "4-Feb-98", "4-Feb-1998", "1998/02/04", "1998年02月04日", "04.02.1998"),
        *("4 Feb 1998", "Feb 4, 1998", "1998-02-04T00:00:00", "1998-02-04 20:44:28.847000000", "1998-02-04T12:00:00Z"),
        *("04FEB1998:00:00:00", "19980204", "886550400", "886550400000"),
    ],
)  # fmt: skip
def test_dates_as_people_write_them(text: str):
    made = of("issue_date", text, "?")
    assert (made.kind, made.values[0]) == ("date", np.datetime64("1998-02-04").astype(int))


@pytest.mark.parametrize(
    "text", ["Dec-2011", "Dec-11", "2011-12", "12/2011", "201112", "2011年12月", "Dec 2011", "December 2011"]
)
def test_months_are_their_first_day(text: str):
    made = of("issue_month", text)
    assert (made.kind, made.values[0]) == ("date", np.datetime64("2011-12-01").astype(int))


def test_codes_are_told_from_quantities():
    low = np.array([0, 1, 2, 3, 4, 5] * 20)
    assert tables.special_codes(np.append(low, [-999.0] * 6)) == (-999.0,)
    assert tables.special_codes(np.append(low, [-9.0] * 30 + [-8.0] * 2 + [-7.0] * 9)) == (-9.0, -8.0, -7.0)
    assert tables.special_codes(np.append(low, [96.0] * 5 + [98.0] * 30)) == (96.0, 98.0)
    assert tables.special_codes(np.arange(18.0, 100).repeat(9)) == ()
    assert tables.special_codes(np.array([-5.5, -3, 0, 1, 2, 3, 4] * 20)) == ()


@pytest.mark.parametrize(
    ("name", "good", "bad", "given"),
    [
        ("RiskPerformance", "Good", "Bad", ()),
        ("default", "no", "yes", ()),
        ("loan_default", "N", "Y", ()),
        ("class", "b'0'", "b'1'", ()),
        ("是否违约", "否", "是", ()),
        ("A16", "+", "-", ("-",)),
        ("class", "1.0", "2.0", ("2",)),
        ("status", "Fully Paid", "Charged Off", ("charged off",)),
    ],
)
def test_labels_that_say_which_is_bad(tmp_path: Path, name: str, good: str, bad: str, given: tuple[str, ...]):
    path = tmp_path / "x.csv"
    path.write_text(
        f"x,{name}\n" + "\n".join(f"{d},{bad if b else good}" for d, b in zip(DEBT, BAD, strict=True))
    )
    assert roles.plan(tables.read(path), name, given).labels.tolist() == BAD.tolist()


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("approved", ["yes", "no"], "say with --bad"),
        ("class", ["1", "2"], "say with --bad"),
        ("class", ["0", "1", "2"], "say with --bad"),
        ("class", ["1", "1"], "0 bad|400 bad"),
    ],
)
def test_labels_that_do_not_say_are_asked(tmp_path: Path, name: str, values: list[str], message: str):
    path = tmp_path / "x.csv"
    path.write_text(f"x,{name}\n" + "\n".join(f"{d},{values[i % len(values)]}" for i, d in enumerate(DEBT)))
    with pytest.raises(TrainingDataInvalid, match=message):
        roles.plan(tables.read(path), name)
    with pytest.raises(TrainingDataInvalid, match=f"is '{name}' meant"):
        roles.plan(tables.read(path), name.upper() + "s")


def test_what_memory_does_not_hold_is_drawn_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    rows = [f'{a},"two\nlines, ""quoted""",{b}' for a, b in enumerate(np.resize(BAD, 6_000))]
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(("x,note,y\n" + "\n".join(rows)).encode()))
    asked = tables.read(path, 4)
    assert asked.sample == 4 and 1_400 < asked.rows < 1_600
    assert "one row of 4 was drawn" in asked.notes[-1] and asked.columns[1].levels == (
        'two\nlines, "quoted"',
    )
    kept = asked.columns[0].values.tolist()
    assert len(set(kept)) == len(kept) and kept == sorted(kept) and kept[-1] > 5_900
    assert asked.columns[2].values.tolist() == np.resize(BAD, 6_000)[np.array(kept, np.int64)].tolist()
    pl.DataFrame({"x": range(6_000)}).write_parquet(tmp_path / "x.parquet")
    assert 1_400 < tables.read(tmp_path / "x.parquet", 4).rows < 1_600
    monkeypatch.setattr(files, "free_memory", lambda: path.stat().st_size * 20)
    short = tables.read(path)
    assert short.sample == 3 and "GiB are free" in short.notes[-1] and 1_900 < short.rows < 2_100
