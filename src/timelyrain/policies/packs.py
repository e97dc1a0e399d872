"""Policy packs: law and house rules of a jurisdiction as dated data with source and confidence. Asking fails closed."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import pairwise

from .catalogue import ConsentText, Product, Purpose, read_consents, read_products, read_purposes
from .reading import Entry, PackInvalid, packaged_bytes, toml_tables

RuleValue = int | bool | str | tuple[str, ...]
CONFIDENCES = ("H", "M+", "M", "L")
_FILES = ("law.toml", "house.toml", "products.toml", "consents.toml")


class RuleUnknown(LookupError):
    """The pack has no rule of this name."""


class RuleNotInForce(LookupError):
    """The rule exists, but not for this day and licence; nothing may be assumed in its place."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule in force. `unit`: fen, ppm, days, ...; `in_force_to`: last day, None while open; `licence` "" = every licence.

    confidence: H official text checked, M+ and M consistent secondary sources, L weak.
    """

    name: str
    value: RuleValue
    unit: str
    in_force_from: date
    in_force_to: date | None
    licence: str
    source: str
    confidence: str
    note: str
    multiple_of: str = ""


@dataclass(frozen=True)
class Pack:
    """The rules, products and consent texts of one jurisdiction. `sha256`: of all its files, so that a pack can be cited."""

    code: str
    sha256: str
    rules: tuple[Rule, ...]
    _by_name: dict[str, list[Rule]]
    _purposes: tuple[Purpose, ...]
    _products: tuple[Product, ...]
    _consents: tuple[ConsentText, ...]

    @property
    def id(self) -> str:
        """For contracts and decision records: code and content, "cn@1f3a90c2b4d5"."""
        return f"{self.code}@{self.sha256[:12]}"

    def rule(self, name: str, on: date, licence: str = "") -> Rule:
        """The rule in force on a day for a licence; an entry for the licence goes before one for every licence.

        Raises RuleUnknown, RuleNotInForce.
        """
        entries = self._by_name.get(name)
        if entries is None:
            raise RuleUnknown(
                f"policy pack {self.code} has no rule {name!r}; see its law.toml and house.toml"
            )
        live = [
            r for r in entries if r.in_force_from <= on and (r.in_force_to is None or on <= r.in_force_to)
        ]
        for wanted in (licence, ""):
            for found in live:
                if found.licence == wanted:
                    return self._resolved(found, on, licence)
        known = ", ".join(f"{r.licence or 'every licence'} from {r.in_force_from}" for r in entries)
        raise RuleNotInForce(
            f"rule {name!r} is not in force on {on} for licence {licence!r}; entries: {known}"
        )

    def _resolved(self, rule: Rule, on: date, licence: str) -> Rule:
        if not rule.multiple_of:
            return rule
        base = self.rule(rule.multiple_of, on, licence)
        assert isinstance(rule.value, int) and isinstance(base.value, int)  # held by the loader
        return Rule(
            rule.name,
            rule.value * base.value,
            base.unit,
            max(rule.in_force_from, base.in_force_from),
            min((d for d in (rule.in_force_to, base.in_force_to) if d), default=None),
            rule.licence,
            f"{rule.source}; {base.source}",
            max(rule.confidence, base.confidence, key=CONFIDENCES.index),
            f"{rule.value} x {rule.multiple_of} of {base.value}. {rule.note}".strip(),
            rule.multiple_of,
        )

    def purposes(self) -> tuple[Purpose, ...]:
        """All purposes that have words here, in the order of the file: of products, and of decision policies beside them."""
        return self._purposes

    def products(self) -> tuple[Product, ...]:
        """All products, in the order of the file."""
        return self._products

    def product(self, id: str) -> Product:
        """One product. Raises RuleUnknown."""
        for product in self._products:
            if product.id == id:
                return product
        names = ", ".join(p.id for p in self._products)
        raise RuleUnknown(f"policy pack {self.code} has no product {id!r}; it has {names}")

    def consent_texts(self) -> tuple[ConsentText, ...]:
        """The present wordings, in the order in which to ask."""
        return self._consents

    def read(self, name: str) -> bytes:
        """Another file of the pack as it is shipped, such as a decision policy. Raises PackInvalid."""
        return packaged_bytes(self.code, name)


@cache
def load_pack(code: str) -> Pack:
    """Load the pack of a jurisdiction ("cn"). Raises PackInvalid with every problem of every file."""
    if not code.isidentifier():
        raise PackInvalid([f"{code!r} is not the code of a policy pack; try 'cn'"])
    sources = {name: packaged_bytes(code, name) for name in _FILES}
    digest = hashlib.sha256(b"".join(hashlib.sha256(source).digest() for source in sources.values()))
    return parse_pack(code, sources, digest.hexdigest())


def parse_pack(code: str, sources: dict[str, bytes], sha256: str = "") -> Pack:
    """A pack from the bytes of its files. Raises PackInvalid with every problem."""
    problems: list[str] = []
    rules: list[Rule] = []
    for name in ("law.toml", "house.toml"):
        for index, table in enumerate(toml_tables(sources[name], name).get("rule", [])):
            rules.append(
                _rule(Entry(table, f"{name} rule {index + 1} {table.get('name', '')}".strip(), problems))
            )
    by_name: dict[str, list[Rule]] = {}
    for rule in rules:
        by_name.setdefault(rule.name, []).append(rule)
    problems += _between(by_name)
    offered = toml_tables(sources["products.toml"], "products.toml")
    purposes = read_purposes(offered, problems)
    products = read_products(offered, purposes, problems)
    consents = read_consents(toml_tables(sources["consents.toml"], "consents.toml"), problems)
    if problems:
        raise PackInvalid(problems)
    return Pack(code, sha256, tuple(rules), by_name, tuple(purposes.values()), products, consents)


def _rule(entry: Entry) -> Rule:
    value = entry.table.get("value")
    entry.asked.add("value")
    if isinstance(value, list):
        value = entry.texts("value")
    elif not isinstance(value, int | str):  # True and False are integers, too
        entry.problem(f"value = {value!r} must be an integer, true or false, a string or an array of strings")
        value = 0
    rule = Rule(
        name=entry.text("name"),
        value=value,
        unit=entry.text("unit"),
        in_force_from=entry.day("in_force_from"),
        in_force_to=entry.optional_day("in_force_to"),
        licence=entry.text("licence", ""),
        source=entry.text("source"),
        confidence=entry.text("confidence"),
        note=entry.text("note", ""),
        multiple_of=entry.text("multiple_of", ""),
    )
    entry.done()
    if not rule.name.isidentifier() or not rule.name.islower():
        entry.problem(f"name = {rule.name!r} must be lower-case words joined by _")
    if rule.confidence not in CONFIDENCES:
        entry.problem(f"confidence = {rule.confidence!r} must be one of {', '.join(CONFIDENCES)}")
    if not rule.source:
        entry.problem("source must say where the rule stands")
    if rule.in_force_to and rule.in_force_to < rule.in_force_from:
        entry.problem(f"in_force_to = {rule.in_force_to} is before in_force_from = {rule.in_force_from}")
    return rule


def _between(by_name: dict[str, list[Rule]]) -> Iterable[str]:
    """Problems between entries: overlaps, mixed units and types, multiples of nothing."""
    for name, entries in by_name.items():
        if len({(rule.unit, type(rule.value)) for rule in entries if not rule.multiple_of}) > 1:
            yield f"rule {name}: all entries must have one unit and one type of value"
        ordered = sorted(entries, key=lambda rule: (rule.licence, rule.in_force_from))
        for before, after in pairwise(ordered):
            if before.licence == after.licence and (
                before.in_force_to is None or before.in_force_to >= after.in_force_from
            ):
                yield f"rule {name} {before.licence}: the entry from {before.in_force_from} overlaps {after.in_force_from}"
        for rule in entries:
            base = by_name.get(rule.multiple_of, [])
            if rule.multiple_of and (
                type(rule.value) is not int or not base or type(base[0].value) is not int
            ):
                yield f"rule {name}: multiple_of = {rule.multiple_of!r} must name a rule in whole numbers"
            if any(other.multiple_of for other in base):
                yield f"rule {name}: {rule.multiple_of} is itself a multiple"
