"""Means over seeds with their standard errors and intervals.

The seed is the unit of replication. Episodes of one seed are never independent samples.
"""

import numpy as np
from scipy import stats


def mean_and_se(values: np.ndarray, axis: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Mean over seeds and SE = sd / sqrt(n), where sd has n - 1 in its denominator.

    Args:
        values: finite, such as `(n_seeds, n_points)`.
        axis: of the seeds.

    Returns:
        Both without that axis; the SE is NaN with one seed.
    """
    seeds = np.moveaxis(np.asarray(values, dtype=np.float64), axis, 0)
    # Deviations from one seed: equal seeds give that value and an SE of exactly 0.
    deviations = seeds - seeds[0]
    mean = seeds[0] + deviations.mean(axis=0)
    if len(seeds) == 1:
        return mean, np.full(mean.shape, np.nan)
    return mean, deviations.std(axis=0, ddof=1) / np.sqrt(len(seeds))


def t_interval(values: np.ndarray, axis: int = -1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over seeds and the limits of its 95 % t interval, which are NaN with one seed.

    Args as of `mean_and_se`.
    """
    mean, se = mean_and_se(values, axis)
    reach = stats.t.ppf(0.975, np.shape(values)[axis] - 1) * se
    return mean, mean - reach, mean + reach
