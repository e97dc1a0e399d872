"""The sweep of `sweep.py` as one compiled loop over one applicant's events. Imported only where numba is installed.

The same integers by the same rules: results are equal to the byte. Compiled once and kept beside this file (or in
NUMBA_CACHE_DIR); the first compilation takes seconds.

64 conditions at a time: look-ups AND a word of conditions per event; each condition gets the list of its rows, newest first, ring
by ring; then each family that has this condition is done at a stretch, with what it keeps in registers.
"""

# pyright: basic
from typing import Any

import numba
import numpy as np

njit: Any = numba.njit
DAY = 86_400
COUNT, SUM, MEAN, MIN, MAX, LAST, RECENCY, FIRST, PERIODS, DISTINCT, STD, SLOPE, SUM_SLOPE, COUNT_SLOPE = (
    range(14)
)
"""Statistics as the kernel knows them."""
# 0 where there is no event
_OF_NOTHING = 1 << COUNT | 1 << SUM | 1 << PERIODS | 1 << DISTINCT | 1 << SUM_SLOPE | 1 << COUNT_SLOPE
WANTS_VALUE, WANTS_SQUARES, WANTS_PERIODS, WANTS_STEADY, WANTS_DISTINCT = (1, 2, 4, 8, 16)
CLOCKS = 5
_FEW = 16  # so many breaks are counted through: no branch to guess
_BIT = np.uint64(0x03F79D71B4CB0A89)  # a de Bruijn sequence: the position of a lone bit by one multiplication
_PLACE = np.zeros(64, np.int64)
for _i in range(64):
    _PLACE[(((1 << _i) * int(_BIT)) & (2**64 - 1)) >> 58] = _i
_32, _HALF = np.uint64(32), np.uint64(0xFFFFFFFF)
_ONE, _SHIFT, _NONE, _MIX = np.uint64(1), np.uint64(58), np.uint64(0), np.uint64(0x9E3779B97F4A7C15)
_BOUNDS = 2**63 - 1


@njit(cache=True, nogil=True, boundscheck=False)
def number_values(column, sign, ids, table):
    """Dense numbers of a column's values (absolute ones for sign 0), into ids; table: int64, a power of two, twice as long."""
    size = 16
    while size < 2 * len(column):
        size *= 2
    mask = np.uint64(size - 1)
    table[:size] = -1
    found = 0
    for row in range(len(column)):
        value = abs(column[row]) if sign == 0 else column[row]
        slot = (np.uint64(value) * _MIX) >> np.uint64(30) & mask
        while True:
            first = table[slot]
            if first < 0:
                table[slot] = row
                ids[row] = found
                found += 1
                break
            if (abs(column[first]) if sign == 0 else column[first]) == value:
                ids[row] = ids[first]
                break
            slot = (slot + _ONE) & mask


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


@njit(cache=True)
def signed(a, b):
    """(high, low) 64 bits of a * b in two's complement, a >= 0."""
    high, low = wide(np.uint64(a), np.uint64(b))
    return high - (np.uint64(a) if b < 0 else _NONE), low


@njit(cache=True, boundscheck=False)
def slope(days, column, sign, mine, count):
    """`spread.slope_of` the first `count` rows of `mine`, by 30 days."""
    time = squares = total = products = 0
    for i in range(count):
        t, x = days[mine[i]], column[mine[i]]
        x = abs(x) if sign == 0 else x * sign
        time += t
        squares += t * t
        total += x
        products += t * x
    divisor = max(count * squares - time * time, 1)
    high, low = signed(30 * time, total)
    less, part = signed(30 * count, products)
    high -= less + (_ONE if low < part else _NONE)
    low -= part
    falls = np.int64(high) < 0
    if falls:
        low = ~low + _ONE
        high = ~high + (_ONE if low == _NONE else _NONE)
    found = np.int64((np.float64(high) * 2.0**64 + np.float64(low)) / np.float64(divisor))
    rest = np.int64(low) - found * divisor
    while rest < 0:
        found, rest = found - 1, rest + divisor
    while rest >= divisor:
        found, rest = found + 1, rest - divisor
    return -found - (rest > 0) if falls else found


@njit(cache=True, boundscheck=False)
def period_slope(periods, column, sign, mine, count, whole, counting):
    """How much the sum of a period (or a thousand times the number) rises to the next, over `whole` periods."""
    lean = 0
    for i in range(count):
        period = periods[mine[i]]
        if period >= whole:
            break
        x = column[mine[i]]
        x = 1000 if counting else abs(x) if sign == 0 else x * sign
        lean += (whole - 1 - 2 * period) * x
    return 6 * lean // (whole * (whole * whole - 1))


@njit(cache=True, nogil=True, boundscheck=False)
def tell_time(as_of, at, utc_offset, day_of_month, clock):
    """The clock columns: days_ago, period, day_of_month, weekday, hour; int64[5, rows]."""
    for row in range(len(at)):
        local = at[row] + utc_offset
        day = local // DAY
        days = (as_of - at[row]) // DAY
        clock[0, row], clock[1, row], clock[2, row] = days, days // 30, day_of_month[day + 2]
        clock[3, row], clock[4, row] = (day + 3) % 7, (local - day * DAY) // 3600


@njit(cache=True, nogil=True, boundscheck=False)
def admit(column, breaks, by_value, bits, stride, words):
    """words[row] &= the families that the row's value admits."""
    if by_value:
        for row in range(len(column)):
            words[row] &= bits[column[row] * stride]
    elif len(breaks) <= _FEW:
        for row in range(len(column)):
            code = 0
            for i in range(len(breaks)):
                code += breaks[i] <= column[row]
            words[row] &= bits[code * stride]
    else:
        for row in range(len(column)):
            words[row] &= bits[np.searchsorted(breaks, column[row], side="right") * stride]


@njit(cache=True, nogil=True, boundscheck=False)
def sweep(
    as_of, given, starts, sizes, pool, extra, extra_first, utc_offset, day_of_month,
    edges, ring_count, at_column,
    digit_first, digit_source, digit_break_first, digit_break_count, digit_bits, bits, breaks, word_first,
    condition_count, family_first, condition, value_source, value_sign, wants, ids_at,
    numbered_first, numbered_source, numbered_sign,
    output_first, output,
    values, known,
):  # fmt: skip
    """Fills values and known [columns] of one applicant.

    Column c of table t is pool[starts[t] + c * sizes[t] :][: sizes[t]]. A source is a column; or, below 0, one of the clock;
    or, below these, expression e at extra[extra_first[e] :].
    condition: of each family, its bit in the word. output: statistic + 16 * ring + 2^24 * column.
    """
    rings, longest, numbered = edges.shape[1], max(sizes.max(), 1), 0
    for t in range(len(sizes)):
        numbered = max(numbered, numbered_first[t + 1] - numbered_first[t])
    table_size = 16
    while table_size < 2 * longest:
        table_size *= 2
    slots, ids = np.empty(table_size, np.int64), np.empty((max(numbered, 1), longest), np.int64)
    stamps = np.zeros(longest, np.int64)
    clock, words = np.empty((CLOCKS, longest), np.int64), np.empty(longest, np.uint64)
    members = np.empty((64, longest), np.int32)
    counts, ends, until = np.empty(64, np.int64), np.empty((64, rings), np.int64), np.empty(rings, np.int64)
    kept = np.zeros((rings, 11), np.int64)
    squares = np.zeros((rings, 3), np.int64)

    for t in range(len(sizes)):
        n, windows = sizes[t], ring_count[t]
        if not given[t]:
            continue
        at = pool[starts[t] + at_column[t] * n :][:n]
        tell_time(as_of, at, utc_offset, day_of_month, clock)
        row = n
        for r in range(windows):
            while row > 0 and as_of - at[row - 1] <= edges[t, r]:
                row -= 1
            until[r] = row
        for k in range(numbered_first[t], numbered_first[t + 1]):
            s = numbered_source[k]
            if s >= 0:
                column = pool[starts[t] + s * n :][:n]
            elif s >= -CLOCKS:
                column = clock[-1 - s][:n]
            else:
                column = extra[extra_first[-1 - CLOCKS - s] :][:n]
            number_values(column, numbered_sign[k], ids[k - numbered_first[t]], slots)
        stride = word_first[t + 1] - word_first[t]
        for w in range(stride):
            word = word_first[t] + w
            some = condition_count[word]
            words[:n] = ~_NONE if some == 64 else (_ONE << np.uint64(some)) - _ONE
            for d in range(digit_first[t], digit_first[t + 1]):
                s = digit_source[d]
                if s >= 0:
                    column = pool[starts[t] + s * n :][:n]
                elif s >= -CLOCKS:
                    column = clock[-1 - s][:n]
                else:
                    column = extra[extra_first[-1 - CLOCKS - s] :][:n]
                own = breaks[digit_break_first[d] :][: max(digit_break_count[d], 0)]
                admit(column, own, digit_break_count[d] < 0, bits[digit_bits[d] + w :], stride, words)
            counts[:some] = 0
            row = n
            for r in range(windows):
                while row > until[r]:
                    row -= 1
                    left = words[row]
                    while left != _NONE:
                        lone = left & (~left + _ONE)
                        left ^= lone
                        f = _PLACE[np.int64((lone * _BIT) >> _SHIFT)]
                        members[f, counts[f]] = row
                        counts[f] += 1
                ends[:some, r] = counts[:some]
            for f in range(family_first[word], family_first[word + 1]):
                k = condition[f]
                want, mine = wants[f], members[k]
                s, sign = value_source[f], value_sign[f]
                if s >= 0:
                    column = pool[starts[t] + s * n :][:n]
                elif s >= -CLOCKS:
                    column = clock[-1 - s][:n]
                else:
                    column = extra[extra_first[-1 - CLOCKS - s] :][:n]
                total = periods = different = last = newest = oldest = q0 = q1 = q2 = start = 0
                least, most, period, value = _BOUNDS, -_BOUNDS, -1, 0
                if counts[k]:
                    newest = clock[0, mine[0]]
                    last = column[mine[0]]
                    last = abs(last) if sign == 0 else last * sign
                    value = last
                for r in range(windows):
                    end = ends[k, r]
                    if end > start:
                        oldest = clock[0, mine[end - 1]]
                        if want & WANTS_SQUARES:
                            for i in range(start, end):
                                x = column[mine[i]]
                                x = abs(x) if sign == 0 else x * sign
                                total += x
                                least, most = min(least, x), max(most, x)
                                upper, lower = x >> 20, x & 0xFFFFF
                                q0 += upper * upper
                                q1 += upper * lower
                                q2 += lower * lower
                        elif want & WANTS_VALUE:
                            for i in range(start, end):
                                x = column[mine[i]]
                                x = abs(x) if sign == 0 else x * sign
                                total += x
                                least, most = min(least, x), max(most, x)
                        if want & WANTS_PERIODS:
                            for i in range(start, end):
                                now = clock[1, mine[i]]
                                periods += now != period
                                period = now
                        if want & WANTS_STEADY:
                            different += start == 0
                            for i in range(start, end):
                                x = column[mine[i]]
                                x = abs(x) if sign == 0 else x * sign
                                different += x != value
                                value = x
                        elif want & WANTS_DISTINCT:
                            for i in range(start, end):
                                number = ids[ids_at[f], mine[i]]
                                different += stamps[number] != f + 1
                                stamps[number] = f + 1
                    start = end
                    if end:
                        kept[r, SUM], kept[r, MIN], kept[r, MAX] = total, least, most
                        kept[r, LAST], kept[r, RECENCY], kept[r, FIRST] = last, newest, oldest
                    else:
                        kept[r] = 0
                    kept[r, COUNT], kept[r, PERIODS], kept[r, DISTINCT] = end, periods, different
                    squares[r, 0], squares[r, 1], squares[r, 2] = q0, q1, q2
                for out in range(output_first[f], output_first[f + 1]):
                    code = output[out]
                    stat, r, to = code & 15, code >> 4 & 0xFFFFF, code >> 24
                    end = ends[k, r]
                    known[to] = end > 0 or (_OF_NOTHING >> stat) & 1 == 1
                    if stat == STD:
                        if end:
                            values[to] = deviation(
                                end, kept[r, SUM], squares[r, 0], squares[r, 1], squares[r, 2]
                            )
                    elif stat == MEAN:
                        values[to] = kept[r, SUM] // max(end, 1)
                    elif stat == SLOPE:
                        known[to] = kept[r, FIRST] > kept[r, RECENCY]
                        if known[to]:
                            values[to] = slope(clock[0], column, sign, mine, end)
                    elif stat >= SUM_SLOPE:
                        whole = edges[t, r] // (30 * DAY)
                        values[to] = period_slope(
                            clock[1], column, sign, mine, end, whole, stat == COUNT_SLOPE
                        )
                    else:
                        values[to] = kept[r, stat]
