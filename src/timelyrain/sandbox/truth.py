"""The true probability of default, a declared simulation: docs/sandbox.md explains every term."""

import numpy as np

from timelyrain.sandbox.credit import File
from timelyrain.sandbox.days import Moments
from timelyrain.sandbox.lives import Bools, Lives, ill, jobless
from timelyrain.sandbox.noise import Floats, uniform

INTERCEPT = -3.6
_LABEL, _LOSS = 70, 71


def default_probability(c: Lives, when: Moments, file: File) -> Floats:
    """Chance that a loan taken on this day is 90 days overdue within twelve months."""
    n, a = len(c), file.accounts
    due_ratio = np.bincount(a.owner, file.due_now, n) / c.income_fen
    worst = np.zeros((n, file.behind.shape[1]), np.int64)
    np.maximum.at(worst, a.owner, file.behind)
    late = (np.minimum(worst, 3) * np.linspace(0.3, 1.0, worst.shape[1])).sum(axis=1)
    q = file.asked
    hungry = np.bincount(q.owner, (q.reason == 0) & (when.date[q.owner] - q.date <= 92), n)
    idle = jobless(c, when.month[:, None] + np.arange(-2, 1)).sum(axis=1)
    sick = ill(c, when.month[:, None] + np.arange(-5, 1)).sum(axis=1)
    young = np.maximum(0, 25 - (when.date - c.born) // 365)
    logit = (
        INTERCEPT
        + 0.9 * np.minimum(due_ratio, 2.0)
        + 0.24 * np.minimum(late, 8.0)
        - 0.65 * np.log(c.income_fen / 720_000)
        - 0.30 * c.z_thrift
        + 3.5 * c.gambling_share
        + 0.35 * idle
        + 0.5 * np.minimum(sick, 2.0)
        + 0.18 * np.minimum(hungry, 5)
        + 0.35 * c.gig
        + 0.10 * young
        + 0.40 * c.thin
        - 0.25 * c.z_discipline
        + 0.45 * c.hidden
        + 2.5 * (c.ring >= 0)
    )
    return 1.0 / (1.0 + np.exp(-logit))


def defaults(c: Lives, when: Moments, pd: Floats) -> Bools:
    """Drawn once from the probability; stays for that person and day."""
    return uniform(c.seed, _LABEL, when.date + 719_163) < pd


def loss_share(c: Lives, when: Moments) -> Floats:
    """Part of the principal lost by who defaults: most within the first instalments, a third comes back."""
    owed = 1.0 - 0.6 * uniform(c.seed, _LOSS, when.date) ** 2
    return owed * (0.45 + 0.4 * uniform(c.seed, _LOSS, when.date, 1))
