"""Balance of generated groups: shares, imbalance, readers and their errors (D1 to D3, T7)."""

from __future__ import annotations

from bbb_core.balance.confusion import Confusion, confusion_matrix
from bbb_core.balance.internal import InternalBalance, internal_imbalance, tv_lower_bound
from bbb_core.balance.labels import CorrectedShares, correct_labels, partial_shares
from bbb_core.balance.means import MeanImbalance, mean_change, mean_imbalance
from bbb_core.balance.shares import NONE, Balance, balanced_floor, representational_balance

__all__ = [
    "NONE",
    "Balance",
    "Confusion",
    "CorrectedShares",
    "InternalBalance",
    "MeanImbalance",
    "balanced_floor",
    "confusion_matrix",
    "correct_labels",
    "internal_imbalance",
    "mean_change",
    "mean_imbalance",
    "partial_shares",
    "representational_balance",
    "tv_lower_bound",
]
