# SPDX-License-Identifier: Apache-2.0
"""Stats: a median and its 95 % interval, with no assumption about how the noise is made.

The interval of a median lies between two of the sorted values themselves: that the true median is
below the k-th of n is as likely as k or fewer heads in n throws of a coin. So noise makes it wider
and a single wild value changes nothing.
"""
import math
import statistics

# Fewer values than this have no such interval: 2 * (1/2)^6 is 3 %.
MIN_VALUES = 6


def interval_ranks(n):
    """The ranks, from 0, between which the median lies with at least 95 %."""
    assert n >= MIN_VALUES, f"{n} values give no 95 % interval"
    chance, low = 0.0, -1
    for k in range(n):
        chance += math.comb(n, k) / 2.0 ** n
        if chance > 0.025:
            break
        low = k
    low += 1
    # low values may be cut off at each side; rank low - 1 is the last that is too low.
    low = max(low - 1, 0)
    return low, n - 1 - low


class Spread:
    """A median with the interval around it."""

    def __init__(self, values):
        ordered = sorted(values)
        low, high = interval_ranks(len(ordered))
        self.n = len(ordered)
        self.median = statistics.median(ordered)
        self.low = ordered[low]
        self.high = ordered[high]

    def is_above(self, budget):
        """Whether the whole interval lies above it: then noise is no explanation."""
        return self.low > budget

    def text(self, digits=3):
        return f"{self.median:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
