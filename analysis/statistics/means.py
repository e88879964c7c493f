"""Means over seeds with their standard errors and intervals.

The seed is the unit of replication. Episodes of one seed are never independent samples.
"""

import numpy as np
from scipy import stats


def mean_and_se(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over seeds and SE = sd / sqrt(n), with the sample standard deviation (ddof = 1).

    Values are finite, `(n_seeds, ...)`; the SE is NaN with one seed.
    """
    seeds = np.asarray(values, dtype=np.float64)
    # Deviations from one seed: equal seeds give that value and an SE of exactly 0.
    deviations = seeds - seeds[0]
    mean = seeds[0] + deviations.mean(axis=0)
    if len(seeds) == 1:
        return mean, np.full(mean.shape, np.nan)
    return mean, deviations.std(axis=0, ddof=1) / np.sqrt(len(seeds))


def t_interval(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`mean_and_se`'s mean and the limits of its 95 % t interval, which are NaN with one seed."""
    mean, se = mean_and_se(values)
    reach = stats.t.ppf(0.975, len(values) - 1) * se
    return mean, mean - reach, mean + reach
