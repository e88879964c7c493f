"""What tuning is worth: selection among configurations, and honest scores of what was selected.

The best of many means is too good, because it was chosen partly for its luck. So what is chosen on
some seeds is scored on others. Scores are `(n_configs, n_seeds)`, higher is better, NaN where a
trial is missing; means are over the seeds that are there. Means that agree to 12 digits are ties:
the rounding of a sum decides nothing.
"""

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hq_ray.errors import InputError

TIE = 1e-12
BLOCK = 1 << 18


@dataclass(frozen=True, eq=False)
class CrossFit:
    """Scores of tuned configurations, each from seeds that had no part in the choice.

    Attributes:
        per_seed: `(n_seeds,)`, NaN where nothing that could be chosen has that seed.
        chosen: for each fold the configuration that is best on the other fold, the first one among
            ties; None where no configuration takes part.
        fold_of_seed: `(n_seeds,)`, 0 for seeds of even index and 1 for odd ones.
        cross_fitted: False with a single seed, which then both chooses and scores.
        n_ignored: configurations without a score in every fold; they take no part.
    """

    per_seed: np.ndarray
    chosen: list[int | None]
    fold_of_seed: np.ndarray
    cross_fitted: bool
    n_ignored: int


def budget_weights(n_configs: int, k: int) -> np.ndarray:
    """Chance that each configuration is the best of k drawn without replacement.

    P_i = C(N - i, k - 1) / C(N, k),  i = 1 (best) .. N,  from P_1 = k / N and
    P_(i+1) / P_i = (N - i - k + 1) / (N - i)

    Drawing with replacement instead would be biased: Tang et al. (2020), Showing Your Work Doesn't
    Always Work.

    Returns:
        `(n_configs,)`, best first.

    Raises:
        InputError: when k is no whole number from 1 to n_configs.
    """
    if not 1 <= checked_count("the tuning budget", k) <= n_configs:
        raise InputError(
            f"the tuning budget must be at most the {n_configs} configurations there are; given {k}"
        )
    worse = np.arange(n_configs - 1, 0, -1)
    ratios = np.maximum(worse - k + 1, 0) / worse
    return k / n_configs * np.cumprod(np.concatenate([[1.0], ratios]))


def budget_curve(
    selection_scores: np.ndarray, fresh_scores: np.ndarray, budgets: Sequence[int]
) -> np.ndarray:
    """Expected fresh score of the best of k configurations drawn at random, for each budget k.

    sum_i P_i(k) * fresh_i  over configurations ranked by their selection score

    Tied configurations share their chances equally. Where fresh scores are missing, the chances of
    the other configurations are scaled to sum to 1, seed by seed.

    Args:
        selection_scores: `(n_configs,)`; configurations without one are ignored.
        fresh_scores: `(n_configs, n_seeds)` from seeds that had no part in the selection scores.
        budgets: numbers of configurations tried.

    Returns:
        `(len(budgets), n_seeds)`, NaN where a budget exceeds the configurations that have scores.
    """
    fresh = checked_scores(fresh_scores)
    selection = np.asarray(selection_scores, dtype=np.float64)
    if selection.shape != (len(fresh),):
        raise InputError(
            f"a budget curve needs one selection score for each of {len(fresh)} configurations; "
            f"given shape {selection.shape}"
        )
    known = np.isfinite(selection) & np.isfinite(fresh).any(axis=1)
    return _expected_best(selection[known], fresh[known], budgets)


def cross_fitted_budget_curve(scores: np.ndarray, budgets: Sequence[int]) -> np.ndarray:
    """Budget curve of a sweep by itself: each half of the seeds is scored by the other's choice.

    With one seed the choice is made on that seed, and the curve is too good.

    Args:
        scores: `(n_configs, n_seeds)`.
        budgets: numbers of configurations tried.

    Returns:
        `(len(budgets), n_seeds)`, NaN where a budget exceeds the configurations that take part,
        which are those with a score in both halves.
    """
    scores = checked_scores(scores)
    curve = np.full((len(budgets), scores.shape[1]), np.nan)
    taking_part = _taking_part(scores)
    for fold, others in _folds(scores.shape[1]):
        selection = seed_means(scores[taking_part][:, others])
        curve[:, fold] = _expected_best(selection, scores[taking_part][:, fold], budgets)
    return curve


def cross_fitted_scores(scores: np.ndarray, budget: int | None = None) -> CrossFit:
    """Score of the tuned configuration per seed: choose on even seeds, score on odd, and swap.

    With a budget of k the score is the exact expectation over random subsets of k configurations,
    see `budget_curve`; so grids of unequal size compare at equal tuning effort, without drawing.
    Ties share equally. Where the chosen configuration misses a seed, that seed's score is NaN; with
    a budget the chances of the configurations that have the seed are scaled to sum to 1.

    Args:
        scores: `(n_configs, n_seeds)`. Drop seeds that no configuration was run on beforehand.
        budget: configurations tried; None, or more than take part, for all of them.
    """
    scores = checked_scores(scores)
    n_seeds = scores.shape[1]
    allowed = np.flatnonzero(_taking_part(scores))
    n_ignored = len(scores) - len(allowed)
    per_seed, chosen = np.full(n_seeds, np.nan), [None, None][:n_seeds]
    if len(allowed):
        k = len(allowed) if budget is None else checked_count("the tuning budget", budget)
        per_seed = cross_fitted_budget_curve(scores, [min(k, len(allowed))])[0]
        means = [seed_means(scores[allowed][:, others]) for _, others in _folds(n_seeds)]
        chosen = [int(allowed[_ranking(mean)[0][0]]) for mean in means]
    return CrossFit(per_seed, chosen, np.arange(n_seeds) % 2, n_seeds > 1, n_ignored)


def selection_shares(scores: np.ndarray, resamples: int = 10_000, seed: int = 0) -> np.ndarray:
    """Share of resamples of the seeds in which each configuration has the best mean.

    Whole seeds are drawn, the same for all configurations, as trials of one seed are paired. Ties
    share equally. A share far below 1 says that the winner is not settled.

    Returns:
        `(n_configs,)`, summing to 1; 0 for configurations without a score.
    """
    scores = checked_scores(scores)
    known = np.isfinite(scores).any(axis=1)
    shares = np.zeros(len(scores))
    if not known.any():
        return shares
    wins = np.zeros(np.count_nonzero(known))
    tolerance = TIE * np.nanmax(np.abs(scores[known]), axis=1)
    for means in resampled_means(scores[known], resamples, np.random.PCG64(seed)):
        tied = means >= means.max(axis=1, keepdims=True) - tolerance
        wins += (tied / np.count_nonzero(tied, axis=1)[:, None]).sum(axis=0)
    shares[known] = wins / resamples
    return shares


def top_configurations(
    scores: np.ndarray, k: int, budget: int | None = None, seed: int = 0
) -> np.ndarray:
    """Indices of the k configurations with the best means, best first, lowest index among ties.

    Args:
        scores: `(n_configs, n_seeds)`; configurations without a score are ignored.
        k: how many; fewer come back where there are no more.
        budget: choose among this many configurations drawn at random, so that a larger grid has no
            more chances than a smaller one; None, or more than there are, for all.
        seed: of the draw.
    """
    means = seed_means(checked_scores(scores))
    known = np.flatnonzero(np.isfinite(means))
    if budget is not None and checked_count("the tuning budget", budget) < len(known):
        draw = np.random.Generator(np.random.PCG64(seed))
        known = np.sort(draw.choice(known, size=budget, replace=False))
    return known[_ranking(means[known])[0]][: checked_count("the number of configurations", k)]


def optimism(stage_one_mean: float, stage_two_scores: np.ndarray) -> float:
    """How much too good the winner looked: its mean when chosen minus its mean on fresh seeds.

    Args:
        stage_one_mean: over the seeds of the choice.
        stage_two_scores: `(n_seeds,)` of the same configuration on other seeds, NaN for missing.

    Returns:
        NaN when no fresh seed has a score.
    """
    return float(stage_one_mean) - float(seed_means(np.atleast_2d(stage_two_scores))[0])


def seed_means(scores: np.ndarray) -> np.ndarray:
    """Mean over the last axis of what is there, NaN where nothing is."""
    scores = np.asarray(scores, dtype=np.float64)
    present = ~np.isnan(scores)
    counts = np.count_nonzero(present, axis=-1)
    sums = np.where(present, scores, 0.0).sum(axis=-1)
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)


def resampled_means(
    scores: np.ndarray, resamples: int, bits: np.random.BitGenerator
) -> Iterator[np.ndarray]:
    """Means over seeds drawn with replacement, in blocks of bounded memory.

    Args:
        scores: `(n_configs, n_seeds)`; seeds without any score are left out.
        resamples: how many.
        bits: what draws the seeds, the same ones for all configurations.

    Yields:
        `(block, n_configs)`, -inf where a resample has no score of a configuration.
    """
    scores = scores[:, ~np.isnan(scores).all(axis=0)]
    n_configs, n_seeds = scores.shape
    present = ~np.isnan(scores)
    filled, complete = np.where(present, scores, 0.0).T, present.all()
    random, size = np.random.Generator(bits), max(1, BLOCK // max(n_configs, n_seeds))
    for start in range(0, checked_count("the number of resamples", resamples), size):
        rows = np.arange(min(size, resamples - start))[:, None]
        drawn = random.integers(n_seeds, size=(len(rows), n_seeds))
        times = np.bincount((drawn + n_seeds * rows).ravel(), minlength=len(rows) * n_seeds)
        times = times.reshape(len(rows), n_seeds).astype(float)
        # einsum adds in one order, whatever the number of threads; a BLAS product may not.
        sums = np.einsum("rs,sc->rc", times, filled)
        counts = n_seeds if complete else np.einsum("rs,sc->rc", times, present.T.astype(float))
        yield np.divide(sums, counts, out=np.full(sums.shape, -np.inf), where=np.greater(counts, 0))


def checked_scores(scores: np.ndarray) -> np.ndarray:
    """Float64 `(n_configs, n_seeds)`, at least one of each, without infinite values."""
    array = np.asarray(scores, dtype=np.float64)
    if array.ndim != 2 or array.size == 0:
        raise InputError(
            "scores must be an array (n_configs, n_seeds) with at least one of each; "
            f"given shape {array.shape}"
        )
    if np.isinf(array).any():
        raise InputError(
            "scores must be finite, or NaN for a missing trial; "
            f"given {np.isinf(array).sum()} infinite values"
        )
    return array


def checked_count(what: str, number: int) -> int:
    """The number as a plain int >= 1, or an InputError that names it."""
    try:
        count = 0 if isinstance(number, bool | np.bool_) else operator.index(number)
    except TypeError:
        count = 0
    if count < 1:
        raise InputError(f"{what} must be a whole number >= 1; given {number!r}")
    return count


def _folds(n_seeds: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Each fold of seeds with the fold that chooses for it; a single seed chooses for itself."""
    seeds = np.arange(n_seeds)
    halves = [seeds] if n_seeds == 1 else [seeds[::2], seeds[1::2]]
    return zip(halves, reversed(halves), strict=True)


def _taking_part(scores: np.ndarray) -> np.ndarray:
    """Mask of the configurations that have a score in every fold."""
    present = ~np.isnan(scores)
    return np.all([present[:, fold].any(axis=1) for fold, _ in _folds(scores.shape[1])], axis=0)


def _ranking(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices best first, ties by index, and for each position the number of its group of ties."""
    order = np.argsort(-values, kind="stable")
    falls = np.diff(values[order], prepend=values[order][:1])
    groups = np.cumsum(falls < -TIE * np.abs(values[order]))
    return order[np.lexsort((order, groups))], groups


def _expected_best(selection: np.ndarray, fresh: np.ndarray, budgets: Sequence[int]) -> np.ndarray:
    """`budget_curve` of configurations that all have a selection score."""
    order, groups = _ranking(selection)
    present = (~np.isnan(fresh[order])).astype(float)
    filled = np.where(present > 0, fresh[order], 0.0)
    curve = np.full((len(budgets), fresh.shape[1]), np.nan)
    sizes = np.bincount(groups)
    for row, budget in zip(curve, budgets, strict=True):
        if checked_count("the tuning budget", budget) > len(order):
            continue
        weights = budget_weights(len(order), budget)
        shared = (np.bincount(groups, weights) / sizes)[groups]
        mass = np.einsum("i,is->s", shared, present)
        np.divide(np.einsum("i,is->s", shared, filled), mass, out=row, where=mass > 0)
    return curve
