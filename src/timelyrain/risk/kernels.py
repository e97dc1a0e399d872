"""Walks through trees as compiled loops. Imported only where numba is installed; the same bits as the numpy form."""

# pyright: basic
from typing import Any

import numba
import numpy as np

njit: Any = numba.njit
_BLOCK = 32  # rows that pass a tree together, so that it stays in the processor's nearest cache


@njit(cache=True, nogil=True, boundscheck=False)
def see(row, seen_feature, seen_kind, seen_sign, zero, out):
    """What nodes compare: see `FlatTrees.seen`."""
    for i in range(len(seen_feature)):
        x = row[seen_feature[i]]
        kind = seen_kind[i]
        if kind == 0 and np.isnan(x):
            x = 0.0
        elif kind == 1 and (np.isnan(x) or abs(x) <= zero):
            x = np.nan
        out[i] = x * seen_sign[i]


@njit(cache=True, nogil=True, boundscheck=False)
def walk(row, seen_feature, seen_kind, seen_sign, zero, roots, read, threshold, child, value, feature, parts):
    """The sum of leaves of one row; adds to parts what each feature changed, tree by tree, from the root down."""
    seen = np.empty(len(seen_feature), np.float64)
    see(row, seen_feature, seen_kind, seen_sign, zero, seen)
    raw = 0.0
    for root in roots:
        node = root
        while read[node] >= 0:
            after = child[node, 1 if seen[read[node]] <= threshold[node] else 0]
            parts[feature[node]] += value[after] - value[node]
            node = after
        raw += value[node]
    return raw


@njit(cache=True, nogil=True, boundscheck=False)
def walk_rows(matrix, seen_feature, seen_kind, seen_sign, zero, roots, read, threshold, child, value, raw):
    """The sums of leaves of many rows, into raw."""
    seen = np.empty((_BLOCK, len(seen_feature)), np.float64)
    for start in range(0, len(matrix), _BLOCK):
        end = min(start + _BLOCK, len(matrix))
        for i in range(start, end):
            see(matrix[i], seen_feature, seen_kind, seen_sign, zero, seen[i - start])
            raw[i] = 0.0
        for root in roots:
            for i in range(start, end):
                node = root
                while read[node] >= 0:
                    node = child[node, 1 if seen[i - start, read[node]] <= threshold[node] else 0]
                raw[i] += value[node]
