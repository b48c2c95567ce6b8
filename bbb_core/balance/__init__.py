"""Balance of generated groups: shares, imbalance, readers and their errors (D1 to D3, T7).

In reading order: `shares` of one sample and their distance from a target, `estimates` of a prompt's
imbalance, their `means` over prompts, tables `by_prompt`, a reader's `confusion` and the `labels`
corrected for it, the `readings` of several `annotators`, and counts from files (`count_files`, by
their `count_columns`, with `expected_counts` of probabilities).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bbb_core.lazy import attach

if TYPE_CHECKING:
    from bbb_core.balance.annotators import dawid_skene as dawid_skene
    from bbb_core.balance.by_prompt import balance_by_prompt as balance_by_prompt
    from bbb_core.balance.by_prompt import change_by_prompt as change_by_prompt
    from bbb_core.balance.confusion import Confusion as Confusion
    from bbb_core.balance.confusion import confusion_matrix as confusion_matrix
    from bbb_core.balance.estimates import plug_in_imbalance as plug_in_imbalance
    from bbb_core.balance.estimates import split_half_imbalance as split_half_imbalance
    from bbb_core.balance.labels import correct_labels as correct_labels
    from bbb_core.balance.means import mean_change as mean_change
    from bbb_core.balance.means import mean_imbalance as mean_imbalance
    from bbb_core.balance.readings import audit_labels as audit_labels
    from bbb_core.balance.readings import nominal_alpha as nominal_alpha
    from bbb_core.balance.shares import NONE as NONE
    from bbb_core.balance.shares import representational_balance as representational_balance
    from bbb_core.balance.shares import sampling_floor as sampling_floor

_HOME = {
    "Confusion": "confusion",
    "NONE": "shares",
    "audit_labels": "readings",
    "balance_by_prompt": "by_prompt",
    "change_by_prompt": "by_prompt",
    "confusion_matrix": "confusion",
    "correct_labels": "labels",
    "dawid_skene": "annotators",
    "mean_change": "means",
    "mean_imbalance": "means",
    "nominal_alpha": "readings",
    "plug_in_imbalance": "estimates",
    "representational_balance": "shares",
    "sampling_floor": "shares",
    "split_half_imbalance": "estimates",
}

__all__ = sorted(_HOME)
__getattr__, __dir__ = attach(__name__, _HOME)
