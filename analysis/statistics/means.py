"""Means over seeds with their standard errors, and what a curve's axis should show.

The seed is the unit of replication. Episodes of one seed are never independent samples.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hq_ray.analysis.reading.smoothing import checked_window, trailing_mean
from hq_ray.errors import InputError

CLIP_FACTOR = 10.0


@dataclass(frozen=True, eq=False)
class MeanAndSE:
    """Mean over seeds and its standard error, point by point.

    Attributes:
        mean: `(n_points,)`.
        se: `(n_points,)`, or None with one seed: one seed has no interval.
        n: number of seeds.
    """

    mean: np.ndarray
    se: np.ndarray | None
    n: int

    @property
    def low(self) -> np.ndarray:
        """Lower edge of the band of one standard error; the mean itself with one seed."""
        return self.mean if self.se is None else self.mean - self.se

    @property
    def high(self) -> np.ndarray:
        """Upper edge of the band of one standard error; the mean itself with one seed."""
        return self.mean if self.se is None else self.mean + self.se


def mean_and_se(values: np.ndarray) -> MeanAndSE:
    """Mean over seeds with SE = sd / sqrt(n), where sd has n - 1 in its denominator.

    Args:
        values: `(n_seeds, n_points)`.

    Raises:
        InputError: when values are not two-dimensional, empty, or not finite.
    """
    seeds = _checked_seeds(values)
    n_seeds = len(seeds)
    # Deviations from one seed: equal seeds give that value and an SE of exactly 0.
    deviations = seeds - seeds[0]
    mean = seeds[0] + deviations.mean(axis=0)
    if n_seeds == 1:
        return MeanAndSE(mean=mean, se=None, n=1)
    return MeanAndSE(mean, deviations.std(axis=0, ddof=1) / math.sqrt(n_seeds), n_seeds)


@dataclass(frozen=True, eq=False)
class SmoothedSeeds:
    """The smoothed curves of one variant, and their mean with its standard error.

    Attributes:
        seeds: `(n_seeds, n_episodes)`, each seed smoothed.
        over_seeds: mean and standard error over the smoothed seeds.
        window: of the smoothing, in episodes.
    """

    seeds: np.ndarray
    over_seeds: MeanAndSE
    window: int

    @property
    def n_episodes(self) -> int:
        """Length of the curves."""
        return self.seeds.shape[1]


def smooth_seeds(values: np.ndarray, window: int) -> SmoothedSeeds:
    """Smooth each seed, then average: the SE is that of the smoothed seeds.

    The mean would be the same in either order. The SE would not: a moving average of the SE takes
    no account of what smoothing does to the noise of a seed.

    Args:
        values: `(n_seeds, n_episodes)`.
        window: see `analysis.reading.smoothing.trailing_mean`.

    Raises:
        InputError: when values are not two-dimensional, empty, or not finite, or the window is no
            integer >= 1.
    """
    seeds = trailing_mean(_checked_seeds(values), window)
    return SmoothedSeeds(seeds, mean_and_se(seeds), checked_window(window))


def se_coverage(n_seeds: int) -> float:
    """Chance that mean ± 1 SE of n normal values holds the true mean: P(|t| < 1), n - 1 degrees.

    It is 0.50 at n = 2, 0.63 at n = 5 and tends to 0.68. Series of Abramowitz and Stegun (1964),
    Handbook of Mathematical Functions, 26.7.3 and 26.7.4.
    """
    if n_seeds < 2:
        raise InputError(f"an interval over seeds needs n >= 2; given n = {n_seeds}")
    freedom = n_seeds - 1
    angle = math.atan(1 / math.sqrt(freedom))
    odd = freedom % 2
    term = math.sin(angle) * (math.cos(angle) if odd else 1.0)
    total = term if freedom > 1 else 0.0
    for k in range(2 + odd, freedom - 1, 2):
        term *= math.cos(angle) ** 2 * (k - 1) / k
        total += term
    return 2 / math.pi * (angle + total) if odd else total


def informative_low(curves: Sequence[np.ndarray], levels: Sequence[float] = ()) -> float:
    """The lowest value an axis needs to show, when what is far below it is an early transient.

    The second half of every curve, and every level, is always above the result. Let `scale` be the
    larger of their range and their median's magnitude. The first half is shown whole unless it lies
    more than CLIP_FACTOR * scale below; then the axis ends one scale below the second half, so that
    one sees the curve come in. What lies above is never cut: only a bad start may leave the axis.

    Args:
        curves: arrays `(..., n_episodes)` of everything that is drawn.
        levels: horizontal lines of the figure.
    """
    whole = min(float(curve.min()) for curve in curves)
    tails = [curve[..., curve.shape[-1] // 2 :].ravel() for curve in curves]
    settled = np.concatenate([*tails, np.asarray(levels, dtype=float)])
    low = float(settled.min())
    scale = max(float(settled.max()) - low, abs(float(np.median(settled))))
    if scale == 0 or low - whole <= CLIP_FACTOR * scale:
        return min(whole, low)
    return low - scale


def _checked_seeds(values: np.ndarray) -> np.ndarray:
    """Float64 `(n_seeds, n_points)`, at least one of each and all finite."""
    seeds = np.asarray(values, dtype=np.float64)
    if seeds.ndim != 2 or seeds.size == 0:
        raise InputError(
            "a mean over seeds needs an array (n_seeds, n_points) with at least one of each; "
            f"given shape {seeds.shape}"
        )
    bad = np.flatnonzero(~np.isfinite(seeds).all(axis=1))
    if bad.size:
        raise InputError(
            "a mean over seeds needs finite values; given NaN or infinite values in "
            f"{bad.size} of {len(seeds)} seeds, the first in row {bad[0]}"
        )
    return seeds
