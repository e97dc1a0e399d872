"""People by the thousand with their raw documents and their fate, for models to learn from: see docs/sandbox.md."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta

from timelyrain.sandbox import bank, credit, telecom
from timelyrain.sandbox.character import draw_character
from timelyrain.sandbox.days import china_date
from timelyrain.sandbox.noise import seed_of, uniform
from timelyrain.sandbox.people import make_person
from timelyrain.sandbox.truth import default_probability, defaults

NO_TELECOM = 0.04  # share of people whose carrier gives nothing


def population_lines(n: int, seed: int, as_of: datetime, span_months: int) -> Iterator[bytes]:
    """n lines of JSON; applications spread evenly over the `span_months` before `as_of`."""
    root = seed_of(f"population/{seed}")
    draws = uniform(root, 80, range(n), [[0], [1]]).tolist()
    for i in range(n):
        person = make_person("random", seed_of(f"population/{seed}/{i}"))
        at = as_of - timedelta(days=draws[0][i] * span_months * 30.4375)
        c, on = draw_character(person), china_date(at)
        pd = default_probability(person, c, on)
        line = {
            "subject": person.identity(),
            "as_of": at.isoformat(timespec="seconds"),
            "documents": {
                "registry": {"result": "match"},
                "bureau": credit.report(person, c, at, "loan_approval", []),
                "bank_flow": bank.flows(person, c, person.bank_card, 12, at),
                "telecom": None if draws[1][i] < NO_TELECOM else telecom.bills(person, c, person.phone, at),
            },
            "default_12m": int(defaults(c, on, pd)),
            "true_pd": round(pd, 6),
        }
        yield json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
