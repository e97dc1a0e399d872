"""Random numbers by address: the same (seed, stream, index...) always gives the same draw.

A life simulated to May and the same life simulated to June agree on everything before May, because each draw is a hash of
where it stands and not the next output of a generator (SplitMix64, Steele et al. 2014).
"""

from functools import lru_cache
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_U = np.uint64
_STEPS = (_U(0x9E3779B97F4A7C15), _U(0xD1B54A32D192ED03), _U(0x8CB92BA72F3D8DD7))  # odd: one stride per index
_MIX1 = _U(0xBF58476D1CE4E5B9)
_MIX2 = _U(0x94D049BB133111EB)


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = (x ^ (x >> _U(30))) * _MIX1
    x = (x ^ (x >> _U(27))) * _MIX2
    return x ^ (x >> _U(31))


def seed_of(text: str) -> int:
    """A 63-bit seed from any text."""
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big") >> 1


@lru_cache(maxsize=4096)
def _base(seed: int, stream: int) -> NDArray[np.uint64]:
    return _bases(np.array([seed], dtype=_U), stream)


def _bases(seeds: NDArray[Any], stream: int) -> NDArray[np.uint64]:
    return _mix(_mix(seeds.astype(_U)) + _U(stream))


def _hash(seed: int | Ints, stream: int, index: tuple[Any, ...]) -> NDArray[np.uint64]:
    h = _base(seed, stream) if isinstance(seed, int) else _bases(seed, stream)
    for i, step in zip(index, _STEPS, strict=False):
        h = h + np.atleast_1d(i).astype(np.int64).view(_U) * step
    return _mix(h)


def uniform(seed: int | Ints, stream: int, *index: Any) -> Floats:
    """Draws in (0, 1), shaped by broadcasting the seed (one, or an array of any shape) and up to three index arrays."""
    return ((_hash(seed, stream, index) >> _U(11)).astype(np.float64) + 0.5) * 2.0**-53


def normal(seed: int | Ints, stream: int, *index: Any) -> Floats:
    """Standard normal draws (Box-Muller over two streams: takes `stream` and `stream + 1000`)."""
    u, v = uniform(seed, stream, *index), uniform(seed, stream + 1000, *index)
    return np.sqrt(-2.0 * np.log(u)) * np.cos(2.0 * np.pi * v)


def keys(seed: int | Ints, stream: int, *index: Any) -> Ints:
    """Names that say nothing: hashes from 1 to 2^62, as a data provider hands out for people, shops and devices."""
    return (_hash(seed, stream, index) >> _U(2)).astype(np.int64) + 1


def key_text(key: int) -> str:
    return f"{key:016x}"
