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


def interval_ranks(n, share=0.5):
    """The ranks, from 0, between which what `share` of all values lie below is, with 95 %."""
    def below(k):
        """How likely at most k of n values lie below it."""
        return sum(
            math.comb(n, i) * share ** i * (1 - share) ** (n - i) for i in range(k + 1))

    low = max(k for k in range(n) if k == 0 or below(k) <= 0.025)
    high = min(k for k in range(n) if k == n - 1 or below(k) >= 0.975)
    return low, high


class Spread:
    """A median, or another quantile, with the interval around it."""

    def __init__(self, values, share=0.5):
        ordered = sorted(values)
        self.n = len(ordered)
        assert self.n >= MIN_VALUES, f"{self.n} values give no 95 % interval"
        low, high = interval_ranks(self.n, share)
        self.median = (
            statistics.median(ordered) if share == 0.5
            else ordered[min(self.n - 1, int(self.n * share))])
        self.low = ordered[low]
        self.high = ordered[high]

    def is_above(self, budget):
        """Whether the whole interval lies above it: then noise is no explanation."""
        return self.low > budget

    def text(self, digits=3):
        return f"{self.median:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


def percentile_spread(values, percent):
    return Spread(values, percent / 100)
