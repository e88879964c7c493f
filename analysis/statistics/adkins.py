"""How much, and which, hyperparameters must be tuned anew for each environment.

After Adkins, Bowling and White (2024), A Method for Evaluating Hyperparameter Sensitivity in
Reinforcement Learning, NeurIPS 37.

`G` is `(n_envs, n_configs)`: the score of each configuration on each environment, normalised so
that environments can be averaged, best as (J - J_random) / (J* - J_random), where random is 0 and
the optimum 1. A configuration without a score on every environment takes no part: its mean over
fewer environments would not compare.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from hq_ray.analysis.statistics.sensitivity import Grid, checked_rows, grid_of, refuse_duplicates
from hq_ray.analysis.statistics.tuning import resampled_means, seed_means
from hq_ray.errors import InputError

MAX_HYPERPARAMETERS = 16


@dataclass(frozen=True)
class Dimensionality:
    """How many hyperparameters must be tuned for each environment.

    Attributes:
        d: the least number that reaches the threshold; None where no configuration has a score on
            every environment.
        subset: the hyperparameters of the best such choice.
        scores: for 0, 1, .. hyperparameters tuned, the best tuned score, never falling.
        subsets: for each of those, which hyperparameters; the first in column order among ties.
        threshold: the score to reach.
        n_ignored: configurations without a score on every environment.
    """

    d: int | None
    subset: tuple[str, ...]
    scores: tuple[float, ...]
    subsets: tuple[tuple[str, ...], ...]
    threshold: float
    n_ignored: int


@dataclass(frozen=True)
class Estimate:
    """A number with its bootstrap interval.

    Attributes:
        value: from the seeds at hand.
        corrected: less its bias as the bootstrap sees it; NaN where there is no interval.
        low, high: bounds, NaN where there is no interval.
    """

    value: float
    corrected: float
    low: float
    high: float


@dataclass(frozen=True)
class SensitivityInterval:
    """A point of the sensitivity plane with its uncertainty over seeds.

    Attributes:
        sensitivity: Phi.
        tuned_score: mean over environments of the best score on each.
        coverage: of the intervals.
        n_ignored: configurations without a score on every environment.
    """

    sensitivity: Estimate
    tuned_score: Estimate
    coverage: float
    n_ignored: int


def tuned_score(G: np.ndarray) -> float:
    """Mean over environments of the best score on each: mean_e max_h G(e, h); NaN without any."""
    return float(_tuned(_complete(G)[0]))


def hyperparameter_sensitivity(G: np.ndarray) -> float:
    """What is lost when one configuration must serve all environments.

    Phi = mean_e max_h G(e, h) - max_h mean_e G(e, h)

    It is never negative. With scores of few seeds it is too large, because the best of noisy scores
    is, and more so one by one than on average.

    Args:
        G: `(n_envs, n_configs)` normalised scores, NaN for missing.

    Returns:
        Phi, or NaN where no configuration has a score on every environment.
    """
    return float(_sensitivity(_complete(G)[0]))


def sensitivity_interval(
    scores: np.ndarray, resamples: int = 10_000, seed: int = 0, coverage: float = 0.95
) -> SensitivityInterval:
    """Phi and the tuned score with basic bootstrap intervals over seeds.

    low = 2 * value - upper quantile,  high = 2 * value - lower quantile,
    corrected = 2 * value - mean,  of the resampled values

    The best of noisy means is too high, and the best of resampled means is too high once more, by
    about as much: the quantiles themselves would add that bias, the basic interval takes it off. So
    the value may lie above its own interval when configurations differ by less than their noise.
    Seeds are drawn anew inside each environment, whole: the same ones for all configurations.

    Args:
        scores: `(n_envs, n_configs, n_seeds)` normalised, NaN for missing.
        resamples: of the bootstrap.
        seed: of the bootstrap.
        coverage: of the intervals.

    Returns:
        Bounds are NaN where an environment has fewer than two seeds.
    """
    if not 0 < coverage < 1:
        raise InputError(f"the coverage of an interval must lie in (0, 1); given {coverage!r}")
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 3 or scores.size == 0:
        raise InputError(
            "a sensitivity interval needs scores (n_envs, n_configs, n_seeds) with at least one of "
            f"each; given shape {scores.shape}"
        )
    table, known = _complete(seed_means(scores))
    n_ignored = int(np.count_nonzero(~known))
    phi, tuned = float(_sensitivity(table)), float(_tuned(table))
    drawn = np.empty((2, 0))
    if np.isfinite(scores[:, known]).any(axis=1).sum(axis=1).min() > 1:
        drawn = _resampled_planes(scores[:, known], resamples, seed)
    estimates = _estimate(phi, drawn[0], coverage, 0.0), _estimate(tuned, drawn[1], coverage)
    return SensitivityInterval(*estimates, coverage, n_ignored)


def tuned_score_by_dimension(
    G: np.ndarray, settings: pd.DataFrame
) -> tuple[tuple[float, ...], tuple[tuple[str, ...], ...]]:
    """Best tuned score for each number of hyperparameters tuned per environment.

    For a set S of hyperparameters:  mean_e max_{h in H(S)} G(e, h),  where H(S) holds the
    configurations that agree outside S with argmax_h mean_e G(e, h), the best across environments,
    the first in order of levels among ties. The best set of each size is found among all of them.
    A hyperparameter that a configuration does not read needs no tuning to get there.

    Args:
        G: `(n_envs, n_configs)` normalised scores, NaN for missing.
        settings: `(n_configs, n_hyperparameters)`, no two rows alike; cells may be missing.

    Returns:
        The scores for 0, 1, .. hyperparameters, and the sets; empty where no configuration has a
        score on every environment.

    Raises:
        InputError: with more than MAX_HYPERPARAMETERS hyperparameters.
    """
    table, known = _complete(G)
    checked_rows(settings, len(known))
    grid = grid_of(settings)
    refuse_duplicates(grid)
    if len(grid.names) > MAX_HYPERPARAMETERS:
        raise InputError(
            f"all sets of hyperparameters can be searched for at most {MAX_HYPERPARAMETERS}; "
            f"given {len(grid.names)}: leave out those with one level"
        )
    if not known.any():
        return (), ()
    scores = _score_of_sets(table, _changed(table, grid, known), len(grid.names))
    sizes = np.bitwise_count(np.arange(len(scores)))
    best = [_best_set(scores, sizes, size) for size in range(len(grid.names) + 1)]
    sets = tuple(tuple(n for i, n in enumerate(grid.names) if one >> i & 1) for one in best)
    return tuple(float(scores[one]) for one in best), sets


def effective_dimensionality(
    G: np.ndarray, settings: pd.DataFrame, share: float = 0.95
) -> Dimensionality:
    """Least number of hyperparameters to tune per environment for most of the tuned score.

    d = min |S| such that score(S) >= T - (1 - share) * |T|,  T = mean_e max_h G(e, h)

    For T > 0 the threshold is share * T, as in the paper. A negative T, worse than random, would
    put share * T above what any tuning reaches; this threshold lies the same distance below T.

    Args:
        G: `(n_envs, n_configs)` normalised scores, NaN for missing.
        settings: `(n_configs, n_hyperparameters)`, see `tuned_score_by_dimension`.
        share: of the tuned score.
    """
    if not 0 < share <= 1:
        raise InputError(f"the share of the tuned score must lie in (0, 1]; given {share!r}")
    scores, subsets = tuned_score_by_dimension(G, settings)
    n_ignored = int(np.count_nonzero(~_complete(G)[1]))
    if not scores:
        return Dimensionality(None, (), (), (), np.nan, n_ignored)
    threshold = scores[-1] - (1 - share) * abs(scores[-1])
    d = next(size for size, score in enumerate(scores) if score >= threshold)
    return Dimensionality(d, subsets[d], scores, subsets, threshold, n_ignored)


def _complete(G: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The configurations that have a score on every environment, and the mask of them."""
    table = np.asarray(G, dtype=np.float64)
    if table.ndim != 2 or table.size == 0:
        raise InputError(
            "normalised scores must be an array (n_envs, n_configs) with at least one of each; "
            f"given shape {table.shape}"
        )
    known = np.isfinite(table).all(axis=0)
    return table[:, known], known


def _tuned(table: np.ndarray) -> np.ndarray:
    """`(n_envs, n_configs, ...)` to mean_e max_h; NaN without configurations."""
    if table.shape[1] == 0:
        return np.full(table.shape[2:], np.nan)
    return table.max(axis=1).mean(axis=0)


def _sensitivity(table: np.ndarray) -> np.ndarray:
    """`(n_envs, n_configs, ...)` to Phi, never below 0; NaN without configurations."""
    if table.shape[1] == 0:
        return np.full(table.shape[2:], np.nan)
    return np.maximum(_tuned(table) - table.mean(axis=0).max(axis=0), 0.0)


def _estimate(value: float, drawn: np.ndarray, coverage: float, least: float = -np.inf) -> Estimate:
    """Value with its basic bootstrap interval, cut at the least value that it can have."""
    if drawn.size == 0:
        return Estimate(value, np.nan, np.nan, np.nan)
    low, high = np.quantile(drawn, [(1 - coverage) / 2, (1 + coverage) / 2])
    ends = 2 * value - np.array([drawn.mean(), high, low])
    return Estimate(value, *np.maximum(ends, least).tolist())


def _resampled_planes(scores: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Phi and tuned score, `(2, n)`, of the resamples in which any configuration is complete."""
    keys = np.random.SeedSequence(seed).spawn(len(scores))
    blocks = zip(
        *(
            resampled_means(env, resamples, np.random.PCG64(key))
            for env, key in zip(scores, keys, strict=True)
        ),
        strict=True,
    )
    planes = []
    for means in blocks:
        table = np.stack(means)
        table[:, np.isneginf(table).any(axis=0)] = -np.inf
        table = np.swapaxes(table[:, np.isfinite(table[0]).any(axis=1)], 1, 2)
        planes.append(np.stack([_sensitivity(table), _tuned(table)]))
    return np.concatenate(planes, axis=1)


def _changed(table: np.ndarray, grid: Grid, known: np.ndarray) -> np.ndarray:
    """For each known configuration, as bits, what differs from the best across environments.

    What the configuration does not read does not count, unless nothing else differs.
    """
    codes, unread = grid.codes[known], grid.unread[known]
    means = table.mean(axis=0)
    best = min(np.flatnonzero(means == means.max()), key=lambda row: codes[row].tolist())
    differs = codes != codes[best]
    read = differs & ~unread
    differs = np.where(read.any(axis=1, keepdims=True), read, differs)
    return differs @ (1 << np.arange(differs.shape[1]))


def _score_of_sets(table: np.ndarray, changed: np.ndarray, n_hyperparameters: int) -> np.ndarray:
    """Tuned score of every set of hyperparameters, `(2 ** n_hyperparameters,)`, sets as bits."""
    n_envs = len(table)
    best = np.full((n_envs, 1 << n_hyperparameters), -np.inf)
    np.maximum.at(best, (slice(None), changed), table)
    for bit in range(n_hyperparameters):
        # From "exactly this set" to "at most this set", one hyperparameter at a time.
        halves = best.reshape(n_envs, -1, 2, 1 << bit)
        np.maximum(halves[:, :, 1], halves[:, :, 0], out=halves[:, :, 1])
    return best.mean(axis=0)


def _best_set(scores: np.ndarray, sizes: np.ndarray, size: int) -> int:
    """The best set of a size, as bits."""
    sets = np.flatnonzero(sizes == size)
    return int(sets[np.argmax(scores[sets])])
