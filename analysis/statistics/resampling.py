"""Bootstrap intervals over seeds: resample seeds, never episodes.

Mean, IQM and median are one thing, the mean of the order statistics between two ranks. So ranks are
resampled once, as counts `(B, n)`, and one matrix of weights on order statistics serves every
configuration. Limits are valid for each configuration alone; for differences use
`statistics.paired`, which resamples what is paired together. Values must be finite: a missing seed
is for the caller to leave out.
"""

import warnings
from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

from hq_ray.analysis.statistics.aggregates import trimmed_mean
from hq_ray.analysis.statistics.intervals import NO_INTERVAL, Interval, named
from hq_ray.analysis.statistics.seed_rows import (
    bootstrap_weights,
    checked_level,
    like_leading,
    percentile_limits,
    row_blocks,
    seed_rows,
    weighted_sums,
)
from hq_ray.errors import InputError, near_miss

# How many order statistics each statistic drops at either end of n.
CUTS: dict[str, Callable[[int], int]] = {
    "mean": lambda n: 0,
    "median": lambda n: (n - 1) // 2,
    "iqm": lambda n: n // 4,
}
METHODS = ("percentile", "bca")
# Resamples that scipy holds at a time.
BATCH = 250


def bootstrap(
    values: np.ndarray,
    statistic: str = "mean",
    resamples: int = 10_000,
    seed: int = 0,
    level: float = 0.95,
    method: str = "percentile",
) -> Interval:
    """A statistic over seeds with its bootstrap interval, for every leading index.

    A row's limits depend on its values, not on their order nor on the other rows. BCa (Efron 1987,
    Journal of the American Statistical Association 82, 171) is scipy's; where it is undefined, as
    on constant data, the percentile limits stand in and the note says so.

    Args:
        values: `(..., n)`.
        statistic: `mean`, `median` or `iqm`.
        resamples: B.
        seed: of the resampling.
        level: of the interval.
        method: `percentile` or `bca`.

    Raises:
        InputError: when values are empty or not finite, or a name, level or count is none.
    """
    cut_of = _known(statistic, CUTS, "statistic")
    _known(method, dict.fromkeys(METHODS), "bootstrap method")
    ordered = np.sort(seed_rows(values), axis=-1)
    n = ordered.shape[-1]
    estimate = trimmed_mean(ordered, cut_of(n))
    low, high = _percentile(ordered, estimate, cut_of(n), resamples, seed, checked_level(level))
    note = NO_INTERVAL if n == 1 else ""
    if method == "bca" and n > 1:
        deviations = ordered - estimate[:, None]
        bca = _bca_limits(deviations, cut_of, resamples, seed, level) + estimate
        undefined = np.isnan(bca).any(axis=0)
        low, high = np.where(undefined, (low, high), bca)
        if undefined.any():
            note = f"BCa undefined in {undefined.sum()} of {len(ordered)}: percentile limits there"
    limits = (like_leading(x, values) for x in (estimate, low, high))
    return Interval(*limits, named("bca" if method == "bca" else "boot", level), n, note)


def stratified_bootstrap(
    scores: Sequence[np.ndarray],
    statistic: str = "iqm",
    resamples: int = 10_000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """A statistic of all runs of several environments, seeds resampled inside each of them.

    The statistic is that of the pooled runs, as Agarwal et al. (2021) have it: normalise scores
    first (`statistics.aggregates.normalise`). With unequal numbers of seeds an environment weighs
    by its seeds, and the note says so.

    Args:
        scores: one `(n_e,)` per environment; the order of environments keys their resampling.
        statistic: `mean`, `median` or `iqm`.
        resamples: B.
        seed: of the resampling.
        level: of the interval.
    """
    cut_of = _known(statistic, CUTS, "statistic")
    strata = [seed_rows(env_scores).ravel() for env_scores in scores]
    if not strata:
        raise InputError("a stratified bootstrap needs at least one environment; given none")
    sizes = [len(stratum) for stratum in strata]
    pooled = np.concatenate(strata)
    order = np.argsort(pooled, kind="stable")
    counts = np.hstack([bootstrap_weights(n, resamples, [seed, e]) for e, n in enumerate(sizes)])
    ordered, cut = pooled[order][None], cut_of(len(pooled))
    estimate = trimmed_mean(ordered, cut)
    draws = _draws(ordered, estimate, trimmed_weights(counts[:, order], cut))
    low, high = percentile_limits(draws, level)
    note = "" if len(set(sizes)) == 1 else "environments weigh by their number of seeds"
    if min(sizes) == 1:
        low, high, note = low * np.nan, high * np.nan, "n = 1 in an environment: no interval"
    limits = (float(x[0]) for x in (estimate, low, high))
    return Interval(*limits, named("boot", level), min(sizes), note)


def trimmed_weights(counts: np.ndarray, cut: int) -> np.ndarray:
    """Weights on order statistics that make a resample's trimmed sum.

    A resample with `counts` `(B, n)` of each rank, sorted, holds rank i at the places between the
    cumulated counts before and after i; what falls among the first or last `cut` places is dropped.
    """
    n = counts.shape[-1]
    upto = np.clip(np.cumsum(counts, axis=-1), cut, n - cut)
    return np.diff(upto, axis=-1, prepend=float(cut))


def _draws(ordered: np.ndarray, estimate: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Resampled trimmed means `(n_rows, B)` of ascending rows, from deviations off the estimate."""
    kept = weights[0].sum()
    return estimate[:, None] + weighted_sums(ordered - estimate[:, None], weights) / kept


def _percentile(
    ordered: np.ndarray, estimate: np.ndarray, cut: int, resamples: int, seed: int, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Percentile limits by row; NaN with one seed."""
    low, high = np.full((2, len(ordered)), np.nan)
    n = ordered.shape[-1]
    weights = trimmed_weights(bootstrap_weights(n, resamples, seed), cut)
    if n > 1:
        for block in row_blocks(len(ordered), resamples):
            draws = _draws(ordered[block], estimate[block], weights)
            low[block], high[block] = percentile_limits(draws, level)
    return low, high


def _bca_limits(
    deviations: np.ndarray, cut_of: Callable[[int], int], resamples: int, seed: int, level: float
) -> np.ndarray:
    """BCa limits `(2, n_rows)` of deviations from the estimate; NaN where they are undefined.

    Deviations of constant rows are exactly 0, so that scipy finds these degenerate.
    """

    def statistic(sample: np.ndarray, axis: int) -> np.ndarray:
        # Contiguous: the order of numpy's additions depends on the layout.
        ordered = np.sort(np.ascontiguousarray(sample), axis=axis)
        return trimmed_mean(ordered, cut_of(sample.shape[axis]))

    limits = np.empty((2, len(deviations)))
    # Small blocks of fixed batches: memory is bounded, and a row's draws know no other row.
    for block in row_blocks(len(deviations), BATCH * deviations.shape[-1]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            limits[:, block] = stats.bootstrap(
                (deviations[block],),
                statistic,
                n_resamples=resamples,
                batch=BATCH,
                axis=-1,
                vectorized=True,
                confidence_level=level,
                method="BCa",
                rng=np.random.Generator(np.random.PCG64(seed)),
            ).confidence_interval
    return limits


def _known(name: str, table: dict, what: str):
    """The table's entry, or an error with the near miss."""
    if name not in table:
        raise InputError(
            f"a {what} is one of {', '.join(table)}; given {name!r}{near_miss(name, table)}"
        )
    return table[name]
