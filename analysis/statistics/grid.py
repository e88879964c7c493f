"""Grids of configurations: their levels, and the best score at each level of one hyperparameter.

Scores are `(n_configs, n_seeds)`, higher is better, NaN where a trial is missing. Settings are a
frame with a row per configuration and a column per hyperparameter; a missing value says that the
configuration does not read the hyperparameter, which is a level of its own.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from numbers import Real

import numpy as np
import pandas as pd


@dataclass(frozen=True, eq=False)
class Grid:
    """Settings as level numbers.

    Attributes:
        names: of the hyperparameters.
        levels: for each of them, its levels in order.
        codes: `(n_configs, n_hyperparameters)`, index of the level.
    """

    names: tuple[str, ...]
    levels: tuple[tuple[Hashable, ...], ...]
    codes: np.ndarray

    @property
    def unread(self) -> np.ndarray:
        """`(n_configs, n_hyperparameters)`, True where the value is missing."""
        last = [len(levels) - 1 if levels[-1:] == (None,) else -1 for levels in self.levels]
        return self.codes == np.array(last, dtype=int)


def grid_of(settings: pd.DataFrame) -> Grid:
    """The settings as level numbers."""
    pairs = [levels_of(settings[name]) for name in settings]
    codes = np.empty((len(settings), len(pairs)), dtype=int)
    for column, (_, one) in enumerate(pairs):
        codes[:, column] = one
    names = tuple(str(name) for name in settings)
    return Grid(names, tuple(levels for levels, _ in pairs), codes)


def levels_of(values: Iterable) -> tuple[tuple[Hashable, ...], np.ndarray]:
    """Distinct values in order, and for each value the index of its level.

    Returns:
        The levels as plain Python values: numbers rising, then words by alphabet, then None for
        missing; and codes `(n_values,)`.
    """
    codes, found = pd.Series(values).factorize()
    distinct = list(found.tolist())
    order = sorted(range(len(distinct)), key=lambda number: _place(distinct[number]))
    levels = [distinct[number] for number in order]
    place = np.empty(len(order) + 1, dtype=int)
    place[order], place[-1] = np.arange(len(order)), len(order)
    return (*levels, *[None] * bool((codes < 0).any())), place[codes]


def _place(level: Hashable) -> tuple[bool, float, str]:
    """Sort key of a level: numbers before words."""
    number = isinstance(level, Real)
    return (not number, float(level) if number else 0.0, "" if number else str(level))


def best_by_level(scores: np.ndarray, codes: np.ndarray, n_choosing: int) -> np.ndarray:
    """The configuration with the best mean over the first seeds at each level.

    It is one of those that have all seeds, the first one among ties.

    Args:
        scores: `(n_configs, n_seeds)`.
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
