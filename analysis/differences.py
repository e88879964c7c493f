"""The difference of two contenders' mean scores: paired by seed or not, tuned on its seeds or not.

Scores of a cross-fitted contender are not independent: each half of the seeds chose the
configuration that the other half scores. If a configuration is lucky on one half, it is chosen for
the other half and likely chosen again by it, so that the errors of the halves go together. Treated
as independent they give intervals that miss in 8 to 15 % of null experiments instead of 5 %. So
their standard errors are added, which bounds the error of the mean whatever the dependence:

    SE = (n_0 SE_0 + n_1 SE_1) / n,   n - 2 degrees of freedom
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from hq_ray.analysis.contender import Contender
from hq_ray.analysis.statistics.intervals import t_factor
from hq_ray.analysis.statistics.means import mean_and_se
from hq_ray.analysis.statistics.paired import (
    PairedDifference,
    UnpairedDifference,
    paired_difference,
    seeds_needed,
    unpaired_difference,
)
from hq_ray.analysis.statistics.tuning import TIE

HALVES = "cross-fitted t"


@dataclass(frozen=True, eq=False, kw_only=True)
class IndependentDifference(UnpairedDifference):
    """The difference of means of seeds that are not paired.

    Attributes:
        sd: of the difference of two single runs, sqrt(Var a + Var b); NaN with one seed.
    """

    sd: float

    @property
    def seeds_needed(self) -> float:
        """Seeds of each that would show a true difference of this mean and sd in 4 of 5."""
        return seeds_needed(self.mean, self.sd)


def shared_seeds(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray | None:
    """The seeds by which two are compared in pairs; None where these are too few.

    They are at least half of the seeds of the one that has fewer, and two where it has two.
    """
    common = np.intersect1d(ours, theirs)
    fewer = min(len(ours), len(theirs))
    return common if common.size >= max(1, min(2, fewer), fewer / 2) else None


def seedwise_difference(
    ours: Contender, base: Contender, resamples: int, seed: int
) -> PairedDifference:
    """Of contenders with the same seeds: paired, its error added up over the halves.

    Args:
        ours, base: who; ours minus base.
        resamples: sign vectors drawn where n > 16.
        seed: of these.
    """
    # Tied configurations share a score by weights that round; equal trials must differ by 0.
    equal = np.isclose(ours.scores, base.scores, rtol=TIE, atol=0.0)
    theirs = np.where(equal, ours.scores, base.scores)
    found = paired_difference(ours.scores, theirs, resamples, seed)
    halves = np.maximum(ours.halves, base.halves)
    if not halves.any():
        return found
    se, freedom = halves_error(ours.scores - theirs, halves)
    return replace(found, **_by_halves(found, se, freedom))


def independent_difference(ours: Contender, base: Contender) -> IndependentDifference:
    """Of contenders with different seeds: Welch's, the error of each added up over its halves."""
    a, b = ours.scores, base.scores
    found = unpaired_difference(a, b)
    fields = {field: getattr(found, field) for field in found.__dataclass_fields__}
    if ours.halves.any() or base.halves.any():
        errors, freedoms = zip(
            *(halves_error(x.scores, x.halves) for x in (ours, base)), strict=True
        )
        fields |= _by_halves(found, math.hypot(*errors), min(freedoms))
    spread = [math.nan if len(x) < 2 else float(np.var(x, ddof=1)) for x in (a, b)]
    return IndependentDifference(**fields, sd=math.sqrt(sum(spread)))


def halves_error(values: np.ndarray, halves: np.ndarray) -> tuple[float, int]:
    """Standard error of the mean of `(n,)` when the errors of the halves may go together.

    SD(w_0 X + w_1 Y) <= w_0 SD(X) + w_1 SD(Y), by Cauchy and Schwarz.

    Returns:
        The error and its degrees of freedom; NaN where a half has a single seed.
    """
    parts = [values[halves == half] for half in np.unique(halves)]
    errors = [mean_and_se(part[:, None]).se for part in parts]
    if any(se is None for se in errors):
        return math.nan, 1
    total = sum(len(part) * float(se[0]) for part, se in zip(parts, errors, strict=True))
    return total / len(values), len(values) - len(parts)


def _by_halves(
    found: PairedDifference | UnpairedDifference, se: float, freedom: int
) -> dict[str, object]:
    """Limits and p-value for a standard error; the p-value found stands where the error is 0."""
    half = float(t_factor(freedom)) * se
    fields = {"se": se, "low": found.mean - half, "high": found.mean + half}
    if se == 0:
        return fields
    p_value = 2 * float(stats.t.sf(abs(found.mean) / se, freedom))
    return fields | {"p_value": p_value, "p_method": HALVES}
