"""What drives simulated lives: income, thrift, appetite for debt, discipline, gambling, luck. See docs/sandbox.md.

Everything here and in the modules of the sources works on n people at once; one person is n = 1, with the same draws.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timelyrain.sandbox.days import month_index
from timelyrain.sandbox.noise import Floats, Ints, keys, normal, uniform
from timelyrain.sandbox.people import Person

Bools = NDArray[np.bool_]
_TRAITS, _JOB_LOSS, _JOB_GAP, _ILL, _EMPLOYER = 10, 11, 12, 13, 14
_SALARY_DAYS = np.array([5, 8, 10, 15, 20, 25])
RINGS = 60
RING_KINDS = ("farm", "mill", "cash_out", "takeover")
"""What a ring does, by its number modulo 4: a room full of telephones; bought identities with one employer and few addresses;
shops that sell to their own people on credit; accounts of others, entered with new SIM cards and passwords."""
WORKING_MEMORY = 120
"""Months that an employer is remembered: who lost no job within them has the employer they began with."""


@dataclass(frozen=True)
class Lives:
    """Columns of n people. z_*: standard normal traits, + is more of the named thing. Shares are of monthly income.

    ring: number of the fraud ring, -1 for almost everybody; careless: the ring's marks show on the person. first_credit: month
    index, no account before it. online: has an account with the shop. recorded: tax and contribution records can be had.
    """

    seed: Ints
    born: Ints
    income_fen: Ints
    z_discipline: Floats
    z_appetite: Floats
    z_thrift: Floats
    gig: Bools
    gambling_share: Floats
    rent_share: Floats
    cards: Ints
    revolving: Bools
    quasi_card: Bools
    utilisation: Floats
    first_credit: Ints
    thin: Bools
    salary_day: Ints
    job_loss_rate: Floats
    hidden: Floats
    ring: Ints
    careless: Bools
    sells: Bools
    online: Bools
    recorded: Bools

    def __len__(self) -> int:
        return len(self.seed)

    def in_ring(self, *kinds: str) -> Bools:
        """Who belongs to a ring of these kinds and lets it be seen."""
        return (
            self.careless
            & (self.ring >= 0)
            & np.isin(self.ring % len(RING_KINDS), [RING_KINDS.index(k) for k in kinds])
        )

    @property
    def buffer(self) -> Floats:
        """Typical balance at the start of a month, in months of income."""
        return 0.18 * np.exp(0.8 * self.z_thrift)


def rings(seed: Ints) -> Ints:
    """Number of the fraud ring of people drawn at random, -1 for almost everybody."""
    u = uniform(seed[:, None], _TRAITS + 2000, np.array([11, 12])).T
    return np.where(u[0] < 0.012, (u[1] * RINGS).astype(np.int64), -1)


def draw_lives(people: Sequence[Person]) -> Lives:
    """born is a day number as in days.py."""
    seed = np.array([p.seed for p in people], dtype=np.int64)
    profile = np.array([p.profile for p in people])
    born = np.array([p.birth.toordinal() - 719_163 for p in people], dtype=np.int64)
    z = normal(seed[:, None], _TRAITS, np.arange(8)).T
    u = uniform(seed[:, None], _TRAITS + 2000, np.arange(16)).T
    income = 7_200 * np.exp(0.42 * z[0])
    discipline, thrift = z[1].copy(), 0.4 * z[1] + 0.9 * z[2]
    appetite = -0.35 * z[1] + 0.9 * z[3]
    gig, thin = u[0] < 0.15, u[1] < 0.10
    gambling = np.where(u[2] < 0.09, 0.04 + 0.25 * u[3], 0.0)
    ring = np.where(profile == "random", rings(seed), -1)
    careless = u[12] * RINGS % 1 < 0.7
    bought, cashing = (np.isin(ring % 4, kinds) & (ring >= 0) & careless for kinds in ((0, 1), (2,)))
    good, young, deep, bets, late = (
        profile == name for name in ("good", "thin", "overindebted", "gambler", "late")
    )
    income = np.where(good, np.maximum(income, 9_000.0) * 1.2, income)
    income = np.where(young, 5_500 * np.exp(0.15 * z[0]), income)
    settled = good | deep | bets | late
    plain = settled | young
    gig, thin = gig & ~plain, (thin & ~plain) | young | bought
    gambling = np.where(bets, 0.30 + 0.2 * u[3], np.where(plain, 0.0, gambling))
    discipline = np.select(
        [good, young, deep, bets, late],
        [6.0 + np.abs(z[1]) / 2, 0.6, -0.4, -0.3, -3.5 - 0.3 * np.abs(z[1])],
        discipline,
    )
    thrift = np.select([good, young, deep, bets], [0.8 + np.abs(z[2]) / 2, 0.0, -0.8, -1.0], thrift)
    appetite = np.select(
        [good, young, deep, bets], [-0.9 + 0.2 * z[3], -3.0, 2.7 + 0.2 * np.abs(z[3]), 0.8], appetite
    )
    twenty = np.array([month_index(p.birth) for p in people], dtype=np.int64) + 20 * 12
    return Lives(
        seed=seed,
        born=born,
        income_fen=(np.maximum(2_200.0, income) * 100).astype(np.int64),
        z_discipline=discipline,
        z_appetite=appetite,
        z_thrift=thrift,
        gig=gig,
        gambling_share=gambling,
        rent_share=np.where(u[4] < 0.35, 0.0, 0.15 + 0.2 * u[5]),
        cards=np.where(thin, 0, np.maximum(settled, (u[6] * 3.4).astype(np.int64))),
        revolving=~thin & ((u[7] < 0.45) | late),
        quasi_card=~thin & (u[8] < 0.06),
        utilisation=np.clip(0.42 + 0.2 * appetite - 0.1 * thrift + 0.08 * z[4], 0.03, 0.97),
        first_credit=twenty + (u[9] * np.where(settled, 24, 60)).astype(np.int64),
        thin=thin,
        salary_day=_SALARY_DAYS[(u[10] * 6).astype(np.int64)],
        job_loss_rate=np.where(good, 0.0, np.where(gig, 0.022, 0.010)),
        hidden=z[5],
        ring=ring,
        careless=careless,
        online=plain | cashing | (u[14] >= 0.12),
        recorded=plain | (u[15] >= 0.06),
        sells=(u[13] < 0.06) | (u[13] < 0.8) & cashing,
    )


def _loses(c: Lives, months: Ints) -> Bools:
    """Is the job lost in that month? Times are hard in the first half of every fourth year: 2020, 2024."""
    hard = (months // 12 % 4 == 0) & (months % 12 < 6)
    axes = (slice(None),) + (None,) * (months.ndim - 1)
    return uniform(c.seed[axes], _JOB_LOSS, months) < c.job_loss_rate[axes] * np.where(hard, 1.8, 1.0)


def jobless(c: Lives, months: Ints) -> Floats:
    """(n, months) -> 1.0 in months without work. A job is lost now and then, for two to six months."""
    lag = np.arange(6)
    start = months[:, :, None] - lag
    lasting = 2 + uniform(c.seed[:, None, None], _JOB_GAP, start) * 5 > lag
    return np.any(_loses(c, start) & lasting, axis=2).astype(np.float64)


def ill(c: Lives, months: Ints) -> Floats:
    """(n, months) -> size of a hospital bill in months of income, 0 in almost every month."""
    u = uniform(c.seed[:, None], _ILL, months)
    return np.where(u < 0.006, 0.3 + 1.2 * u / 0.006, 0.0)


def employers(c: Lives, months: Ints) -> Ints:
    """(n, months) -> key of the employer: another one after each loss of a job; one for a whole ring of bought names."""
    first = int(months.min()) - WORKING_MEMORY if months.size else 0
    span = np.arange(first, int(months.max()) + 1 if months.size else 0)[None, :]
    lost = np.where(_loses(c, np.broadcast_to(span, (len(c), span.shape[1]))), span, 0)
    latest = np.maximum.accumulate(lost, axis=1)
    since = np.take_along_axis(latest, months - first, axis=1)
    since = np.where(since < months - WORKING_MEMORY, 0, since)
    own = keys(c.seed[:, None], _EMPLOYER, since)
    return np.where(c.in_ring("mill")[:, None], keys(7, _EMPLOYER, c.ring)[:, None], own)
