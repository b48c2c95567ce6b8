"""Balance of generated groups: shares, imbalance, readers and their errors (D1 to D3, T7)."""

from __future__ import annotations

from bbb_core.balance.agreement import Agreement, cohen_kappa
from bbb_core.balance.confusion import Confusion, confusion_matrix
from bbb_core.balance.criteria import (
    counterexamples,
    criteria_table,
    interval_coverage,
    least_coverage,
    lemma_trial,
    one_group_ratios,
    small_samples,
)
from bbb_core.balance.finite import FiniteGenerator, mixture, total_variation
from bbb_core.balance.internal import InternalBalance, internal_imbalance, tv_lower_bound
from bbb_core.balance.labels import CorrectedShares, correct_labels, partial_shares
from bbb_core.balance.means import MeanImbalance, mean_change, mean_imbalance
from bbb_core.balance.shares import NONE, Balance, balanced_floor, representational_balance

__all__ = [
    "NONE",
    "Agreement",
    "Balance",
    "Confusion",
    "CorrectedShares",
    "FiniteGenerator",
    "InternalBalance",
    "MeanImbalance",
    "balanced_floor",
    "cohen_kappa",
    "confusion_matrix",
    "correct_labels",
    "counterexamples",
    "criteria_table",
    "internal_imbalance",
    "interval_coverage",
    "least_coverage",
    "lemma_trial",
    "mean_change",
    "mean_imbalance",
    "mixture",
    "one_group_ratios",
    "partial_shares",
    "representational_balance",
    "small_samples",
    "total_variation",
    "tv_lower_bound",
]
