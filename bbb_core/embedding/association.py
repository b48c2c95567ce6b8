"""Word embedding association tests, WEAT and SC-WEAT, with exact p-values (embedding chapter)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from bbb_core import checks
from bbb_core.errors import InputError
from bbb_core.stats import permutation_test
from bbb_core.stats.permutation import Alternative
from bbb_core.stats.rounding import rounding_error

__all__ = ["AssociationTest", "association_test"]


@dataclass(frozen=True, kw_only=True)
class AssociationTest:
    """Result of an association test.

    Attributes
    ----------
    statistic
        Difference of mean associations; positive: X goes with A (SC-WEAT: the word goes with A).
    effect_size
        The same in standard deviations of the associations. With n values on either side it lies
        within plus or minus 2; zero means no difference.
    p_value
        Of the permutation test.
    exact
        Whether all `n_permutations` splits were counted; otherwise that many were drawn.
    n_permutations
        Number of splits.
    """

    statistic: float
    effect_size: float
    p_value: float
    exact: bool
    n_permutations: int


def association_test(
    targets_x: Float[Tensor, "x d"],
    targets_y: Float[Tensor, "y d"] | None,
    attributes_a: Float[Tensor, "a d"],
    attributes_b: Float[Tensor, "b d"],
    *,
    baseline: Float[Tensor, "1 d"] | None = None,
    alternative: Alternative = "two-sided",
    n_permutations: int = 9999,
    rng: np.random.Generator | None = None,
) -> AssociationTest:
    r"""Test whether targets X go with attributes A and targets Y with B (`caliskan2017`).

    The association of a word w is :math:`s(w) = \mathrm{mean}_a \cos(w, a) - \mathrm{mean}_b
    \cos(w, b)`. **WEAT** compares s over X with s over Y and permutes the *targets*; **SC-WEAT**
    (`targets_y=None`, one word as `targets_x`) compares :math:`\cos(w, a)` over A with
    :math:`\cos(w, b)` over B and permutes the *attributes*. Effect size: difference of means over
    the standard deviation (n - 1 in the denominator) of all values compared.

    Parameters
    ----------
    targets_x, targets_y, attributes_a, attributes_b
        Unit rows; the sets may differ in size.
    baseline
        SC-WEAT only: cosines of this word are subtracted, so that "as the word *person*" instead
        of zero is the value of no association.
    alternative
        ``"greater"``: X with A. Two-sided by default.
    n_permutations, rng
        For Monte Carlo, used when the splits are too many to count (beyond about 20 + 20).

    Raises
    ------
    InputError
        When rows are not unit, dimensions differ, a set is too small, all associations are equal
        up to rounding (an effect of 0/0), or Monte Carlo is needed without `rng`.

    Notes
    -----
    Swapping A and B flips statistic and effect, and so does swapping X and Y; p stays (two-sided).
    The p-value speaks about the *chosen words* as if they were exchangeable; it is no statement
    about words that nobody chose.

    Examples
    --------
    >>> x, y = torch.eye(4)[:2], torch.eye(4)[2:]
    >>> result = association_test(x, y, x, y, alternative="greater")
    >>> result.exact, result.n_permutations, round(result.p_value, 4)
    (True, 6, 0.1667)
    """
    sets = {"targets_x": targets_x, "attributes_a": attributes_a, "attributes_b": attributes_b}
    if targets_y is not None:
        sets["targets_y"] = targets_y
    if baseline is not None:
        sets["baseline"] = baseline
    dim = targets_x.shape[-1]
    rows = {n: checks.unit_rows(n, x, dim).to(torch.float64) for n, x in sets.items()}
    to_a = rows["targets_x"] @ rows["attributes_a"].T  # [x, a]
    to_b = rows["targets_x"] @ rows["attributes_b"].T  # [x, b]
    if targets_y is None:
        if len(to_a) != 1:
            raise InputError(f"targets_x has {len(to_a)} rows; without targets_y pass one word.")
        first, second = to_a[0], to_b[0]
        if baseline is not None:
            first = first - rows["attributes_a"] @ rows["baseline"][0]
            second = second - rows["attributes_b"] @ rows["baseline"][0]
    elif baseline is not None:
        raise InputError("baseline is for one word; WEAT already compares two sets of targets.")
    else:
        first = to_a.mean(1) - to_b.mean(1)
        to_y = rows["targets_y"]
        second = (to_y @ rows["attributes_a"].T).mean(1) - (to_y @ rows["attributes_b"].T).mean(1)
    return _compare(first, second, _resolution(sets), alternative, n_permutations, rng)


def _resolution(sets: dict[str, Tensor]) -> float:
    """Return the error of an association: what the precision of the rows leaves of two cosines.

    Their type tells it, and so do norms that miss 1, where rows were rounded before they came.
    """
    eps = max(torch.finfo(x.dtype).eps for x in sets.values())
    norm = max(float((x.to(torch.float64).norm(dim=1) - 1).abs().max()) for x in sets.values())
    return 2 * max(rounding_error([1.0]), 4 * eps, 4 * norm)


def _compare(
    first: Tensor,
    second: Tensor,
    resolution: float,
    alternative: Alternative,
    n_permutations: int,
    rng: np.random.Generator | None,
) -> AssociationTest:
    both = torch.cat([first, second])
    if len(both) < 3:
        raise InputError("the sets hold one word each; pass at least three words to compare.")
    spread = float(both.std())
    if spread <= resolution:
        raise InputError("all associations are equal, so an effect size is 0/0; use other words.")
    test = permutation_test(
        first.numpy(), second.numpy(), alternative=alternative, n_permutations=n_permutations,
        rng=rng, resolution=resolution,
    )  # fmt: skip
    return AssociationTest(
        statistic=test.statistic,
        effect_size=test.statistic / spread,
        p_value=test.p_value,
        exact=test.exact,
        n_permutations=test.n_permutations,
    )
