"""Post-processing against MCGrad, where that package is installed (it is no dependency of ours).

    python benchmarks/compare_mcgrad.py [ROWS [FIRST_SEED]]

Both fit on one half of the rows and are judged on the other by the worst signed error over all
groups and intersections (29), and by the largest multicalibration error.

Measured on one core of a busy machine with 100,000 rows and seeds 100 to 104: `repair`
(multicalibration) fits in 0.18 to 0.21 s, MCGrad 0.1.5 in 2.7 to 3.5 s, 15 to 18 times as long
(median 16). The worst held-out error falls from 0.024 to 0.00019 ... 0.00036 with `repair` and to
0.00024 ... 0.00041 with MCGrad, lower with `repair` on all five seeds. The multicalibration error
is 0.0005 ... 0.0007 against 0.0005 ... 0.0006, lower with MCGrad on four.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import pandas as pd
from test_alignment_speed import repair_sample

from bbb_core import alignment


def judged(f, truth, groups):
    found = alignment.audit(np.clip(f, 0, 1), truth, groups, n_draws=100)
    return found.multiaccuracy_error.plug_in, found.multicalibration_error.plug_in


def main(n: int, first: int) -> None:
    from mcgrad import methods

    for seed in range(first, first + 5):
        f, truth, groups = repair_sample(2 * n, seed)
        fit, held = slice(0, n), slice(n, 2 * n)
        rows = {key: labels[fit] for key, labels in groups.items()}
        others = {key: labels[held] for key, labels in groups.items()}
        frames = [
            pd.DataFrame({"f": f[p], "y": truth[p]} | {k: v.astype(str) for k, v in g.items()})
            for p, g in ((fit, rows), (held, others))
        ]
        print(f"seed {seed}: before, worst error %.5f, multicalibration %.5f"
              % judged(f[held], truth[held], others))  # fmt: skip
        for notion in ("multiaccuracy", "multicalibration"):
            start = time.perf_counter()
            found = alignment.repair(f[fit], truth[fit], rows, notion=notion)
            seconds = time.perf_counter() - start
            errors = judged(found.apply(f[held], others), truth[held], others)
            print(f"  repair ({notion}): {seconds:.2f} s, worst error %.5f, MC %.5f" % errors)
        start = time.perf_counter()
        model = methods.RegressionMCGrad(early_stopping_use_crossvalidation=False)
        model.fit(frames[0], "f", "y", categorical_feature_column_names=list(rows))
        seconds = time.perf_counter() - start
        made = np.asarray(
            model.predict(frames[1], "f", categorical_feature_column_names=list(rows))
        )
        errors = judged(made, truth[held], others)
        print(f"  MCGrad (regression): {seconds:.2f} s, worst error %.5f, MC %.5f" % errors)


if __name__ == "__main__":
    given = [int(x) for x in sys.argv[1:]]
    main(*given, *(100_000, 100)[len(given) :])
