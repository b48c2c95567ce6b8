"""Statistics for few units: exact intervals, resampling, exact tests, multiplicity.

In reading order: `intervals` of shares, `bounded` means and other `means`, `resampling` for any
other statistic, `correlations`, tests by `permutation` of what `rounding` leaves, `multiplicity`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bbb_core.lazy import attach

if TYPE_CHECKING:
    from bbb_core.stats.correlations import correlation as correlation
    from bbb_core.stats.intervals import binomial_interval as binomial_interval
    from bbb_core.stats.intervals import multinomial_intervals as multinomial_intervals
    from bbb_core.stats.intervals import tv_interval as tv_interval
    from bbb_core.stats.means import crossed_mean_interval as crossed_mean_interval
    from bbb_core.stats.means import mean_interval as mean_interval
    from bbb_core.stats.multiplicity import holm as holm
    from bbb_core.stats.permutation import permutation_test as permutation_test
    from bbb_core.stats.permutation import sign_flip_test as sign_flip_test
    from bbb_core.stats.resampling import Estimate as Estimate
    from bbb_core.stats.resampling import bootstrap as bootstrap
    from bbb_core.stats.resampling import crossed_bootstrap as crossed_bootstrap

_HOME = {
    "Estimate": "resampling",
    "binomial_interval": "intervals",
    "bootstrap": "resampling",
    "correlation": "correlations",
    "crossed_bootstrap": "resampling",
    "crossed_mean_interval": "means",
    "holm": "multiplicity",
    "mean_interval": "means",
    "multinomial_intervals": "intervals",
    "permutation_test": "permutation",
    "sign_flip_test": "permutation",
    "tv_interval": "intervals",
}

__all__ = sorted(_HOME)
__getattr__, __dir__ = attach(__name__, _HOME)
