"""The functions of the definition language: each is written with the operations that the compilers know."""

import ast
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal

from .language import (
    BAD,
    BOOL,
    FUNCTIONS,
    INT64,
    PPM,
    Constant,
    Function,
    Node,
    Reader,
    absent,
    constant,
    is_text,
)  # fmt: skip

Make = Callable[[Reader, ast.AST, tuple[Node, ...]], Node]
Literal = Callable[[Reader, ast.Call, list[ast.expr]], Node]
EPOCH = date(1970, 1, 1)
MOST = 12


def _numbers(op: str) -> Make:
    """op over the arguments from the left."""

    def make(reader: Reader, tree: ast.AST, args: tuple[Node, ...]) -> Node:
        result = args[0]
        for arg in args[1:]:
            result = reader.arithmetic(tree, op, (result, arg))
        return result

    return make


def _abs(reader: Reader, tree: ast.AST, args: tuple[Node, ...]) -> Node:
    return reader.arithmetic(tree, "abs", args)


def _clip(reader: Reader, tree: ast.AST, args: tuple[Node, ...]) -> Node:
    number, low, high = args
    if low.type.kind == high.type.kind == "int" and low.type.low > high.type.high:
        return reader.fault(tree, "empty_range_of", name="clip")
    return reader.arithmetic(tree, "min", (reader.arithmetic(tree, "max", (number, low)), high))


def _between(reader: Reader, tree: ast.AST, args: tuple[Node, ...]) -> Node:
    number, low, high = args
    if low.type.kind == high.type.kind == "int" and low.type.low > high.type.high:
        return reader.fault(tree, "empty_range_of", name="between")
    sides = (reader.compare(tree, "le", low, number), reader.compare(tree, "le", number, high))
    return reader.logic(tree, "and", sides)


def _ratio_ppm(reader: Reader, tree: ast.AST, args: tuple[Node, ...]) -> Node:
    a, b = args[:2]
    literal = isinstance(a, Constant) or isinstance(b, Constant)
    if a.type.unit != b.type.unit and not (literal and not (a.type.unit and b.type.unit)):
        return reader.arithmetic(tree, "add", (a, b))  # reports the mixed units
    scaled = reader.arithmetic(tree, "mul", (reader.with_unit(a, ""), constant(PPM)))
    ratio = reader.with_unit(reader.arithmetic(tree, "div", (scaled, reader.with_unit(b, ""))), "ppm")
    return ratio if len(args) == 2 else reader.choice(tree, "coalesce", (ratio, args[2]))


def _share(reader: Reader, tree: ast.AST, args: tuple[Node, ...]) -> Node:
    a, part = args
    if part.type.unit not in ("ppm", "") or part.type.kind != "int":
        return reader.fault(tree, "share_takes_ppm", unit=part.type.unit or part.type.kind)
    scaled = reader.arithmetic(tree, "mul", (reader.with_unit(a, ""), reader.with_unit(part, "")))
    return reader.with_unit(reader.arithmetic(tree, "div", (scaled, constant(PPM))), a.type.unit)


def _units(
    reader: Reader, tree: ast.AST, args: tuple[Node, ...], wanted: tuple[str, ...]
) -> tuple[Node, ...] | None:
    """The arguments without units, when each has the unit wanted or is a literal; None after a report."""
    for arg, unit in zip(args, wanted, strict=True):
        literal = isinstance(arg, Constant) and not arg.type.unit
        if arg.type.kind != "int" or (arg.type.unit != unit and not literal):
            shown = f"{arg.type.kind} {arg.type.unit}".strip()
            reader.fault(tree, "argument_unit", found=shown, wanted=unit or "a number")
            return None
    return tuple(reader.with_unit(arg, "") for arg in args)


def _first_instalment(reader: Reader, tree: ast.AST, args: tuple[Node, ...]) -> Node:
    """Upper bound of an annuity payment: principal / n + one month's interest on the whole principal."""
    parts = _units(reader, tree, args, ("fen", "", "ppm"))
    if parts is None:
        return Constant(BAD, 0)
    principal, instalments, rate = parts
    part = reader.arithmetic(tree, "div", (principal, instalments))
    yearly = reader.arithmetic(tree, "mul", (principal, rate))
    interest = reader.arithmetic(tree, "div", (yearly, constant(12 * PPM)))
    both = reader.arithmetic(tree, "add", (part, interest))
    return reader.with_unit(reader.arithmetic(tree, "add", (both, constant(2))), "fen")


def _affordable_principal(reader: Reader, tree: ast.AST, args: tuple[Node, ...]) -> Node:
    """The principal whose first_instalment is the given one: P = c / (1/n + rate/12). At most ¥10 M a month counts."""
    parts = _units(reader, tree, args, ("fen", "", "ppm"))
    if parts is None:
        return Constant(BAD, 0)
    instalment, instalments, rate = parts
    instalment = _clip(reader, tree, (instalment, constant(0), constant(10**9)))
    months = reader.arithmetic(tree, "mul", (instalment, instalments))
    scaled = reader.arithmetic(tree, "mul", (months, constant(12 * PPM)))
    yearly = reader.arithmetic(tree, "mul", (instalments, rate))
    divisor = reader.arithmetic(tree, "add", (yearly, constant(12 * PPM)))
    return reader.with_unit(reader.arithmetic(tree, "div", (scaled, divisor)), "fen")


def _missing(reader: Reader, tree: ast.AST, args: tuple[Node, ...]) -> Node:
    return reader.apply(tree, replace(BOOL, nullable=False), "missing", args)


def _coalesce(reader: Reader, tree: ast.AST, args: tuple[Node, ...]) -> Node:
    result = args[-1]
    for arg in reversed(args[:-1]):
        result = reader.choice(tree, "coalesce", (arg, result))
    return result


def _all(op: str) -> Make:
    return lambda reader, tree, args: reader.logic(tree, op, args)


def _count_of(reader: Reader, tree: ast.AST, args: tuple[Node, ...]) -> Node:
    """How many conditions are true; missing while one cannot be evaluated."""
    ones = tuple(reader.choice(tree, "if", (arg, constant(1), constant(0))) for arg in args)
    return _numbers("add")(reader, tree, ones)


def _at_least(reader: Reader, tree: ast.AST, args: tuple[Node, ...]) -> Node:
    """True once k are known to be true, false once too few are left that could be, else not evaluated."""
    wanted, conditions = args[0], args[1:]
    if not isinstance(wanted, Constant) or not 1 <= wanted.value <= len(conditions):
        return reader.fault(tree, "at_least_reach")
    if any(c.type.kind != "bool" for c in conditions):
        return reader.logic(tree, "and", conditions)  # reports the odd one
    yes, no = (Constant(replace(BOOL, nullable=False), int(flag)) for flag in (True, False))
    sure = tuple(reader.choice(tree, "coalesce", (c, no)) for c in conditions)
    open_ = tuple(reader.choice(tree, "coalesce", (c, yes)) for c in conditions)
    reached = reader.compare(tree, "ge", _count_of(reader, tree, sure), wanted)
    if not any(c.type.nullable for c in conditions):
        return reached
    possible = reader.compare(tree, "ge", _count_of(reader, tree, open_), wanted)
    rest = reader.choice(tree, "if", (possible, absent(BOOL), no))
    return reader.choice(tree, "if", (reached, yes, rest))


def _scaled(unit: str, scale: int, form: str) -> Literal:
    """A literal in people's units: yuan(19.99) is 1999 fen, percent(2.5) is 25000 ppm; exact or refused."""

    def literal(reader: Reader, tree: ast.Call, args: list[ast.expr]) -> Node:
        written, sign = args[0], 1
        if isinstance(written, ast.UnaryOp) and isinstance(written.op, ast.USub):
            written, sign = written.operand, -1
        given = written.value if isinstance(written, ast.Constant) else None
        if isinstance(given, (int, float)) and not isinstance(given, bool) and abs(given) <= INT64:
            number = sign * Decimal(repr(given)) * scale
            if number == int(number) and abs(number) <= INT64:
                return constant(int(number), unit)
        return reader.fault(
            tree,
            "needs_written_number" if given is None else "no_such_number",
            value=given,
            form=form,
            decimals=len(str(scale)) - 1,
        )

    return literal


def _date(reader: Reader, tree: ast.Call, args: list[ast.expr]) -> Node:
    text = args[0].value if isinstance(args[0], ast.Constant) else None
    try:
        return constant((date.fromisoformat(str(text)) - EPOCH).days, "date")
    except ValueError:
        return reader.fault(tree, "no_date", value=text)


def _named(scope: str) -> Literal:
    """source_missing('bank') is the name source_missing.bank."""

    def literal(reader: Reader, tree: ast.Call, args: list[ast.expr]) -> Node:
        if not is_text(args[0]):
            return reader.fault(tree, "needs_quoted_name", scope=scope)
        return reader.called(tree, f"{scope}.{ast.literal_eval(args[0])}")

    return literal


FUNCTIONS.update({
    "abs": Function("abs(a)", 1, 1, "绝对值", "absolute value", _abs),
    "min": Function("min(a, b, …)", 2, MOST, "最小值", "least", _numbers("min")),
    "max": Function("max(a, b, …)", 2, MOST, "最大值", "greatest", _numbers("max")),
    "clip": Function("clip(a, low, high)", 3, 3, "限制在区间内", "brought into a range", _clip),
    "between": Function("between(a, low, high)", 3, 3, "在区间内（含两端）", "low <= a <= high", _between),
    "coalesce": Function("coalesce(a, b, …)", 2, MOST, "第一个不缺失的值", "the first that is there", _coalesce),
    "missing": Function("missing(a)", 1, 1, "是否缺失", "whether it is missing", _missing),
    "ratio_ppm": Function(
        "ratio_ppm(a, b[, otherwise])", 2, 3, "比值（百万分比），分母为零时缺失或取给定值",
        "a over b in ppm; missing, or the third value, when b is 0 or either is missing", _ratio_ppm,
    ),
    "share": Function("share(a, ppm)", 2, 2, "按百万分比取份额", "that part of a", _share),
    "all_of": Function("all_of(p, q, …)", 1, MOST, "全部成立", "and", _all("and")),
    "any_of": Function("any_of(p, q, …)", 1, MOST, "任一成立", "or", _all("or")),
    "count_of": Function("count_of(p, q, …)", 1, MOST, "成立的个数", "how many are true", _count_of),
    "at_least": Function("at_least(2, p, q, r)", 2, MOST, "至少几个成立", "at least so many are true", _at_least),
    "first_instalment": Function(
        "first_instalment(principal_fen, instalments, rate_ppm)", 3, 3, "首期还款额的上界",
        "upper bound of the equal instalment", _first_instalment,
    ),
    "affordable_principal": Function(
        "affordable_principal(instalment_fen, instalments, rate_ppm)", 3, 3, "月供能承担的本金",
        "principal that an instalment repays", _affordable_principal,
    ),
    "yuan": Function(
        "yuan(1999.99)", 1, 1, "元（换算为分）", "an amount in yuan", literal=_scaled("fen", 100, "yuan(19.99)")
    ),
    "percent": Function(
        "percent(2.5)", 1, 1, "百分比（换算为百万分比）", "a share in percent",
        literal=_scaled("ppm", 10_000, "percent(2.5)"),
    ),
    "date": Function("date('2026-08-01')", 1, 1, "日期", "a day", literal=_date),
    "source_missing": Function(
        "source_missing('bank')", 1, 1, "数据源缺失", "a source gave nothing", literal=_named("source_missing")
    ),
    "on_list": Function("on_list('deny_phone')", 1, 1, "在名单上", "the applicant is on a list", literal=_named("on_list")),
})  # fmt: skip
