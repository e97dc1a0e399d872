"""What each column of a table is for: label, time, feature, protected, or refused with a sentence."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

import numpy as np

from .problems import MIN_BAD, TrainingDataInvalid
from .tables import Column, Floats, Ints, Table, named, words

Role = Literal["feature", "protected", "refused", "excluded", "label", "time"]

DAYS_OF_MONTH = 30.4375
KEPT_SHARE = 0.3  # of the rows of a category with very many levels must lie in levels of some size
LEVEL_ROWS = 50
MANY_LEVELS = 100
_PROTECTED = {
    *(
        "sex",
        "gender",
        "race",
        "ethnic",
        "ethnicity",
        "religion",
        "nationality",
        "foreign",
        "foreigner",
        "marriage",
    ),
    *(
        "marital",
        "married",
        "birth",
        "citizenship",
        "caste",
        "pregnant",
        "disability",
        "disabled",
        "birthday",
        "birthdate",
        "dob",
    ),
    *("性别", "年龄", "婚姻", "婚姻状况", "民族", "宗教", "国籍", "户籍", "籍贯", "残疾", "出生日期"),
}
_OF_PEOPLE = {"person", "customer", "client", "applicant", "borrower", "in", "years", "year", "cust", "group"}
_IDS = {
    "id",
    "ids",
    "uuid",
    "guid",
    "key",
    "nr",
    "loannr",
    "serial",
    "idx",
    "rowid",
    "index",
    "编号",
    "序号",
    "身份证",
    "身份证号",
}
_TIME = {
    "issue",
    "issued",
    "approval",
    "approved",
    "application",
    "apply",
    "applied",
    "origination",
    "submit",
    "decision",
    "申请",
    "审批",
    "放款",
}
_YES = {"yes", "y", "true", "t", "是"}
_PAIRS = (
    ("bad", "good"), ("b", "g"), ("default", "no default"), ("default", "non-default"), ("default", "paid"),
    ("default", "good"), ("charged off", "fully paid"), ("chgoff", "p i f"), ("bad loan", "good loan"),
    ("坏", "好"), ("违约", "正常"), ("逾期", "正常"),
    ("yes", "no"), ("y", "n"), ("true", "false"), ("t", "f"), ("是", "否"),
)  # fmt: skip
_BAD_NAMES = {
    "default", "defaulted", "bad", "delinquent", "delinquency", "dlq", "chargeoff", "charged", "overdue", "late", "risk", "fraud",
    "bankrupt", "bankruptcy", "loss", "npl", "seriousdlqin2yrs",
}  # fmt: skip
_PLACES = {"zip", "postcode", "zipcode", "naics", "mcc", "postal"}


@dataclass(frozen=True)
class Found:
    """One line of the report of types. why: a sentence where the column is not simply a feature."""

    name: str
    kind: str
    role: Role
    distinct: int
    missing: float
    specials: tuple[float, ...]
    why: str


@dataclass(frozen=True, eq=False)
class Plan:
    """columns: candidates for features, typed as they are used. protected: reported by group. time: days since 1970."""

    labels: Ints
    rows: Ints
    columns: tuple[Column, ...]
    protected: tuple[Column, ...]
    time: Floats | None
    time_name: str
    report: tuple[Found, ...]
    notes: tuple[str, ...]


def plan(
    table: Table,
    label: str,
    bad: Sequence[str] = (),
    good: Sequence[str] = (),
    *,
    time: str = "",
    ids: Collection[str] = (),
    exclude: Collection[str] = (),
    ratios: Sequence[str] = (),
    use_protected: bool = False,
    catalogue: Collection[str] = (),
) -> Plan:
    """catalogue: where given, these columns and no others are features, taken as the quantities that they are named as.

    Raises TrainingDataInvalid for a label that is none, one class, or columns that the table does not have.
    """
    for name in (label, *([time] if time else []), *ids, *exclude, *catalogue):
        _ = table[name]
    label, time = table[label].name, table[time].name if time else ""
    ids, exclude = {table[name].name for name in ids}, {table[name].name for name in exclude}
    labels, rows, notes = labels_of(table[label], bad, good)
    table = table.take(rows)
    known = named(table.columns)
    if time and known[time].kind != "date":
        raise TrainingDataInvalid(
            f"--time {time!r} is a {known[time].kind}, not a date: name a column of dates"
        )
    time = time or _find_time([c for c in table.columns if c.name not in {*ids, *exclude}])
    days = known[time].values if time else None
    if days is not None and np.isnan(days).any():
        keep = np.flatnonzero(~np.isnan(days))
        notes.append(f"{len(days) - len(keep)} rows without {time} left out")
        table, labels, rows, days = table.take(keep), labels[keep], rows[keep], days[keep]
        known = named(table.columns)
    _check_classes(label, labels)
    columns: list[Column] = []
    protected: list[Column] = []
    report: list[Found] = []
    for column in table.columns:
        role: Role = "feature"
        why = "; ".join(column.notes)
        made = column
        if column.name == label:
            role = "label"
        elif column.name == time:
            role, why = (
                "time",
                "the split is made by it; not a feature, because tomorrow's dates are not in the file",
            )
        elif column.name in ids:
            role, why = "excluded", "an id, as you said"
        elif column.name in exclude:
            role, why = "excluded", "as you asked"
        elif catalogue and column.name not in catalogue:
            role, why = "excluded", "no feature of the catalogue"
        elif catalogue and column.distinct() > 1:
            made = replace(column, specials=())
        else:
            made, reason = _usable(column, days, time)
            if made is None:
                role, made = "refused", column
            why = "; ".join(text for text in (why, reason) if text)
        if role in ("feature", "excluded") and is_protected(column.name):
            if made.kind in ("number", "category"):
                protected.append(made)
            if role == "feature" and not use_protected:
                role, why = "protected", "protected: reported by group, not trained on"
        if role == "feature":
            twin = next((one.name for one in columns if _equal(one, made)), "")
            if twin:
                role, why = "refused", f"the same as {twin} in every row"
            else:
                columns.append(made)
        report.append(
            Found(
                column.name,
                column.kind,
                role,
                column.distinct(),
                float(column.absent.mean()),
                column.specials,
                why,
            )
        )
    columns.extend(_ratio(known, text) for text in ratios)
    if not columns:
        raise TrainingDataInvalid("no column is left to learn from: see the report of types")
    return Plan(labels, rows, tuple(columns), tuple(protected), days, time, tuple(report), tuple(notes))


def _equal(one: Column, other: Column) -> bool:
    if one.kind != other.kind or one.levels != other.levels:
        return False
    return np.array_equal(one.values, other.values, equal_nan=True) and np.array_equal(one.codes, other.codes)


def _ratio(known: dict[str, Column], text: str) -> Column:
    """`A/B` as a number; missing where either is, or where B is 0."""
    over, _, under = (part.strip() for part in text.partition("/"))
    for name in (over, under):
        if name not in known or known[name].kind != "number":
            raise TrainingDataInvalid(f"--ratio {text!r}: {name!r} is no column of numbers; write A/B")
    below = known[under].values
    values = np.divide(known[over].values, below, out=np.full(len(below), np.nan), where=below != 0)
    return Column(f"{over}/{under}", "number", values)


def is_protected(name: str) -> bool:
    parts = words(name)
    if _PROTECTED & set(parts) or any(part in name for part in ("性别", "年龄", "婚姻", "民族")):
        return True
    if {"family", "status"} <= set(parts):
        return True
    return "age" in parts and set(parts) <= {"age", *_OF_PEOPLE}


def labels_of(column: Column, bad: Sequence[str], good: Sequence[str]) -> tuple[Ints, Ints, list[str]]:
    """(labels, rows kept, notes)."""
    if column.kind == "date":
        raise TrainingDataInvalid(f"label {column.name!r} is a date: name the column that says good or bad")
    texts = np.array(column.texts())
    seen, counts = np.unique(texts, return_counts=True)
    values = {str(v): int(c) for v, c in zip(seen, counts, strict=True) if v != ""}
    shown = ", ".join(f"{v!r} ({c})" for v, c in sorted(values.items(), key=lambda one: -one[1])[:8])
    notes: list[str] = []
    bad, good = [spelt(value, values) for value in bad], [spelt(value, values) for value in good]
    if not bad:
        found = _bad_of(column.name, list(values))
        if found is None:
            raise TrainingDataInvalid(
                f"label {column.name!r} holds {shown}: say with --bad which of them is bad"
            )
        bad = [found]
        if values.keys() != {"0", "1"}:
            notes.append(f"{found!r} is counted as bad: say another with --bad if it is not")
    for value in (*bad, *good):
        if value not in values:
            raise TrainingDataInvalid(f"{value!r} does not occur in {column.name!r}: it holds {shown}")
    if set(bad) & set(good):
        raise TrainingDataInvalid(f"{sorted(set(bad) & set(good))[0]!r} cannot be both good and bad")
    rest = [v for v in values if v not in bad]
    missing = len(texts) - sum(values.values())
    if missing:
        notes.append(f"{missing} rows without a label left out")
    if good:
        left = {v: values[v] for v in rest if v not in good}
        if left:
            notes.append(
                f"left out, neither good nor bad: {', '.join(f'{v} ({c})' for v, c in left.items())}"
            )
    elif len(rest) > 1:
        notes.append(
            f"counted as good: {', '.join(rest[:6])}; name the good ones with --good to leave others out"
        )
    kept = np.flatnonzero(np.isin(texts, [*bad, *(good or rest)]))
    return np.isin(texts[kept], list(bad)).astype(np.int64), kept, notes


def spelt(value: str, values: Collection[str]) -> str:
    """As the file writes it: 1.0 for 1, and capitals, are forgiven where there is no doubt."""
    if value in values:
        return value
    try:
        return f"{float(value):.15g}"
    except ValueError:
        alike = [one for one in values if one.casefold() == value.strip().casefold()]
        return alike[0] if len(alike) == 1 else value


def _bad_of(name: str, values: Sequence[str]) -> str | None:
    """Which of two values is bad, where they say so: by themselves, or yes and true in a column whose name speaks of default."""
    if set(values) <= {"0", "1"}:
        return "1"
    plain = {value.casefold(): value for value in values}
    if len(plain) != 2:
        return None
    speaks = bool(_BAD_NAMES & set(words(name))) or any(part in name for part in ("违约", "逾期", "坏"))
    for bad, good in _PAIRS:
        if plain.keys() == {bad, good} and (speaks or bad not in _YES):
            return plain[bad]
    return None


def _check_classes(label: str, labels: Ints) -> None:
    n_bad = int(labels.sum())
    if min(n_bad, len(labels) - n_bad) < MIN_BAD:
        raise TrainingDataInvalid(
            f"label {label!r}: {n_bad} bad of {len(labels)} rows; at least {MIN_BAD} of each class are needed. "
            "Say with --bad which value is bad"
        )


def _usable(column: Column, days: Floats | None, time: str) -> tuple[Column | None, str]:
    """(the column as a feature can be made of it, or None; why)."""
    n, parts = len(column.absent), set(words(column.name))
    if column.kind == "empty" or column.absent.all():
        return None, "empty"
    distinct = column.distinct()
    if distinct == 1 and column.absent.mean() < 0.005:
        return None, "constant"
    if column.kind == "date":
        return _age(column, days, time)
    held = n - int(column.absent.sum())
    whole = column.kind != "number" or bool((np.mod(column.values[~column.absent], 1) == 0).all())
    if whole and held > 200 and distinct >= 0.95 * held and (parts & _IDS or distinct == held):
        return None, f"an id: {distinct} different values in {held} rows"
    if column.kind == "number":
        if whole and _is_years(column.values, parts):
            return None, "a calendar year: it names the vintage, and next year's is not in the file"
        if parts & _PLACES:
            texts = np.array(column.texts())
            levels, codes = np.unique(texts, return_inverse=True)
            cut = int(levels[0] == "")
            names = tuple(str(level) for level in levels[cut:])
            column = Column(column.name, "category", codes=codes.astype(np.int64) - cut, levels=names)
            return _pooled(column, "a code, not a quantity: taken as names")
        return column, ""
    if re.fullmatch(r"q[1-4] ?(19|20)\d\d|(19|20)\d\d[ -]?q[1-4]", column.levels[0].casefold()):
        return None, "a calendar quarter: it names the vintage, and next year's is not in the file"
    return _pooled(column, "")


def _pooled(column: Column, why: str) -> tuple[Column | None, str]:
    """Levels too rare to be judged become one; words of people are read by their length alone."""
    n = len(column.codes)
    counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.levels))
    common = counts >= (LEVEL_ROWS if len(column.levels) > MANY_LEVELS or column.kind == "text" else 1)
    if counts[common].sum() < KEPT_SHARE * n:
        lengths = [len(level) for level in column.levels]
        if column.kind == "text" and np.mean(lengths) > 25:
            of_code = np.array([*lengths, 0], np.float64)
            return Column(column.name, "number", of_code[column.codes]), "free text: only its length is used"
        if column.absent.mean() > 0.5:
            return None, "mostly missing, and its values are too rare to be judged"
        return None, f"{len(column.levels)} levels, hardly any with {LEVEL_ROWS} rows: a name or an address"
    if common.all():
        return replace(column, kind="category"), why
    levels = [level for level, kept in zip(column.levels, common, strict=True) if kept]
    where = np.full(len(column.levels) + 1, len(levels), np.int64)
    where[:-1][common] = np.arange(len(levels))
    where[-1] = -1
    pooled = f"{int((~common).sum())} levels of fewer than {LEVEL_ROWS} rows joined as (rare)"
    levels.append("(rare)")
    return (
        Column(column.name, "category", codes=where[column.codes], levels=tuple(levels)),
        "; ".join(text for text in (why, pooled) if text),
    )


def _age(column: Column, days: Floats | None, time: str) -> tuple[Column | None, str]:
    """A date before the application counts as months; one after it was not known."""
    if days is None:
        return None, "a date: name the day of the application with --time to have it used as months before"
    months = (days - column.values) / DAYS_OF_MONTH
    held = ~np.isnan(months)
    if (months[held] < 0).mean() > 0.01:
        return (
            None,
            f"later than {time} in {(months[held] < 0).mean():.0%} of rows: not known at the application",
        )
    if np.ptp(months[held]) == 0:
        return None, "a date that always equals the application's"
    return Column(column.name, "number", np.round(months)), f"months before {time}"


def _is_years(values: Floats, parts: set[str]) -> bool:
    held = values[~np.isnan(values)]
    calendar = bool(((held >= 1950) & (held <= 2100)).mean() > 0.99) if len(held) else False
    return calendar and bool(parts & {"year", "fy", "yr", "年", "年份", "vintage", "cohort"})


def _find_time(columns: Sequence[Column]) -> str:
    """The column of dates that looks like the application's: complete, its name says so, the shortest span."""
    best: tuple[bool, float, str] | None = None
    for column in columns:
        if column.kind != "date" or column.absent.mean() > 0.01 or column.distinct() < 4:
            continue
        parts = set(words(column.name))
        if parts & {"birth", "birthday", "birthdate", "dob", "earliest", "last", "next", "出生日期"}:
            continue
        span = float(cast(float, np.ptp(column.values[~column.absent])))
        ranked = (not parts & _TIME, span, column.name)
        best = ranked if best is None else min(best, ranked)
    return best[2] if best else ""
