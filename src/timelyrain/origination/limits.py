"""What the law and the product allow on a day, as decisions take it; pure, for the instant path and for back-tests alike."""

from datetime import UTC, date, datetime, time, timedelta, timezone

from timelyrain.backtesting import Law
from timelyrain.decisioning import LawContext
from timelyrain.origination.pricing import max_rate_ppm
from timelyrain.policies import Pack, Product, RuleNotInForce

_RULES = ("cost_cap_ppm", "consumer_unsecured_limit_fen")


def limits_on(pack: Pack, product: Product, licence: str, on: date) -> LawContext:
    """The limits of a day. Raises RuleUnknown, RuleNotInForce."""
    cap, unsecured = (_number(pack, name, on, licence) for name in _RULES)
    return LawContext(
        cap_ppm=cap,
        max_rate_ppm=min(max_rate_ppm(cap, product.every, product.unit), product.max_rate_ppm),
        limit_max_fen=min(unsecured, product.max_amount_fen),
        instalments_max=max(product.instalments),
    )


def limits_over_time(pack: Pack, product: Product, licence: str, utc_offset_minutes: int = 480) -> Law:
    """Every period of different limits, by the lender's days. Raises RuleNotInForce when there is none."""
    days = sorted({r.in_force_from for r in pack.rules if r.name in _RULES and r.licence in ("", licence)})
    zone = timezone(timedelta(minutes=utc_offset_minutes))
    periods: list[tuple[int, LawContext]] = []
    for day in days:
        try:
            limits = limits_on(pack, product, licence, day)
        except RuleNotInForce:
            continue  # one of the rules begins later
        begins = datetime.combine(day, time(), zone).astimezone(UTC)
        periods.append((int(begins.timestamp()), limits))
    if not periods:
        raise RuleNotInForce(f"pack {pack.code} has no limits for licence {licence!r}: name another licence")
    return Law(tuple(periods))


def _number(pack: Pack, name: str, on: date, licence: str) -> int:
    value = pack.rule(name, on, licence).value
    if type(value) is not int:
        raise TypeError(f"rule {name} is not a whole number: {value!r}")
    return value
