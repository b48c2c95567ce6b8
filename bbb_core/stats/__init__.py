"""Statistics of the book: exact intervals, resampling, exact tests, multiplicity."""

from __future__ import annotations

from bbb_core.stats.correlation import correlation, correlation_test
from bbb_core.stats.intervals import binomial_interval, multinomial_intervals, tv_interval
from bbb_core.stats.means import crossed_mean_interval, mean_interval
from bbb_core.stats.multiplicity import benjamini_hochberg, holm
from bbb_core.stats.permutation import PermutationTest, permutation_test, sign_flip_test
from bbb_core.stats.resampling import Estimate, bootstrap, crossed_bootstrap
from bbb_core.stats.rounding import rounding_error

__all__ = [
    "Estimate",
    "PermutationTest",
    "benjamini_hochberg",
    "binomial_interval",
    "bootstrap",
    "correlation",
    "correlation_test",
    "crossed_bootstrap",
    "crossed_mean_interval",
    "holm",
    "mean_interval",
    "multinomial_intervals",
    "permutation_test",
    "rounding_error",
    "sign_flip_test",
    "tv_interval",
]
