"""The true probability of default, a declared simulation: docs/sandbox.md explains every term."""

from datetime import date
from math import exp, log

import numpy as np

from timelyrain.sandbox.character import Character, jobless
from timelyrain.sandbox.credit import burden, draw_accounts, inquiries
from timelyrain.sandbox.days import month_index
from timelyrain.sandbox.noise import uniform
from timelyrain.sandbox.people import Person

INTERCEPT = -3.6
_LABEL = 70


def default_probability(person: Person, c: Character, as_of: date) -> float:
    """Chance that a loan taken on this day is 90 days overdue within twelve months."""
    now = month_index(as_of)
    due_ratio, worst = burden(c, as_of)
    late = float((np.minimum(worst, 3) * np.linspace(0.3, 1.0, 24)).sum())
    asked = inquiries(c, draw_accounts(c, as_of), as_of)
    hungry = sum(1 for d, r in asked if r == "loan_approval" and (as_of - d).days <= 92)
    idle = float(jobless(c, np.arange(now - 2, now + 1)).sum())
    young = max(0, 25 - (as_of - person.birth).days // 365)
    logit = (
        INTERCEPT
        + 0.9 * min(due_ratio, 2.0)
        + 0.24 * min(late, 8.0)
        - 0.65 * log(c.income_fen / 720_000)
        - 0.30 * c.z_thrift
        + 3.5 * c.gambling_share
        + 0.35 * idle
        + 0.18 * min(hungry, 5)
        + 0.35 * c.gig
        + 0.10 * young
        + 0.40 * c.thin
        - 0.25 * c.z_discipline
        + 0.45 * c.hidden
    )
    return 1.0 / (1.0 + exp(-logit))


def defaults(c: Character, as_of: date, pd: float) -> bool:
    return bool(uniform(c.seed, _LABEL, as_of.toordinal()).item() < pd)
