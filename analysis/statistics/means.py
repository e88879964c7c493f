"""Means over seeds with their standard errors.

The seed is the unit of replication. Episodes of one seed are never independent samples.
"""

import math
from dataclasses import dataclass

import numpy as np

from hq_ray.analysis.reading.smoothing import checked_window, trailing_mean
from hq_ray.errors import InputError


@dataclass(frozen=True, eq=False)
class MeanAndSE:
    """Mean over seeds and its standard error, point by point.

    Attributes:
        mean: `(n_points,)`.
        se: `(n_points,)`, or None with one seed: one seed has no interval.
        n: number of seeds.
        bounds: of the values; a band ends there.
    """

    mean: np.ndarray
    se: np.ndarray | None
    n: int
    bounds: tuple[float, float] = (-math.inf, math.inf)

    @property
    def low(self) -> np.ndarray:
        """Lower edge of the band of one standard error; the mean itself with one seed."""
        return self.mean if self.se is None else np.clip(self.mean - self.se, *self.bounds)

    @property
    def high(self) -> np.ndarray:
        """Upper edge of the band of one standard error; the mean itself with one seed."""
        return self.mean if self.se is None else np.clip(self.mean + self.se, *self.bounds)


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


def seed_means(scores: np.ndarray) -> np.ndarray:
    """Mean over the last axis of what is there, NaN where nothing is."""
    present = ~np.isnan(scores)
    counts = np.count_nonzero(present, axis=-1)
    sums = np.where(present, scores, 0.0).sum(axis=-1)
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)


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
