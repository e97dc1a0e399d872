"""Random numbers by address: the same (seed, stream, index...) always gives the same draw.

A life simulated to May and the same life simulated to June agree on everything before May, because each draw is a hash of
where it stands and not the next output of a generator (SplitMix64, Steele et al. 2014).
"""

from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_U = np.uint64
_GOLDEN = _U(0x9E3779B97F4A7C15)
_MIX1 = _U(0xBF58476D1CE4E5B9)
_MIX2 = _U(0x94D049BB133111EB)


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = (x ^ (x >> _U(30))) * _MIX1
    x = (x ^ (x >> _U(27))) * _MIX2
    return x ^ (x >> _U(31))


def seed_of(text: str) -> int:
    """A 63-bit seed from any text."""
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big") >> 1


def uniform(seed: int, stream: int, *index: Any) -> Floats:
    """Draws in (0, 1), shaped by broadcasting the index arrays (integers)."""
    h = _mix(np.array([seed], dtype=_U) * _GOLDEN + _U(stream))
    for i in index:
        h = _mix((h + _GOLDEN) ^ (np.asarray(i).astype(np.int64).view(_U) * _MIX1))
    return ((h >> _U(11)).astype(np.float64) + 0.5) * 2.0**-53


def normal(seed: int, stream: int, *index: Any) -> Floats:
    """Standard normal draws (Box-Muller over two streams: takes `stream` and `stream + 1000`)."""
    u, v = uniform(seed, stream, *index), uniform(seed, stream + 1000, *index)
    return np.sqrt(-2.0 * np.log(u)) * np.cos(2.0 * np.pi * v)
