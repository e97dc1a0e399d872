"""What a pack offers and asks: loan products, and consent texts whose exact wording can be cited by hash."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any

from timelyrain.finance import DayBasis, Method, MonthEnd, Rounding, Shift, Unit, schedule_problems

from .reading import Entry

Tables = dict[str, list[dict[str, Any]]]
PPM = 1_000_000
# Names that `contract` gives a meaning to; a room beside this one, so they stand here by name.
AHEAD = ("WAITS", "NEXT", "LAST")
OVERDUE = ("PENALTY", "INTEREST", "TO_PERIOD_END")
ALLOCATION = ("COSTS", "INTEREST", "PRINCIPAL")


@dataclass(frozen=True, slots=True)
class Purpose:
    """What the money may be used for."""

    code: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Product:
    """A loan on offer. Enum names as `finance` has them; money in fen, rates and multipliers in ppm (1_500_000 = 1.5 x).

    max_rate_ppm: the house's own ceiling, beside the cap of the law. penalty_multiplier_ppm: of the contract rate, on
    overdue principal; where interest goes on beside it (overdue), of both together. forbidden_purposes: what the borrower
    promises not to use the money for.

    From `every` on: words of the signed terms that a product may set, as contract.Terms has them; what it leaves out keeps
    their default. working_days: due dates move by `shift` to working days of the calendar of the day of signing.
    """

    id: str
    name_zh: str
    name_en: str
    licences: tuple[str, ...]
    in_force_from: date
    in_force_to: date | None
    method: str
    day_basis: str
    rounding: str
    instalments: tuple[int, ...]
    min_amount_fen: int
    max_amount_fen: int
    step_fen: int
    min_rate_ppm: int
    max_rate_ppm: int
    grace_days: int
    penalty_multiplier_ppm: int
    prepayment_fee_ppm: int
    purposes: tuple[Purpose, ...]
    forbidden_purposes: tuple[Purpose, ...]
    every: int = 1
    unit: str = "MONTHS"
    month_end: str = "CLAMP"
    due_day: int | None = None
    working_days: bool = False
    shift: str = "FOLLOWING"
    grace_principal: int = 0
    grace_interest: int = 0
    interest_free: int = 0
    down_payment_ppm: int = 0
    multiple_fen: int = 1
    smooth: bool = False
    whole_interest: bool = False
    equal_totals: bool = False
    ahead: str = "WAITS"
    overdue: str = "PENALTY"
    to_period_end: bool = False
    late_fee_fen: int = 0
    service_fee_fen: int = 0
    allocation: tuple[str, ...] = ALLOCATION

    def name(self, language: str = "zh") -> str:
        return self.name_en if language == "en" else self.name_zh

    def offered(self, on: date, licence: str) -> bool:
        """Whether a lender of this licence may offer it on a day."""
        live = self.in_force_from <= on and (self.in_force_to is None or on <= self.in_force_to)
        return live and licence in self.licences


@dataclass(frozen=True, slots=True)
class ConsentText:
    """One consent: one purpose, one recipient. What the person is shown, and what the law makes us say with it.

    recipient: a code ("lender" is ourselves). basis: the articles that ask for it. categories: kinds of data.
    sensitive: separate consent with the reason of need. required: without it the product cannot be given.
    retention: how long the data is kept, in days. sha256: of all of this, so that any change is a new text.
    """

    purpose: str
    recipient: str
    recipient_name_zh: str
    recipient_name_en: str
    recipient_contact: str
    basis: str
    categories: tuple[str, ...]
    sensitive: bool
    required: bool
    retention_days: int
    version: str
    title_zh: str
    title_en: str
    zh: str
    en: str
    sha256: str = ""

    def recipient_name(self, language: str = "zh") -> str:
        return self.recipient_name_en if language == "en" else self.recipient_name_zh

    def title(self, language: str = "zh") -> str:
        return self.title_en if language == "en" else self.title_zh

    def wording(self, language: str = "zh") -> str:
        return self.en if language == "en" else self.zh


def read_purposes(tables: Tables, problems: list[str]) -> dict[str, Purpose]:
    """Purposes of products.toml by their codes; what is wrong goes to `problems`."""
    purposes: dict[str, Purpose] = {}
    for index, table in enumerate(tables.get("purpose", [])):
        entry = Entry(table, f"products.toml purpose {index + 1}", problems)
        purpose = Purpose(entry.text("code"), entry.text("zh"), entry.text("en"))
        entry.done()
        if purpose.code in purposes:
            entry.problem(f"code = {purpose.code!r} stands twice")
        purposes[purpose.code] = purpose
    return purposes


def read_products(tables: Tables, purposes: dict[str, Purpose], problems: list[str]) -> tuple[Product, ...]:
    """Products of products.toml, of these purposes; what is wrong goes to `problems`."""
    products = [
        _product(Entry(table, f"products.toml product {index + 1}", problems), purposes)
        for index, table in enumerate(tables.get("product", []))
    ]
    if len({product.id for product in products}) < len(products):
        problems.append("products.toml: two products have one id")
    return tuple(products)


def _product(entry: Entry, purposes: dict[str, Purpose]) -> Product:
    def named(field: str) -> tuple[Purpose, ...]:
        codes = entry.texts(field)
        for code in codes:
            if code not in purposes:
                entry.problem(f"{field}: {code!r} is no purpose; add a [[purpose]]")
        return tuple(purposes[code] for code in codes if code in purposes)

    def one_of(field: str, known: type[StrEnum] | tuple[str, ...], default: str | None = None) -> str:
        value = entry.text(field, default)
        if value and value not in tuple(known):
            entry.problem(f"{field} = {value!r} must be one of {', '.join(known)}")
        return value

    product = Product(
        id=entry.text("id"),
        name_zh=entry.text("name_zh"),
        name_en=entry.text("name_en"),
        licences=entry.texts("licences"),
        in_force_from=entry.day("in_force_from"),
        in_force_to=entry.optional_day("in_force_to"),
        method=one_of("method", Method),
        day_basis=one_of("day_basis", DayBasis),
        rounding=one_of("rounding", Rounding),
        instalments=entry.integers("instalments"),
        min_amount_fen=entry.integer("min_amount_fen"),
        max_amount_fen=entry.integer("max_amount_fen"),
        step_fen=entry.integer("step_fen"),
        min_rate_ppm=entry.integer("min_rate_ppm"),
        max_rate_ppm=entry.integer("max_rate_ppm"),
        grace_days=entry.integer("grace_days"),
        penalty_multiplier_ppm=entry.integer("penalty_multiplier_ppm"),
        prepayment_fee_ppm=entry.integer("prepayment_fee_ppm"),
        purposes=named("purposes"),
        forbidden_purposes=named("forbidden_purposes"),
        every=entry.integer("every", 1),
        unit=one_of("unit", Unit, "MONTHS"),
        month_end=one_of("month_end", MonthEnd, "CLAMP"),
        due_day=entry.integer("due_day") if "due_day" in entry.table else None,
        working_days=entry.flag("working_days", False),
        shift=one_of("shift", Shift, "FOLLOWING"),
        grace_principal=entry.integer("grace_principal", 0),
        grace_interest=entry.integer("grace_interest", 0),
        interest_free=entry.integer("interest_free", 0),
        down_payment_ppm=entry.integer("down_payment_ppm", 0),
        multiple_fen=entry.integer("multiple_fen", 1),
        smooth=entry.flag("smooth", False),
        whole_interest=entry.flag("whole_interest", False),
        equal_totals=entry.flag("equal_totals", False),
        ahead=one_of("ahead", AHEAD, "WAITS"),
        overdue=one_of("overdue", OVERDUE, "PENALTY"),
        to_period_end=entry.flag("to_period_end", False),
        late_fee_fen=entry.integer("late_fee_fen", 0),
        service_fee_fen=entry.integer("service_fee_fen", 0),
        allocation=entry.texts("allocation") if "allocation" in entry.table else ALLOCATION,
    )
    entry.done()
    for wrong, text in (
        (not product.instalments or min(product.instalments, default=0) < 1, "instalments must be 1 or more"),
        (not 0 < product.min_amount_fen <= product.max_amount_fen, "amounts must be 0 < min <= max"),
        (product.step_fen < 1, "step_fen must be 1 or more"),
        (not 0 <= product.min_rate_ppm <= product.max_rate_ppm, "rates must be 0 <= min <= max"),
        (product.grace_days < 0 or product.prepayment_fee_ppm < 0, "grace_days and fees cannot be negative"),
        (product.penalty_multiplier_ppm < 0, "penalty_multiplier_ppm cannot be negative"),
        (
            sorted(product.allocation) != sorted(ALLOCATION),
            f"allocation must hold each of {', '.join(ALLOCATION)} once",
        ),
        (
            bool(set(product.purposes) & set(product.forbidden_purposes)),
            "a purpose is both allowed and forbidden",
        ),
    ):
        if wrong:
            entry.problem(text)
    _bounds(product, entry)
    _words(product, entry)
    return product


def _bounds(product: Product, entry: Entry) -> None:
    """Numbers that signed terms would refuse for some choice within the product."""
    few = min(product.instalments, default=1)
    for name, low, high in (
        ("grace_days", 0, 60),
        ("prepayment_fee_ppm", 0, PPM),
        ("every", 1, 366),
        ("grace_principal", 0, few - 1),
        ("grace_interest", 0, few - 1),
        ("interest_free", 0, few - 1),
        ("down_payment_ppm", 0, PPM - 1),
        ("multiple_fen", 1, 10**9),
        ("late_fee_fen", 0, 10**9),
        ("service_fee_fen", 0, 10**9),
    ):
        value = getattr(product, name)
        if not low <= value <= max(low, high):
            entry.problem(f"{name} = {value} must be from {low} to {max(low, high)}")
    most = max(product.instalments, default=1)
    for found in schedule_problems(product.min_amount_fen, product.max_rate_ppm, most, product.due_day):
        entry.problem(f"{found.field} = {found.value} {found.remedy}")


def _words(product: Product, entry: Entry) -> None:
    """Words that mean nothing, or two things, together: the same that signed terms refuse."""
    flat, bullet = product.method == Method.FLAT, product.method == Method.BULLET
    early = product.ahead != "WAITS"
    for wrong, text in (
        (flat and (early or product.overdue != "PENALTY"),
         "ahead and overdue follow the balance, flat interest does not; use another method"),
        (early and product.prepayment_fee_ppm > 0,
         f"ahead = {product.ahead!r} pays principal without a fee; leave out prepayment_fee_ppm, or let money wait"),
        (product.to_period_end and not early,
         "to_period_end is about money ahead of its day; set ahead to NEXT or LAST"),
        (product.smooth and product.method != Method.EQUAL_INSTALMENT, "smooth evens equal instalments; leave it out"),
        (product.whole_interest and not flat, "whole_interest rounds the interest of FLAT loans; leave it out"),
        (product.equal_totals and not flat, "equal_totals is about FLAT loans; leave it out"),
        (product.grace_interest > 0 and bullet, "grace_interest: a bullet loan has one instalment; leave it out"),
        (product.shift != Shift.FOLLOWING and not product.working_days, "shift needs working_days = true"),
    ):  # fmt: skip
        if wrong:
            entry.problem(text)


def read_consents(tables: Tables, problems: list[str]) -> tuple[ConsentText, ...]:
    """Consent texts of consents.toml; what is wrong goes to `problems`."""
    recipients: dict[str, tuple[str, str, str]] = {}
    for index, table in enumerate(tables.get("recipient", [])):
        entry = Entry(table, f"consents.toml recipient {index + 1}", problems)
        recipients[entry.text("code")] = entry.text("name_zh"), entry.text("name_en"), entry.text("contact")
        entry.done()
    texts = [
        _consent(Entry(table, f"consents.toml consent {index + 1}", problems), recipients)
        for index, table in enumerate(tables.get("consent", []))
    ]
    if len({(text.purpose, text.recipient) for text in texts}) < len(texts):
        problems.append(
            "consents.toml: one purpose and recipient stands twice; each needs one separate consent"
        )
    return tuple(texts)


def _consent(entry: Entry, recipients: dict[str, tuple[str, str, str]]) -> ConsentText:
    recipient = entry.text("recipient")
    if recipient not in recipients:
        entry.problem(f"recipient = {recipient!r} is unknown; add a [[recipient]]")
    name_zh, name_en, contact = recipients.get(recipient, ("", "", ""))
    text = ConsentText(
        purpose=entry.text("purpose"),
        recipient=recipient,
        recipient_name_zh=name_zh,
        recipient_name_en=name_en,
        recipient_contact=contact,
        basis=entry.text("basis"),
        categories=entry.texts("categories"),
        sensitive=entry.flag("sensitive"),
        required=entry.flag("required"),
        retention_days=entry.integer("retention_days"),
        version=entry.text("version"),
        title_zh=entry.text("title_zh"),
        title_en=entry.text("title_en"),
        zh="".join(entry.text("zh").split("\n")),
        en=" ".join(entry.text("en").split()),
    )
    entry.done()
    if name_zh not in text.zh or name_en not in text.en:
        entry.problem("both wordings must name the recipient as the recipient table does")
    body = json.dumps(asdict(text), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return replace(text, sha256=hashlib.sha256(body.encode()).hexdigest())
