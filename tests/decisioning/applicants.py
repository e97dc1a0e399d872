"""Synthetic applicants for tests: seeded, in the evidence shape, from steady to troubled."""

import random
from pathlib import Path

from timelyrain.decisioning import Evidence, LawContext, Policy, Request, evidence_from_json

AS_OF = 1_764_000_000
DAY = 86_400
LAW = LawContext(cap_ppm=240_000, max_rate_ppm=216_000, limit_max_fen=20_000_000)
REQUEST = Request(amount_fen=2_000_000, instalments=12, purpose="shopping")
POLICY_FILE = Path(__file__).parents[2] / "src/timelyrain/policies/cn/consumer_credit.toml"


def default_policy() -> Policy:
    return Policy.parse(POLICY_FILE.read_text(encoding="utf-8"))


def applicant(seed: int, trouble: float = 0.0, missing: tuple[str, ...] = ()) -> dict:
    """Raw evidence. trouble 0..1: less income, more lateness, gambling, inquiries. The same seed gives the same person."""
    rng = random.Random(seed)
    income = int(rng.uniform(900_000, 1_500_000) * (1 - 0.6 * trouble))
    flows = _flows(rng, income, trouble)
    accounts = [
        (
            AS_OF - rng.randrange(400, 1500) * DAY,
            "R2",
            3_000_000,
            int(2_500_000 * (0.2 + 0.7 * trouble)),
            50_000,
            "normal",
            0,
        )
        for _ in range(rng.randrange(1, 3))
    ]
    months = [
        (AS_OF - 30 * DAY * age, "N" if rng.random() > 0.4 * trouble else str(rng.randrange(1, 5)), 0)
        for age in range(1, 25)
    ]
    inquiries = [
        (
            AS_OF - rng.randrange(0, 700) * DAY,
            rng.choice(["loan_approval", "card_approval", "post_loan", "self"]),
        )
        for _ in range(int(3 + 12 * trouble))
    ]
    bills = [
        (AS_OF - 30 * DAY * age, rng.randrange(3_000, 12_000), int(rng.random() < trouble))
        for age in range(1, 13)
    ]
    events = {
        "bank_flow": _columns(("at", "amount_fen", "balance_fen", "kind", "counterparty", "mcc"), flows),
        "bureau_account": _columns(
            ("at", "kind", "limit_fen", "balance_fen", "monthly_due_fen", "state", "closed"), accounts
        ),
        "bureau_month": _columns(("at", "state", "overdue_fen"), months),
        "bureau_inquiry": _columns(("at", "kind"), inquiries),
        "telecom_bill": _columns(("at", "amount_fen", "late"), bills),
        **_later(rng, income, trouble),
    }
    facts = {
        "age": rng.randrange(22, 55),
        "id_valid_days": 2_000,
        "id_match": True,
        "bureau_score": int(760 - 300 * trouble),
        "public_records": 0,
        "phone_match": True,
        "phone_tenure_days": 1_500,
        "shop_tenure_days": 900,
        "device_tenure_days": 400,
    }
    gone = {
        "identity": ("id_match",),
        "bureau": ("bureau_score", "public_records"),
        "telecom": ("phone_match", "phone_tenure_days"),
        "shop": ("shop_tenure_days",),
        "device": ("device_tenure_days",),
    }
    tables = {
        "bank": ("bank_flow",),
        "bureau": ("bureau_account", "bureau_month", "bureau_inquiry"),
        "telecom": ("telecom_bill",),
        "shop": ("shop_order",),
        "tax": ("tax_record",),
        "device": ("device_event",),
    }
    for source in missing:
        for name in gone.get(source, ()):
            facts.pop(name)
        for name in tables.get(source, ()):
            events.pop(name)
    return {"as_of": AS_OF, "facts": facts, "events": events, "missing": list(missing)}


def evidence(seed: int, trouble: float = 0.0, missing: tuple[str, ...] = ()) -> Evidence:
    return evidence_from_json(applicant(seed, trouble, missing))


def _later(rng: random.Random, income: int, trouble: float) -> dict[str, dict[str, list]]:
    """Shop, tax and device events: steady people have one employer, one address and one device."""

    def at() -> int:
        return AS_OF - rng.randrange(360 * DAY)

    needy = ["jewellery", "gift_card", "electronics"]
    orders = [
        (
            at(),
            "bought",
            rng.choice(needy if rng.random() < trouble else ["grocery", "clothing", "home"]),
            rng.randrange(1_000, 200_000),
            int(rng.random() < 0.1),
            "credit_line" if rng.random() < trouble else "card",
            rng.randrange(1, 2**60),
            1 + rng.randrange(1 + int(4 * trouble)),
        )
        for _ in range(30)
    ]
    employer = rng.randrange(1, 2**60)
    records = [
        (AS_OF - 30 * DAY * age, kind, income, income * rate // 1000, employer)
        for age in range(1, 24)
        if rng.random() > 0.4 * trouble
        for kind, rate in (("income_tax", 30), ("social_insurance", 105), ("provident_fund", 240))
    ]
    kinds = ["login"] * 6 + (["apply", "sim_change", "root", "vpn"] if trouble > 0.5 else ["apply"])
    events = [
        (at(), rng.choice(kinds), 1 + rng.randrange(1 + int(3 * trouble)), 1 + int(6 * trouble), 5)
        for _ in range(40)
    ]
    return {
        "shop_order": _columns(
            ("at", "side", "category", "amount_fen", "refunded", "pay", "merchant", "address"), orders
        ),
        "tax_record": _columns(("at", "kind", "base_fen", "amount_fen", "employer"), records),
        "device_event": _columns(("at", "kind", "device", "accounts", "place"), events),
    }


def _flows(rng: random.Random, income: int, trouble: float) -> list[tuple[int, int, int, str, int, int]]:
    rows: list[tuple[int, int, str]] = []
    for month in range(12):
        start = AS_OF - 30 * DAY * (month + 1)
        if rng.random() > 0.5 * trouble:
            rows.append((start + 5 * DAY, income, "salary"))
        rows += [
            (start + rng.randrange(30 * DAY), -int(income * rng.uniform(0.01, 0.08)), "shop")
            for _ in range(6)
        ]
        rows.append((start + 8 * DAY, -int(income * 0.2), "rent"))
        rows += [(start + rng.randrange(30 * DAY), -20_000, "gambling") for _ in range(int(8 * trouble))]
        if rng.random() < trouble:
            rows.append((start + 20 * DAY, 0, "returned_debit"))
    balance, flows = 1_000_000, []
    for at, amount, kind in sorted(rows):
        balance += amount
        party = 1 + rng.randrange(9) + 100 * len(kind)
        flows.append((at, amount, balance, kind, party, {"shop": 5411, "gambling": 7995}.get(kind, 0)))
    return flows


def _columns(names: tuple[str, ...], rows: list[tuple]) -> dict[str, list]:
    return {name: [row[i] for row in sorted(rows)] for i, name in enumerate(names)}
