"""Human study: a page that asks people how they read images, and what their answers say."""

from __future__ import annotations

from bbb_core.study.aggregation import Aggregate, aggregate, alpha_interval
from bbb_core.study.collecting import Collected, collect, collect_pile
from bbb_core.study.dealing import Deal, deal
from bbb_core.study.design import UNCLEAR, Image, Study, read_study
from bbb_core.study.exports import Export, Pile, read_exports
from bbb_core.study.making import Settings, new_study, write_study
from bbb_core.study.planning import Plan, plan_study
from bbb_core.study.power import Readers
from bbb_core.study.screening import Rules

__all__ = [
    "UNCLEAR",
    "Aggregate",
    "Collected",
    "Deal",
    "Export",
    "Image",
    "Pile",
    "Plan",
    "Readers",
    "Rules",
    "Settings",
    "Study",
    "aggregate",
    "alpha_interval",
    "collect",
    "collect_pile",
    "deal",
    "new_study",
    "plan_study",
    "read_exports",
    "read_study",
    "write_study",
]
