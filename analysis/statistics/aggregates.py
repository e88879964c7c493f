"""Single numbers and profiles of many runs: IQM, worst runs, performance profiles, normalisation.

On one environment an IQM wants the mean and the worst runs beside it, because it hides a rare
failure; for success rates it says nothing, because it saturates outside 25 to 75 %.
"""

import math

import numpy as np
from scipy import stats

from hq_ray.analysis.statistics.intervals import Interval, named
from hq_ray.analysis.statistics.seed_rows import checked_level, like_leading, seed_rows
from hq_ray.errors import InputError, near_miss


def iqm(values: np.ndarray) -> np.ndarray | float:
    """Interquartile mean `(..., n)` -> `(...)`: drop floor(n/4) at each end, mean of the rest.

    Agarwal et al. (2021), Deep Reinforcement Learning at the Edge of the Statistical Precipice.
    """
    rows = np.sort(seed_rows(values), axis=-1)
    return like_leading(trimmed_mean(rows, rows.shape[-1] // 4), values)


def trimmed_mean(ordered: np.ndarray, cut: int) -> np.ndarray:
    """Mean over the last axis of ascending values without `cut` of them at each end."""
    kept = ordered[..., cut : ordered.shape[-1] - cut]
    # Deviations from one value: equal values give exactly that value.
    return kept[..., 0] + (kept - kept[..., :1]).mean(axis=-1)


def worst_mean(values: np.ndarray, share: float = 0.1) -> np.ndarray | float:
    """Mean of the worst (lowest) ceil(share * n) values of each row: `(..., n)` -> `(...)`.

    Raises:
        InputError: when share is not in (0, 1].
    """
    if not 0 < share <= 1:
        raise InputError(f"a share of worst runs lies in (0, 1]; given {share!r}")
    ordered = np.sort(seed_rows(values), axis=-1)
    # 0.07 * 100 is a little more than 7.
    worst = max(1, math.ceil(share * ordered.shape[-1] - 1e-9))
    return like_leading(trimmed_mean(ordered[:, :worst], 0), values)


def normalise(
    scores: np.ndarray, random: np.ndarray | float, optimal: np.ndarray | float
) -> np.ndarray | float:
    """(score - random) / (optimal - random): 0 plays at random, 1 is optimal.

    From exact references and never from the observed range, which moves when runs are added. A NaN
    score (a missing run) stays NaN.

    Args:
        scores: any shape.
        random: expected score of the random policy; broadcasts against scores.
        optimal: expected score of the optimal policy; broadcasts against scores.

    Raises:
        InputError: when optimal is not above random, or one of them is not finite.
    """
    random, optimal = np.asarray(random, dtype=float), np.asarray(optimal, dtype=float)
    good = np.isfinite(random) & np.isfinite(optimal) & (optimal > random)
    if not good.all():
        first = np.flatnonzero(~good.ravel())[0]
        pair = [np.broadcast_to(x, good.shape).ravel()[first] for x in (random, optimal)]
        raise InputError(
            "normalising needs finite references with optimal > random; "
            f"given random = {pair[0]:g} and optimal = {pair[1]:g}"
        )
    return ((np.asarray(scores, dtype=float) - random) / (optimal - random))[()]


def performance_profile(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Share of runs with score > tau: scores `(..., n)`, thresholds `(K,)` -> `(..., K)`.

    Over seeds of a tuned configuration, or over configurations: performance untuned. Dolan and Moré
    (2002), Mathematical Programming 91, 201; Jordan et al. (2020), Evaluating the Performance of
    Reinforcement Learning Algorithms.
    """
    return like_leading(_counts_above(scores, thresholds) / np.shape(scores)[-1], scores)


def profile_band(
    scores: np.ndarray, thresholds: np.ndarray, method: str = "dkw", level: float = 0.95
) -> Interval:
    """Performance profile with its band.

    `dkw`: simultaneous over all thresholds, ± sqrt(ln(2 / (1 - level)) / (2n)), cut to [0, 1], with
    the constant of Massart (1990), Annals of Probability 18, 1269.
    `bootstrap`: pointwise percentile limits. With k of n runs above tau, a resampled share is
    Binomial(n, k/n) / n exactly, so the limits are that law's quantiles and nothing is drawn. They
    have no width where all runs, or none, are above tau.

    Args:
        scores: `(..., n)`.
        thresholds: `(K,)`.
        method: `dkw` or `bootstrap`.
        level: of the band.

    Raises:
        InputError: when the method is none of these, or the level, scores or thresholds are none.
    """
    n = np.shape(scores)[-1] if np.ndim(scores) else 0
    share = _counts_above(scores, thresholds) / n
    if method == "dkw":
        half = math.sqrt(math.log(2 / (1 - checked_level(level))) / (2 * n))
        low, high = np.maximum(share - half, 0), np.minimum(share + half, 1)
    elif method == "bootstrap":
        tail = (1 - checked_level(level)) / 2
        low, high = (_binomial_quantile(q, n, share) / n for q in (tail, 1 - tail))
    else:
        known = near_miss(method, ["dkw", "bootstrap"])
        raise InputError(f"a profile's band is 'dkw' or 'bootstrap'; given {method!r}{known}")
    limits = (like_leading(x, scores) for x in (share, low, high))
    return Interval(*limits, kind=named("dkw" if method == "dkw" else "boot", level), n=n)


def _counts_above(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Runs above each threshold: `(n_rows, K)`."""
    rows = np.sort(seed_rows(scores), axis=-1)
    taus = np.asarray(thresholds, dtype=np.float64)
    if taus.ndim != 1 or np.isnan(taus).any():
        raise InputError(
            f"thresholds of a profile are a list (K,) without NaN; given shape {taus.shape}"
        )
    above = [rows.shape[-1] - np.searchsorted(row, taus, side="right") for row in rows]
    return np.stack(above)


def _binomial_quantile(q: float, n: int, share: np.ndarray) -> np.ndarray:
    """Quantile of Binomial(n, share), from one table of the n + 1 possible shares."""
    # Only n + 1 shares can occur; 0 and 1 are certain.
    inner = stats.binom.ppf(q, n, np.arange(1, n) / n) if n > 1 else np.empty(0)
    table = np.concatenate([[0.0], inner, [float(n)]])
    return table[np.rint(share * n).astype(int)]
