"""What a device-risk provider sees: logins, applications for credit, signs of trouble. Rings share devices or bring new ones."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from timelyrain.sandbox.days import DAY, Moments, day_number, day_start, day_text
from timelyrain.sandbox.lives import Lives, jobless
from timelyrain.sandbox.noise import Ints, key_text, keys, uniform

MONTHS = 12
_HAPPENS, _TIME, _DEVICE, _PLACE, _CROWD = 240, 241, 242, 243, 244
KINDS = ["login", "apply", "sim_change", "root", "emulator", "vpn", "location_change", "credential_reset"]
LOGIN, APPLY, SIM, ROOT, EMULATOR, VPN, PLACE, RESET = range(8)
MEMORY = 36
"""Months that a device is remembered."""


@dataclass(frozen=True)
class Events:
    """Flat columns by owner and instant; kind: position in KINDS."""

    owner: Ints
    at: Ints
    kind: Ints
    device: Ints
    accounts: Ints
    place: Ints


def _since(c: Lives, months: Ints) -> Ints:
    """(n, months) -> month in which the phone of that month came into use: a new one every thirty months or so, every ten
    months for who enters the accounts of others."""
    lag = np.arange(MEMORY)
    bought = uniform(c.seed[:, None, None], _DEVICE, months[:, :, None] - lag)
    bought = bought < np.where(c.in_ring("takeover"), 0.1, 1 / 30)[:, None, None]
    return months - np.where(bought.any(axis=2), bought.argmax(axis=2), MEMORY)


def first_seen(c: Lives, when: Moments) -> Ints:
    """Day number on which the present device was first seen."""
    return day_number(np.where(c.in_ring("farm"), when.month - 1, _since(c, when.month[:, None])[:, 0]))


def events(c: Lives, when: Moments) -> Events:
    """The last 12 months and the running one."""
    months = when.month[:, None] + np.arange(-MONTHS, 1)
    idle = jobless(c, months)
    ring, farm, taken = (
        c.in_ring(*kinds)[:, None]
        for kinds in (("farm", "mill", "cash_out", "takeover"), ("farm",), ("takeover",))
    )
    cards = c.in_ring("farm", "mill", "takeover")[:, None]
    hunger = 0.05 * np.exp(0.6 * c.z_appetite + 1.5 * c.gambling_share)[:, None] * np.exp(1.0 * idle)
    steady = uniform(c.seed, _CROWD, 1)[:, None]  # some root their phone or use a VPN for good
    rates = (
        (LOGIN, 6, 0.6 + 0 * idle),
        (APPLY, 3, np.where(ring, 0.2, hunger)),
        (SIM, 1, np.where(cards, 0.06, 0.004)),
        (ROOT, 1, np.where(farm, 0.08, np.where(steady < 0.02, 0.5, 0.0))),
        (EMULATOR, 1, np.where(farm, 0.05, 0.0)),
        (VPN, 2, np.where(farm | taken, 0.15, np.where((steady > 0.3) & (steady < 0.36), 0.4, 0.01))),
        (PLACE, 2, np.where(farm, 0.15, np.where(taken, 0.25, 0.08))),
        (RESET, 1, np.where(farm, 0.05, np.where(taken, 0.12, 0.015))),
    )
    parts: list[tuple[Ints, ...]] = []
    for kind, slots, rate in rates:
        u = uniform(c.seed[:, None, None], _HAPPENS + 10 * kind + 20, months[:, :, None], np.arange(slots))
        owner, at, k = np.nonzero(u < rate[:, :, None])
        parts.append((owner, at, k, np.full(len(owner), kind)))
    owner, at, k, kind = (np.concatenate(x) for x in zip(*parts, strict=True))
    seed, month, mine = c.seed[owner], months[owner, at], c.ring[owner]
    together = c.in_ring("farm")[owner]
    day = 28 * uniform(seed, _TIME, month, k + 8 * kind)
    late = (
        c.in_ring("farm", "takeover")[owner] & (uniform(seed, _TIME + 100, month, k + 8 * kind) < 0.4)
    ) | ((kind == APPLY) & (c.gambling_share[owner] > 0))
    hour = np.where(late, 20 + 8 * (day % 1), 7.5 + 15.5 * (day % 1)) / 24
    instant = day_start(day_number(month)) + ((np.floor(day) + hour) * DAY).astype(np.int64)
    own = keys(seed, _DEVICE, _since(c, months)[owner, at])
    shared = keys(8, _DEVICE, mine, (uniform(seed, _DEVICE, month, k) * 4).astype(np.int64))
    crowd = np.where(uniform(c.seed, _CROWD, 0) < 0.12, 2, 1)
    crowd = np.where(c.in_ring("farm"), 2 + (uniform(c.seed, _CROWD, 2) * 14).astype(np.int64), crowd)
    home, away = (
        keys(seed, _PLACE, 0),
        keys(9, _PLACE, (uniform(seed, _PLACE, month, k) * 300).astype(np.int64)),
    )
    place = np.where(kind == PLACE, away, np.where(together, keys(8, _PLACE, mine), home))
    order = np.lexsort((k, kind, instant, owner))
    order = order[instant[order] <= when.at[owner[order]]]
    device = np.where(together, shared, own)
    return Events(owner[order], instant[order], kind[order], device[order], crowd[owner[order]], place[order])


class Sightings:
    """The provider's documents of n people, one by one."""

    def __init__(self, c: Lives, when: Moments, found: Events):
        self._found, self._first = found, first_seen(c, when)
        self._at = np.searchsorted(found.owner, np.arange(len(c) + 1)).tolist()

    def of(self, i: int) -> dict[str, Any]:
        f, span = self._found, slice(self._at[i], self._at[i + 1])
        columns = (f.at, f.kind, f.device, f.accounts, f.place)
        return {
            "provider": "sandbox-device-risk",
            "first_seen_on": day_text(int(self._first[i])),
            "fields": ["ts", "kind", "device", "accounts", "place"],
            "rows": [
                [at, KINDS[kind], key_text(device), accounts, key_text(place)]
                for at, kind, device, accounts, place in zip(
                    *(x[span].tolist() for x in columns), strict=True
                )
            ],
        }
