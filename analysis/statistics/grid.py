"""Grids of configurations: levels of a hyperparameter, and the best score at each of them."""

from collections.abc import Hashable, Iterable
from numbers import Real

import numpy as np
import pandas as pd


def levels_of(values: Iterable) -> tuple[tuple[Hashable, ...], np.ndarray]:
    """Distinct values in order, and for each value the index of its level.

    Returns:
        The levels as plain Python values: numbers rising, then words by alphabet, then None for
        missing, which says that a configuration does not read the hyperparameter; and codes.
    """
    codes, found = pd.Series(values).factorize()
    distinct = found.tolist()

    def place(number: int) -> tuple[bool, float, str]:
        level = distinct[number]
        is_number = isinstance(level, Real)
        return not is_number, float(level) if is_number else 0.0, "" if is_number else str(level)

    order = sorted(range(len(distinct)), key=place)
    # The last entry is for the code -1 of what is missing.
    index = np.append(np.argsort(order), len(order)).astype(int)
    levels = [distinct[number] for number in order]
    return (*levels, *[None] * bool((codes < 0).any())), index[codes]


def best_by_level(scores: np.ndarray, codes: np.ndarray, n_choosing: int) -> np.ndarray:
    """The configuration with the best mean over the first seeds at each level.

    It is one of those that have all seeds, the first one among ties.

    Args:
        scores: `(n_configs, n_seeds)`, higher is better, NaN where a trial is missing.
        codes: `(n_configs,)`, the level of each configuration, from 0.
        n_choosing: how many seeds choose, at least 1.

    Returns:
        `(n_levels,)` rows of the scores, -1 where no configuration has all seeds.
    """
    means = scores[:, :n_choosing].mean(axis=1)
    means = np.where(np.isfinite(scores).all(axis=1), means, -np.inf)
    best = np.full(codes.max() + 1, -1)
    for level in range(len(best)):
        rows = np.flatnonzero(codes == level)
        if np.isfinite(means[rows]).any():
            best[level] = rows[means[rows].argmax()]
    return best
