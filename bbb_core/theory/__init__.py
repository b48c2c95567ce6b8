"""The formulas of the book, one function per equation (T0, T1, T2, T4, T6, D3, inheritance).

In reading order: `inequalities`, `necessary`, `symmetry`, `internal` balance, `scores`,
`inheritance`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bbb_core.lazy import attach

if TYPE_CHECKING:
    from bbb_core.theory.inequalities import is_vacuous as is_vacuous
    from bbb_core.theory.inequalities import tv_bound_from_kl as tv_bound_from_kl
    from bbb_core.theory.inheritance import inherited_log_odds as inherited_log_odds
    from bbb_core.theory.inheritance import inherited_share as inherited_share
    from bbb_core.theory.internal import internal_imbalance as internal_imbalance
    from bbb_core.theory.internal import internal_share_bounds as internal_share_bounds
    from bbb_core.theory.necessary import cosine_radius as cosine_radius
    from bbb_core.theory.necessary import imbalance_lower_bound as imbalance_lower_bound
    from bbb_core.theory.necessary import lipschitz_constant as lipschitz_constant
    from bbb_core.theory.necessary import lipschitz_tv_bound as lipschitz_tv_bound
    from bbb_core.theory.necessary import necessary_radius as necessary_radius
    from bbb_core.theory.necessary import share_lower_bound as share_lower_bound
    from bbb_core.theory.necessary import smoothness_price as smoothness_price
    from bbb_core.theory.scores import label_free_bound as label_free_bound
    from bbb_core.theory.scores import leaderboard_sample_size as leaderboard_sample_size
    from bbb_core.theory.scores import mean_score as mean_score
    from bbb_core.theory.scores import mixture_variance as mixture_variance
    from bbb_core.theory.scores import price_of_fairness as price_of_fairness
    from bbb_core.theory.symmetry import reflection_distance as reflection_distance
    from bbb_core.theory.symmetry import symmetric_imbalance_bound as symmetric_imbalance_bound

_HOME = {
    "cosine_radius": "necessary",
    "imbalance_lower_bound": "necessary",
    "inherited_log_odds": "inheritance",
    "inherited_share": "inheritance",
    "internal_imbalance": "internal",
    "internal_share_bounds": "internal",
    "is_vacuous": "inequalities",
    "label_free_bound": "scores",
    "leaderboard_sample_size": "scores",
    "lipschitz_constant": "necessary",
    "mean_score": "scores",
    "mixture_variance": "scores",
    "lipschitz_tv_bound": "necessary",
    "necessary_radius": "necessary",
    "price_of_fairness": "scores",
    "reflection_distance": "symmetry",
    "share_lower_bound": "necessary",
    "smoothness_price": "necessary",
    "symmetric_imbalance_bound": "symmetry",
    "tv_bound_from_kl": "inequalities",
}

__all__ = sorted(_HOME)
__getattr__, __dir__ = attach(__name__, _HOME)
