"""The two inner steps of BET as numba kernels: the same operations in the same order.

Imported only when acceleration is asked for. Without fast-math the results are those of
`medlab.neuro.bet` to the last bit.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def shape(points, rings, counts):  # type: ignore[no-untyped-def]
    """Return what `bet._shape` returns."""
    normals, s = np.empty_like(points), np.empty_like(points)
    for v in range(points.shape[1]):
        a, b = 0, 0
        n0 = n1 = n2 = m0 = m1 = m2 = 0.0
        for k in range(6):
            a, b = rings[k, v], rings[(k + 1) % 6, v]
            n0 += points[1, a] * points[2, b] - points[2, a] * points[1, b]
            n1 += points[2, a] * points[0, b] - points[0, a] * points[2, b]
            n2 += points[0, a] * points[1, b] - points[1, a] * points[0, b]
            if k < counts[v]:
                m0 += points[0, a]
                m1 += points[1, a]
                m2 += points[2, a]
        length = np.sqrt(n0 * n0 + n1 * n1 + n2 * n2)
        normals[0, v], normals[1, v], normals[2, v] = n0 / length, n1 / length, n2 / length
        s[0, v] = m0 / counts[v] - points[0, v]
        s[1, v] = m1 / counts[v] - points[1, v]
        s[2, v] = m2 / counts[v] - points[2, v]
    return normals, s


@njit(cache=True)
def extremes(data, scale, points, normals, depths, bright):  # type: ignore[no-untyped-def]
    """Return what `bet._extremes` returns."""
    count = points.shape[1]
    darkest, brightest = np.empty(count), np.empty(count)
    inside = np.ones(count, dtype=np.bool_)
    index = np.empty(3, dtype=np.int64)
    for v in range(count):
        low, high = np.inf, -np.inf
        for d in range(depths.size):
            within = True
            for axis in range(3):
                start = points[axis, v] * scale[axis] + 0.5
                index[axis] = np.int32(start - depths[d] * (normals[axis, v] * scale[axis]))
                within &= 0 <= index[axis] < data.shape[axis]
            if not within:
                inside[v] &= d not in (0, depths.size - 1)
                continue
            value = data[index[0], index[1], index[2]]
            low = min(low, value)
            if d < bright:
                high = max(high, value)
        darkest[v], brightest[v] = low, high
    return darkest, brightest, inside
