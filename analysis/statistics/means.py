"""Means over seeds with their standard errors.

The seed is the unit of replication. Episodes of one seed are never independent samples.
"""

import math
from dataclasses import dataclass

import numpy as np

from hq_ray.errors import InputError


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


def mean_and_se(values: np.ndarray) -> MeanAndSE:
    """Mean over seeds with SE = sd / sqrt(n), where sd has n - 1 in its denominator.

    Args:
        values: `(n_seeds, n_points)`.

    Raises:
        InputError: when values are not two-dimensional, empty, or not finite.
    """
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
    # Deviations from one seed: equal seeds give that value and an SE of exactly 0.
    deviations = seeds - seeds[0]
    mean = seeds[0] + deviations.mean(axis=0)
    if len(seeds) == 1:
        return MeanAndSE(mean, None, 1)
    return MeanAndSE(mean, deviations.std(axis=0, ddof=1) / math.sqrt(len(seeds)), len(seeds))


def seed_means(scores: np.ndarray) -> np.ndarray:
    """Mean over the last axis of what is there, NaN where nothing is."""
    present = ~np.isnan(scores)
    counts = np.count_nonzero(present, axis=-1)
    sums = np.where(present, scores, 0.0).sum(axis=-1)
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
