"""How the score depends on one hyperparameter: at the tuned setting, on average, and at best.

Scores are `(n_configs, n_seeds)`, higher is better, NaN where a trial is missing. Settings are a
frame with a row per configuration and a column per hyperparameter; a missing value says that the
configuration does not read the hyperparameter, which is a level of its own.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from numbers import Real

import numpy as np
import pandas as pd

from hq_ray.analysis.statistics.tuning import checked_scores, cross_fitted_scores, seed_means
from hq_ray.errors import InputError, near_miss


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """Scores at each level of one hyperparameter, seed by seed.

    Attributes:
        name: of the hyperparameter.
        kind: `slice`, `marginal` or `profile`.
        levels: numbers rising, then words by alphabet, then None for not read.
        scores: `(n_levels, n_seeds)`, NaN where nothing was run.
        cross_fitted: whether each score is of a choice made without its seed. False where nothing
            was chosen, and for a profile over a single seed, which is therefore too good.
    """

    name: str
    kind: str
    levels: tuple[Hashable, ...]
    scores: np.ndarray
    cross_fitted: bool


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
    def sizes(self) -> np.ndarray:
        """`(n_hyperparameters,)`, number of levels of each."""
        return np.array([len(levels) for levels in self.levels], dtype=int)

    @property
    def unread(self) -> np.ndarray:
        """`(n_configs, n_hyperparameters)`, True where the value is missing."""
        last = [len(levels) - 1 if levels[-1:] == (None,) else -1 for levels in self.levels]
        return self.codes == np.array(last, dtype=int)


def slice_scores(scores: np.ndarray, settings: pd.DataFrame, name: str, at: int) -> Sensitivity:
    """Scores of the configurations that differ from configuration `at` in `name` only.

    Where no configuration does at some level, the one that differs in `name` and beyond that only
    in hyperparameters that either of the two does not read is taken, if there is exactly one: the
    constant schedule has no decay to agree in.

    Args:
        scores: `(n_configs, n_seeds)`.
        settings: `(n_configs, n_hyperparameters)`, no two rows alike.
        name: of the hyperparameter.
        at: row of the configuration to start from.
    """
    scores, grid, column = _checked(scores, settings, name)
    refuse_duplicates(grid)
    if not 0 <= at < len(scores):
        raise InputError(f"`at` must be a row from 0 to {len(scores) - 1}; given {at!r}")
    same = grid.codes == grid.codes[at]
    open_to = same | grid.unread | grid.unread[at]
    same[:, column] = open_to[:, column] = True
    same, open_to = same.all(axis=1), open_to.all(axis=1)

    def along(rows: np.ndarray) -> np.ndarray:
        alike = rows[same[rows]] if same[rows].any() else rows[open_to[rows]]
        return scores[alike[0]] if len(alike) == 1 else np.full(scores.shape[1], np.nan)

    return _by_level("slice", grid, column, along, cross_fitted=False)


def marginal_scores(scores: np.ndarray, settings: pd.DataFrame, name: str) -> Sensitivity:
    """Mean over all other hyperparameters, for each level of `name` and each seed.

    Each mean is over the configurations that have the seed.
    """
    scores, grid, column = _checked(scores, settings, name)
    return _by_level(
        "marginal", grid, column, lambda rows: seed_means(scores[rows].T), cross_fitted=False
    )


def profile_scores(scores: np.ndarray, settings: pd.DataFrame, name: str) -> Sensitivity:
    """Best over all other hyperparameters, for each level of `name`, cross-fitted over seeds.

    Each seed is scored by the choice that the other half of the seeds makes, see
    `analysis.statistics.tuning.cross_fitted_scores`.
    """
    scores, grid, column = _checked(scores, settings, name)
    return _by_level(
        "profile",
        grid,
        column,
        lambda rows: cross_fitted_scores(scores[rows]).per_seed,
        cross_fitted=scores.shape[1] > 1,
    )


def hyperparameters_of(settings: pd.DataFrame) -> list[str]:
    """Names of the columns with more than one level; missing is a level."""
    return [str(name) for name in settings if len(levels_of(settings[name])[0]) > 1]


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


def grid_of(settings: pd.DataFrame) -> Grid:
    """The settings as level numbers."""
    pairs = [levels_of(settings[name]) for name in settings]
    codes = np.empty((len(settings), len(pairs)), dtype=int)
    for column, (_, one) in enumerate(pairs):
        codes[:, column] = one
    names = tuple(str(name) for name in settings)
    return Grid(names, tuple(levels for levels, _ in pairs), codes)


def refuse_duplicates(grid: Grid) -> None:
    """Raise an InputError when two configurations have the same settings."""
    if len(grid.codes) < 2:
        return
    order = np.lexsort(grid.codes.T) if grid.names else np.arange(len(grid.codes))
    alike = np.flatnonzero((grid.codes[order[1:]] == grid.codes[order[:-1]]).all(axis=1))
    if len(alike):
        first, second = sorted(order[alike[0] : alike[0] + 2].tolist())
        raise InputError(
            "each configuration must be one row with settings of its own; "
            f"given rows {first} and {second} with the same settings"
        )


def checked_rows(settings: pd.DataFrame, n_configs: int) -> None:
    """Raise an InputError unless the settings have one row per configuration."""
    if len(settings) != n_configs:
        raise InputError(
            "settings must have one row per configuration; "
            f"given {len(settings)} rows for {n_configs} configurations"
        )


def _checked(scores: np.ndarray, settings: pd.DataFrame, name: str) -> tuple[np.ndarray, Grid, int]:
    scores = checked_scores(scores)
    checked_rows(settings, len(scores))
    grid = grid_of(settings)
    if name not in grid.names:
        raise InputError(
            f"a sensitivity needs a hyperparameter of the settings; given {name!r}"
            f"{near_miss(name, grid.names)}"
        )
    return scores, grid, grid.names.index(name)


def _by_level(
    kind: str,
    grid: Grid,
    column: int,
    per_seed: Callable[[np.ndarray], np.ndarray],
    cross_fitted: bool,
) -> Sensitivity:
    """Apply `per_seed` to the rows of each level."""
    codes, levels = grid.codes[:, column], grid.levels[column]
    scores = np.stack([per_seed(np.flatnonzero(codes == level)) for level in range(len(levels))])
    return Sensitivity(grid.names[column], kind, levels, scores, cross_fitted)


def _place(level: Hashable) -> tuple[bool, float, str]:
    """Sort key of a level: numbers before words."""
    number = isinstance(level, Real)
    return (not number, float(level) if number else 0.0, "" if number else str(level))
