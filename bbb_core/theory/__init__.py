"""Formulas for any model, one function per equation (T0, T1, T2, T6, the law of inheritance).

In reading order: `inequalities`, `necessary`, `symmetry`, `scores`, `inheritance`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bbb_core.lazy import attach

if TYPE_CHECKING:
    from bbb_core.theory.inequalities import is_vacuous as is_vacuous
    from bbb_core.theory.inequalities import tv_bound_from_kl as tv_bound_from_kl
    from bbb_core.theory.inheritance import inherited_log_odds as inherited_log_odds
    from bbb_core.theory.inheritance import inherited_share as inherited_share
    from bbb_core.theory.necessary import imbalance_lower_bound as imbalance_lower_bound
    from bbb_core.theory.necessary import lipschitz_constant as lipschitz_constant
    from bbb_core.theory.necessary import lipschitz_tv_bound as lipschitz_tv_bound
    from bbb_core.theory.necessary import necessary_radius as necessary_radius
    from bbb_core.theory.necessary import share_lower_bound as share_lower_bound
    from bbb_core.theory.scores import label_free_bound as label_free_bound
    from bbb_core.theory.symmetry import reflection_distance as reflection_distance
    from bbb_core.theory.symmetry import symmetric_imbalance_bound as symmetric_imbalance_bound

_HOME = {
    "imbalance_lower_bound": "necessary",
    "inherited_log_odds": "inheritance",
    "inherited_share": "inheritance",
    "is_vacuous": "inequalities",
    "label_free_bound": "scores",
    "lipschitz_constant": "necessary",
    "lipschitz_tv_bound": "necessary",
    "necessary_radius": "necessary",
    "reflection_distance": "symmetry",
    "share_lower_bound": "necessary",
    "symmetric_imbalance_bound": "symmetry",
    "tv_bound_from_kl": "inequalities",
}

__all__ = sorted(_HOME)
__getattr__, __dir__ = attach(__name__, _HOME)
