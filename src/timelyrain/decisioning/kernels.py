"""The sweep of `sweep.py` as one compiled loop over events, newest first. Imported only where numba is installed.

The same integers by the same rules: results are equal to the byte. Compiled once and kept beside this file (or in
NUMBA_CACHE_DIR); the first compilation takes seconds.
"""

# pyright: basic
from typing import Any

import numba
import numpy as np

njit: Any = numba.njit
DAY = 86_400
COUNT, SUM, MEAN, MIN, MAX, LAST, RECENCY, FIRST, PERIODS, DISTINCT, STD = range(11)
"""Statistics as the kernel knows them."""
WANTS_VALUE, WANTS_RANGE, WANTS_SQUARES, WANTS_PERIODS, WANTS_STEADY, WANTS_DISTINCT = (1, 2, 4, 8, 16, 32)
KEPT_COUNT, KEPT_TOTAL, KEPT_LEAST, KEPT_MOST, KEPT_PERIODS, KEPT_DIFFERENT, KEPT_OLDEST = range(7)
SEEN_DAYS, SEEN_PERIOD, SEEN_LAST, SEEN_VALUE = range(4)
_BIT = np.uint64(0x03F79D71B4CB0A89)  # a de Bruijn sequence: the position of a lone bit by one multiplication
_PLACE = np.zeros(64, np.int64)
for _i in range(64):
    _PLACE[(((1 << _i) * int(_BIT)) & (2**64 - 1)) >> 58] = _i
_32, _HALF = np.uint64(32), np.uint64(0xFFFFFFFF)
_ONE, _SHIFT, _NONE, _MIX = np.uint64(1), np.uint64(58), np.uint64(0), np.uint64(0x9E3779B97F4A7C15)


@njit(cache=True, nogil=True, boundscheck=False)
def number_values(pool, base, low, high, ids, table):
    """Dense numbers of the values pool[base + low : base + high], into ids; table: int64 of a power of two, twice as long."""
    size = 16
    while size < 2 * (high - low):
        size *= 2
    mask = np.uint64(size - 1)
    table[:size] = -1
    found = 0
    for row in range(low, high):
        value = pool[base + row]
        slot = (np.uint64(value) * _MIX) >> np.uint64(30) & mask
        while True:
            first = table[slot]
            if first < 0:
                table[slot] = row
                ids[row - low] = found
                found += 1
                break
            if pool[base + first] == value:
                ids[row - low] = ids[first - low]
                break
            slot = (slot + _ONE) & mask
    return found


@njit(cache=True)
def wide(a, b):
    """`spread.wide` of two."""
    a0, a1, b0, b1 = a & _HALF, a >> _32, b & _HALF, b >> _32
    low, cross, other = a0 * b0, a0 * b1, a1 * b0
    middle = (low >> _32) + (cross & _HALF) + (other & _HALF)
    return a1 * b1 + (cross >> _32) + (other >> _32) + (middle >> _32), (low & _HALF) | (middle << _32)


@njit(cache=True)
def deviation(count, total, aa, ab, bb):
    """`spread.deviation` of one."""
    n = np.uint64(count)
    middle = 2 * ab + (bb >> 20)
    top = np.uint64(aa + (middle >> 20))
    low = np.uint64(((middle & 0xFFFFF) << 20) | (bb & 0xFFFFF))
    high, rest = wide(n, top)
    high, rest = (high << np.uint64(40)) | (rest >> np.uint64(24)), rest << np.uint64(40)
    more, part = wide(n, low)
    rest += part
    high += more + (_ONE if rest < part else _NONE)
    size = np.uint64(abs(total))
    more, part = wide(size, size)
    high -= more + (_ONE if rest < part else _NONE)
    rest -= part
    found = max(np.int64(np.sqrt(np.float64(high) * 2.0**64 + np.float64(rest)) / count) - 1, 0)
    for _ in range(2):
        square, part = wide(np.uint64(found + 1) * n, np.uint64(found + 1) * n)
        if square < high or (square == high and part <= rest):
            found += 1
    return found


@njit(cache=True, nogil=True, boundscheck=False)
def sweep(
    as_of, given, starts, utc_offset, day_of_month,
    pool, bases, edges, ring_count,
    source_first, digit_first, digit_source, digit_break_first, digit_break_count, digit_bits, bits, breaks, word_count,
    family_first, value_source, value_sign, wants, stamp_at, ids_at,
    numbered_first, numbered_source,
    output_first, output_stat, output_ring, output_column,
    values, known,
):  # fmt: skip
    """Fills values and known [applicants, columns].

    Rows of table t of applicant a are starts[t, a] to starts[t, a + 1]; source s of a row is pool[bases[s] + row], and
    pool[row] is its time. Digits and values name a place in `here`.
    """
    applicants, tables = len(as_of), len(given)
    families, rings = len(wants), edges.shape[1]
    state = np.zeros((families, rings, 8), np.int64)  # one cache line each
    squares = np.zeros((families, rings, 3), np.int64)
    seen = np.zeros((families, 4), np.int64)
    longest = 1
    for t in range(tables):
        for a in range(applicants):
            longest = max(longest, starts[t, a + 1] - starts[t, a])
    size = 16
    while size < 2 * longest:
        size *= 2
    slots = np.empty(size, np.int64)
    ids = np.empty((len(numbered_source), longest), np.int64)
    stamps = np.zeros((stamp_at.max() + 1, longest), np.int64)
    here = np.zeros(5 + len(bases), np.int64)  # all that is read of one event: the clock, then its columns
    word = np.zeros(64, np.uint64)
    for a in range(applicants):
        for t in range(tables):
            if not given[t, a]:
                continue
            low, high = starts[t, a], starts[t, a + 1]
            first, end = family_first[t], family_first[t + 1]
            window_count, words = ring_count[t], word_count[t]
            for k in range(numbered_first[t], numbered_first[t + 1]):
                number_values(pool, bases[numbered_source[k]], low, high, ids[k], slots)
            state[first:end] = 0
            seen[first:end] = -1
            ring = 0
            for row in range(high - 1, low - 1, -1):
                at = pool[row]
                age = as_of[a] - at
                while ring < window_count and age > edges[t, ring]:
                    ring += 1
                if ring == window_count:
                    break
                local = at + utc_offset
                day = local // DAY
                days = age // DAY
                period = days // 30
                here[0], here[1], here[2] = days, period, day_of_month[day + 2]
                here[3], here[4] = (day + 3) % 7, (local - day * DAY) // 3600
                for source in range(source_first[t], source_first[t + 1]):
                    here[5 + source - source_first[t]] = pool[bases[source] + row]
                for w in range(words):
                    some = min(end - first - 64 * w, 64)
                    word[w] = ~_NONE if some == 64 else (_ONE << np.uint64(some)) - _ONE
                for d in range(digit_first[t], digit_first[t + 1]):
                    code = here[digit_source[d]]
                    if digit_break_count[d] >= 0:
                        left = digit_break_first[d]
                        right = left + digit_break_count[d]
                        while left < right:
                            middle = (left + right) >> 1
                            if breaks[middle] <= code:
                                left = middle + 1
                            else:
                                right = middle
                        code = left - digit_break_first[d]
                    place = digit_bits[d] + code * words
                    for w in range(words):
                        word[w] &= bits[place + w]
                for w in range(words):
                    left_over = word[w]
                    while left_over != _NONE:
                        lone = left_over & (~left_over + _ONE)
                        left_over ^= lone
                        f = first + 64 * w + _PLACE[np.int64((lone * _BIT) >> _SHIFT)]
                        want = wants[f]
                        fresh, newcomer = state[f, ring, KEPT_COUNT] == 0, seen[f, SEEN_DAYS] < 0
                        state[f, ring, KEPT_COUNT] += 1
                        state[f, ring, KEPT_OLDEST] = days
                        if newcomer:
                            seen[f, SEEN_DAYS] = days
                        if want & WANTS_PERIODS and period != seen[f, SEEN_PERIOD]:
                            seen[f, SEEN_PERIOD] = period
                            state[f, ring, KEPT_PERIODS] += 1
                        if not want & WANTS_VALUE:
                            continue
                        x, sign = here[value_source[f]], value_sign[f]
                        x = abs(x) if sign == 0 else x * sign
                        if newcomer:
                            seen[f, SEEN_LAST] = x
                        state[f, ring, KEPT_TOTAL] += x
                        if want & WANTS_RANGE:
                            state[f, ring, KEPT_LEAST] = x if fresh else min(state[f, ring, KEPT_LEAST], x)
                            state[f, ring, KEPT_MOST] = x if fresh else max(state[f, ring, KEPT_MOST], x)
                        if want & WANTS_SQUARES:
                            if fresh:
                                squares[f, ring] = 0
                            upper, lower = x >> 20, x & 0xFFFFF
                            squares[f, ring, 0] += upper * upper
                            squares[f, ring, 1] += upper * lower
                            squares[f, ring, 2] += lower * lower
                        if want & WANTS_STEADY:
                            if newcomer or seen[f, SEEN_VALUE] != x:
                                state[f, ring, KEPT_DIFFERENT] += 1
                            seen[f, SEEN_VALUE] = x
                        elif want & WANTS_DISTINCT:
                            number = ids[ids_at[f], row - low]
                            if stamps[stamp_at[f], number] != a + 1:
                                stamps[stamp_at[f], number] = a + 1
                                state[f, ring, KEPT_DIFFERENT] += 1
            for f in range(first, end):
                n = sum_ = low_ = high_ = periods_ = different_ = first_ = q0 = q1 = q2 = 0
                out, out_end = output_first[f], output_first[f + 1]
                for r in range(window_count):
                    if state[f, r, KEPT_COUNT] > 0:
                        if n == 0 or state[f, r, KEPT_LEAST] < low_:
                            low_ = state[f, r, KEPT_LEAST]
                        if n == 0 or state[f, r, KEPT_MOST] > high_:
                            high_ = state[f, r, KEPT_MOST]
                        n += state[f, r, KEPT_COUNT]
                        sum_ += state[f, r, KEPT_TOTAL]
                        periods_ += state[f, r, KEPT_PERIODS]
                        different_ += state[f, r, KEPT_DIFFERENT]
                        first_ = state[f, r, KEPT_OLDEST]
                        if wants[f] & WANTS_SQUARES:
                            q0 += squares[f, r, 0]
                            q1 += squares[f, r, 1]
                            q2 += squares[f, r, 2]
                    while out < out_end and output_ring[out] == r:
                        stat, to = output_stat[out], output_column[out]
                        if stat == COUNT:
                            values[a, to], known[a, to] = n, True
                        elif stat == SUM:
                            values[a, to], known[a, to] = sum_, True
                        elif stat == PERIODS:
                            values[a, to], known[a, to] = periods_, True
                        elif stat == DISTINCT:
                            values[a, to], known[a, to] = different_, True
                        elif n > 0:
                            known[a, to] = True
                            if stat == MEAN:
                                values[a, to] = sum_ // n
                            elif stat == MIN:
                                values[a, to] = low_
                            elif stat == MAX:
                                values[a, to] = high_
                            elif stat == LAST:
                                values[a, to] = seen[f, SEEN_LAST]
                            elif stat == RECENCY:
                                values[a, to] = seen[f, SEEN_DAYS]
                            elif stat == FIRST:
                                values[a, to] = first_
                            else:
                                values[a, to] = deviation(n, sum_, q0, q1, q2)
                        out += 1
