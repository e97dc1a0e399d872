"""What drives a simulated life: income, thrift, appetite for debt, discipline, gambling, luck. See docs/sandbox.md."""

from dataclasses import dataclass
from math import exp

import numpy as np

from timelyrain.sandbox.days import month_index
from timelyrain.sandbox.noise import Floats, Ints, normal, uniform
from timelyrain.sandbox.people import Person

_TRAITS, _JOB_LOSS, _JOB_GAP = 10, 11, 12


@dataclass(frozen=True)
class Character:
    """z_*: standard normal traits, + is more of the named thing. Shares are of monthly income."""

    seed: int
    income_fen: int
    z_discipline: float
    z_appetite: float
    z_thrift: float
    gig: bool
    gambling_share: float
    rent_share: float
    cards: int
    revolving: bool
    quasi_card: bool
    utilisation: float
    first_credit: int  # month index; no account before it
    thin: bool
    salary_day: int
    job_loss_rate: float  # per month
    hidden: float  # what no source shows

    @property
    def buffer(self) -> float:
        """Typical balance at the start of a month, in months of income."""
        return 0.18 * exp(0.8 * self.z_thrift)


def draw_character(person: Person) -> Character:
    z = normal(person.seed, _TRAITS, range(8)).tolist()
    u = uniform(person.seed, _TRAITS + 2000, range(12)).tolist()
    income = 7_200 * exp(0.42 * z[0])
    discipline, thrift = z[1], 0.4 * z[1] + 0.9 * z[2]
    appetite = -0.35 * z[1] + 0.9 * z[3]
    gig, thin = u[0] < 0.15, u[1] < 0.10
    gambling = 0.04 + 0.25 * u[3] if u[2] < 0.09 else 0.0
    match person.profile:
        case "good":
            income, gig, thin, gambling = max(income, 9_000.0) * 1.2, False, False, 0.0
            discipline, thrift, appetite = 6.0 + abs(z[1]) / 2, 0.8 + abs(z[2]) / 2, -0.9 + 0.2 * z[3]
        case "thin":
            income, gig, thin, gambling = 5_500 * exp(0.15 * z[0]), False, True, 0.0
            discipline, thrift, appetite = 0.6, 0.0, -3.0
        case "overindebted":
            gig, thin, gambling, appetite, thrift = False, False, 0.0, 2.7 + 0.2 * abs(z[3]), -0.8
            discipline = -0.4
        case "gambler":
            gig, thin, gambling, thrift, appetite = False, False, 0.30 + 0.2 * u[3], -1.0, 0.8
            discipline = -0.3
        case "late":
            gig, thin, gambling, discipline = False, False, 0.0, -3.5 - 0.3 * abs(z[1])
        case _:
            pass
    twenty = month_index(person.birth) + 20 * 12
    settled = person.profile in ("good", "overindebted", "late", "gambler")
    return Character(
        seed=person.seed,
        income_fen=int(max(2_200.0, income) * 100),
        z_discipline=discipline,
        z_appetite=appetite,
        z_thrift=thrift,
        gig=gig,
        gambling_share=gambling,
        rent_share=0.0 if u[4] < 0.35 else 0.15 + 0.2 * u[5],
        cards=0 if thin else max(1 if settled else 0, int(u[6] * 3.4)),
        revolving=not thin and (u[7] < 0.45 or person.profile == "late"),
        quasi_card=not thin and u[8] < 0.06,
        utilisation=min(0.97, max(0.03, 0.42 + 0.2 * appetite - 0.1 * thrift + 0.08 * z[4])),
        first_credit=twenty + int(u[9] * (24 if settled else 60)),
        thin=thin,
        salary_day=(5, 8, 10, 15, 20, 25)[int(u[10] * 6)],
        job_loss_rate=0.0 if person.profile == "good" else 0.022 if gig else 0.010,
        hidden=z[5],
    )


def jobless(c: Character, months: Ints) -> Floats:
    """1.0 in months without work. A job is lost now and then, for two to six months."""
    lag = np.arange(6)[None, :]
    start = months[:, None] - lag
    lost = uniform(c.seed, _JOB_LOSS, start) < c.job_loss_rate
    lasting = 2 + uniform(c.seed, _JOB_GAP, start) * 5 > lag
    return np.any(lost & lasting, axis=1).astype(np.float64)
