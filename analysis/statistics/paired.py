"""Comparing two variants over seeds by the difference of their means, paired or not.

Arrays have the seeds in their last axis; what leads (configurations, points) stays. Paired means
that seed i of both variants met the same random numbers. Values must be finite: leave a seed out of
both variants where one of them is missing.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from hq_ray.analysis.statistics.improvement import improvement_interval as improvement_interval
from hq_ray.analysis.statistics.improvement import (
    probability_of_improvement as probability_of_improvement,
)
from hq_ray.analysis.statistics.intervals import t_factor, welch_parts
from hq_ray.analysis.statistics.means import mean_and_se
from hq_ray.analysis.statistics.seed_rows import (
    checked_level,
    like_leading,
    row_blocks,
    seed_rows,
    weighted_sums,
)
from hq_ray.errors import InputError

EXACT_UP_TO = 16
# Sums of the same differences in another order agree to this share of their magnitude.
TIE = 1e-12


@dataclass(frozen=True, eq=False)
class PairedDifference:
    """The difference a - b over paired seeds; every field but n and p_method is by leading index.

    Attributes:
        n: number of pairs.
        mean: of the differences.
        se: its standard error, ddof = 1; NaN at n = 1.
        low: lower limit of the t interval; NaN at n = 1.
        high: upper limit of the t interval; NaN at n = 1.
        p_value: two-sided, of the sign-flip test; its least value is 2 / 2^n.
        p_method: `exact` or `monte carlo`.
        wins: pairs with a > b.
        ties: pairs with a = b.
        losses: pairs with a < b.
        seed_correlation: Pearson's, of a and b over seeds; NaN where one of them is constant.
        variance_ratio: Var(a - b) / (Var a + Var b): below 1, pairing paid; NaN if both constant.
        sd: of the differences; NaN at n = 1.
    """

    n: int
    mean: np.ndarray | float
    se: np.ndarray | float
    low: np.ndarray | float
    high: np.ndarray | float
    p_value: np.ndarray | float
    p_method: str
    wins: np.ndarray | int
    ties: np.ndarray | int
    losses: np.ndarray | int
    seed_correlation: np.ndarray | float
    variance_ratio: np.ndarray | float
    sd: np.ndarray | float

    @property
    def seeds_needed(self) -> np.ndarray | float:
        """Pairs that would show a true difference of this mean and sd in 4 of 5 experiments."""
        return seeds_needed(self.mean, self.sd)


def paired_difference(
    a: np.ndarray, b: np.ndarray, resamples: int = 10_000, seed: int = 0, level: float = 0.95
) -> PairedDifference:
    """Mean difference a - b over paired seeds: t interval, sign-flip test, and what pairing gave.

    Args:
        a: `(..., n)`.
        b: the same shape; seed i of a is paired with seed i of b.
        resamples: sign vectors drawn where n > 16.
        seed: of these.
        level: of the interval.

    Raises:
        InputError: when the shapes differ, or values are empty or not finite.
    """
    if np.shape(a) != np.shape(b):
        raise InputError(
            f"paired seeds need arrays of one shape; given {np.shape(a)} and {np.shape(b)}: "
            "keep the seeds that both have, or use unpaired_difference"
        )
    first, second = seed_rows(a), seed_rows(b)
    difference = first - second
    n = difference.shape[-1]
    over = mean_and_se(difference.T)
    se = np.full(len(difference), np.nan) if over.se is None else over.se
    half = t_factor(max(n - 1, 1), level) * se
    p_value, p_method = sign_flip_test(difference, resamples, seed)
    correlation, ratio = _pairing(first, second, difference)
    fields = {
        "mean": over.mean,
        "se": se,
        "low": over.mean - half,
        "high": over.mean + half,
        "p_value": p_value,
        "wins": (difference > 0).sum(axis=-1),
        "ties": (difference == 0).sum(axis=-1),
        "losses": (difference < 0).sum(axis=-1),
        "seed_correlation": correlation,
        "variance_ratio": ratio,
        "sd": se * math.sqrt(n),
    }
    shaped = {name: like_leading(value, a) for name, value in fields.items()}
    return PairedDifference(n=n, p_method=p_method, **shaped)


def sign_flip_test(
    difference: np.ndarray, resamples: int = 10_000, seed: int = 0
) -> tuple[np.ndarray, str]:
    """Two-sided p-value that the differences are symmetric about 0, by row, and how it was found.

    Share of sign vectors s with |sum s_i d_i| >= |sum d_i|: of all 2^n where n <= 16 (`exact`), of
    B drawn ones with (1 + count) / (1 + B) above (`monte carlo`). Fisher (1935), The Design of
    Experiments, section 21; Phipson and Smyth (2010) for the 1.

    Args:
        difference: `(n_rows, n)`, finite.
        resamples: B.
        seed: of the drawn sign vectors, which all rows share.
    """
    n = difference.shape[-1]
    reached = np.abs(difference.sum(axis=-1)) - TIE * np.abs(difference).sum(axis=-1)
    p_value = np.empty(len(difference))
    exact = n <= EXACT_UP_TO
    if not exact:
        coins = np.random.Generator(np.random.PCG64(seed)).integers(0, 2, (resamples, n))
        signs = 1.0 - 2.0 * coins
    for block in row_blocks(len(difference), 2**n if exact else resamples):
        rows = difference[block]
        sums = _all_sign_sums(rows) if exact else weighted_sums(rows, signs)
        extreme = (np.abs(sums, out=sums) >= reached[block, None]).sum(axis=-1)
        p_value[block] = extreme / sums.shape[-1] if exact else (1 + extreme) / (1 + resamples)
    return p_value, "exact" if exact else "monte carlo"


def _all_sign_sums(rows: np.ndarray) -> np.ndarray:
    """Sums of `(n_rows, n)` under half of all sign vectors `(n_rows, 2^(n-1))`.

    The other half mirrors them. Each seed doubles the sums of those before it.
    """
    sums = rows[:, :1].copy()
    for column in rows.T[1:, :, None]:
        sums = np.concatenate([sums + column, sums - column], axis=1)
    return sums


def _pairing(
    first: np.ndarray, second: np.ndarray, difference: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Seed correlation and variance ratio by row; NaN where a variance that divides is 0."""
    ratio, correlation = np.full((2, len(first)), np.nan)
    n = first.shape[-1]
    if n > 1:
        variance = [n * mean_and_se(rows.T).se ** 2 for rows in (first, second, difference)]
        total = variance[0] + variance[1]
        np.divide(variance[2], total, out=ratio, where=total > 0)
        centred = [rows - mean_and_se(rows.T).mean[:, None] for rows in (first, second)]
        covariance = (centred[0] * centred[1]).sum(axis=-1) / (n - 1)
        scale = np.sqrt(variance[0]) * np.sqrt(variance[1])
        np.divide(covariance, scale, out=correlation, where=scale > 0)
    return np.clip(correlation, -1, 1), ratio


def seeds_needed(
    difference: np.ndarray | float, sd: np.ndarray | float, level: float = 0.95, power: float = 0.8
) -> np.ndarray | float:
    """Pairs of seeds for this power at a true difference: ceil((z_.975 + z_.8)^2 (sd / D)^2).

    7.85 (sd / D)^2 by default, at least 2; infinite for D = 0; NaN where sd is.
    """
    factor = stats.norm.ppf((1 + checked_level(level)) / 2) + stats.norm.ppf(checked_level(power))
    difference, sd = np.broadcast_arrays(np.abs(np.asarray(difference, float)), sd)
    ratio = np.divide(sd, difference, out=np.full(sd.shape, np.inf), where=difference > 0)
    needed = np.maximum(2.0, np.ceil((factor * ratio) ** 2))
    return np.where(np.isnan(sd), np.nan, needed)[()]


@dataclass(frozen=True, eq=False)
class UnpairedDifference:
    """The difference of means a - b of independent seeds; arrays by leading index.

    Attributes:
        n: number of seeds of a.
        m: number of seeds of b.
        mean: difference of the means.
        se: its standard error; NaN where a group has one seed, like low, high and p_value.
        low: lower limit of Welch's interval.
        high: upper limit of Welch's interval.
        p_value: two-sided.
        p_method: `welch`.
    """

    n: int
    m: int
    mean: np.ndarray | float
    se: np.ndarray | float
    low: np.ndarray | float
    high: np.ndarray | float
    p_value: np.ndarray | float
    p_method: str = "welch"


def unpaired_difference(a: np.ndarray, b: np.ndarray, level: float = 0.95) -> UnpairedDifference:
    """Welch's interval and test of the difference of means, for seeds that are not paired.

    Two constant groups have SE = 0 and no t test. Where they differ, p is that of the permutation
    test: 1 / C(n + m, n), twice that where n = m.

    Args:
        a: `(..., n)`.
        b: `(..., m)`, the same leading axes.
        level: of the interval.
    """
    mean, se, freedom = welch_parts(a, b)
    n, m = np.shape(a)[-1], np.shape(b)[-1]
    half = t_factor(freedom, level) * se
    ratio = np.divide(np.abs(mean), se, out=np.zeros_like(mean), where=~(se == 0))
    separated = (1 + (n == m)) / math.comb(n + m, n)
    p_value = np.where((se == 0) & (mean != 0), separated, 2 * stats.t.sf(ratio, freedom))
    fields = (mean, se, mean - half, mean + half, p_value)
    return UnpairedDifference(n, m, *(like_leading(field, a) for field in fields))
