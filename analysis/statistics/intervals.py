"""Intervals over seeds: of means, proportions, single runs and whole curves.

Arrays have the seeds in their last axis; what leads (configurations, points) stays. Values must be
finite: a missing seed is for the caller to leave out. With n < 30 the mean wants its t interval:
the percentile bootstrap covers 0.75, 0.84 and 0.90 at n = 3, 5 and 10 where 0.95 is promised.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from hq_ray.analysis.statistics.means import mean_and_se
from hq_ray.analysis.statistics.seed_rows import (
    bootstrap_weights,
    checked_level,
    like_leading,
    row_blocks,
    seed_rows,
    weighted_sums,
)
from hq_ray.errors import InputError, near_miss

NO_INTERVAL = "n = 1: no interval"


@dataclass(frozen=True, eq=False)
class Interval:
    """An estimate with its limits.

    Attributes:
        estimate: a float, or an array in the shape of the leading axes.
        low: lower limit, like estimate; NaN where there is none.
        high: upper limit, like estimate; NaN where there is none.
        kind: what a caption calls it: `se`, `ci95`, `welch95`, `boot95`, `bca95`, `ti`, ...
        n: number of seeds; the smallest where groups differ.
        note: what a reader must know besides; empty where there is nothing.
    """

    estimate: np.ndarray | float
    low: np.ndarray | float
    high: np.ndarray | float
    kind: str
    n: int
    note: str = ""


def named(kind: str, level: float) -> str:
    """The kind with its level in percent: `ci95`."""
    return f"{kind}{100 * level:g}"


def t_factor(freedom: np.ndarray | float, level: float = 0.95) -> np.ndarray | float:
    """Half width of the central t interval in standard errors: 12.7 at one degree of freedom."""
    return stats.t.ppf((1 + checked_level(level)) / 2, freedom)


def mean_interval(values: np.ndarray, kind: str = "ci95", level: float = 0.95) -> Interval:
    """Mean over seeds with m ± t SE (`ci95`) or m ± SE (`se`), SE = sd / sqrt(n), ddof = 1.

    Args:
        values: `(..., n)`.
        kind: `ci95` or `se`.
        level: of the t interval, which is named after it.

    Raises:
        InputError: when values are empty or not finite, or kind or level is none.
    """
    if kind not in ("ci95", "se"):
        known = near_miss(kind, ["ci95", "se"])
        raise InputError(f"an interval of a mean is 'ci95' or 'se'; given {kind!r}{known}")
    rows = seed_rows(values)
    n = rows.shape[-1]
    factor = 1.0 if kind == "se" else t_factor(max(n - 1, 1), level)
    over_seeds = mean_and_se(rows.T)
    half = np.full(len(rows), np.nan) if over_seeds.se is None else factor * over_seeds.se
    limits = (over_seeds.mean, over_seeds.mean - half, over_seeds.mean + half)
    return Interval(
        *(like_leading(limit, values) for limit in limits),
        kind=kind if kind == "se" else named("ci", level),
        n=n,
        note=NO_INTERVAL if n == 1 else "",
    )


def welch_interval(a: np.ndarray, b: np.ndarray, level: float = 0.95) -> Interval:
    """Difference of the means of two independent groups of seeds, variances unequal.

    m_a - m_b ± t SE with SE^2 = SE_a^2 + SE_b^2 and SE^4 / (SE_a^4/(n-1) + SE_b^4/(m-1)) degrees of
    freedom: Welch (1947), Biometrika 34, 28. Two constant groups have an interval of zero width.

    Args:
        a: `(..., n)`.
        b: `(..., m)`, the same leading axes.
        level: of the interval.
    """
    difference, se, freedom = welch_parts(a, b)
    half = t_factor(freedom, level) * se
    n = min(np.shape(a)[-1], np.shape(b)[-1])
    return Interval(
        *(like_leading(x, a) for x in (difference, difference - half, difference + half)),
        kind=named("welch", level),
        n=n,
        note=NO_INTERVAL if n == 1 else "seeds not paired",
    )


def welch_parts(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Difference of means, its standard error and degrees of freedom, by row.

    With one seed in a group SE and freedom are NaN; with two constant groups SE is 0 and the
    freedom, undefined, is that of the smaller group.
    """
    if np.shape(a)[:-1] != np.shape(b)[:-1]:
        raise InputError(
            "two groups of seeds need the same leading axes; "
            f"given shapes {np.shape(a)} and {np.shape(b)}"
        )
    groups = [seed_rows(a), seed_rows(b)]
    sizes = [rows.shape[-1] for rows in groups]
    over = [mean_and_se(rows.T) for rows in groups]
    difference = over[0].mean - over[1].mean
    if min(sizes) == 1:
        missing = np.full(len(difference), np.nan)
        return difference, missing, missing
    se = np.hypot(over[0].se, over[1].se)
    # Shares of SE^2, so that nothing over- or underflows.
    safe = np.where(se > 0, se, 1.0)
    shares = [(part.se / safe) ** 2 for part in over]
    inverse = sum(share**2 / (n - 1) for share, n in zip(shares, sizes, strict=True))
    freedom = 1 / np.where(se > 0, inverse, 1 / (min(sizes) - 1))
    return difference, se, freedom


def proportion_interval(per_seed: np.ndarray, level: float = 0.95) -> Interval:
    """Mean of per-seed proportions: a t interval over seeds, cut to [0, 1].

    Where every seed has 0, or every seed 1, the t interval has no width. There it is Wilson's on
    the number of seeds: k of n with k = n gives [n / (n + z^2), 1], z = 1.96; k = 0 its mirror
    image. Wilson (1927), Journal of the American Statistical Association 22, 209.

    Args:
        per_seed: `(n,)` or `(..., n)`, a proportion in [0, 1] of each seed.
        level: of the interval.

    Raises:
        InputError: when a proportion is outside [0, 1].
    """
    rows = seed_rows(per_seed)
    if rows.min() < 0 or rows.max() > 1:
        raise InputError(
            f"a proportion lies in [0, 1]; given values from {rows.min():g} to {rows.max():g}"
        )
    over = mean_interval(rows, level=level)
    margin = 1 - wilson_low(over.n, level)
    never, always = (rows == 0).all(axis=1), (rows == 1).all(axis=1)
    low = np.where(always, 1 - margin, np.where(never, 0.0, np.clip(over.low, 0, 1)))
    high = np.where(never, margin, np.where(always, 1.0, np.clip(over.high, 0, 1)))
    extreme = int((never | always).sum())
    note = f"all {over.n} seeds equal 0 or 1: Wilson interval on the number of seeds"
    if len(rows) > 1:
        note += f", {extreme} of {len(rows)}"
    return Interval(
        *(like_leading(x, per_seed) for x in (over.estimate, low, high)),
        kind=named("ci", level),
        n=over.n,
        note=note if extreme else over.note,
    )


def wilson_low(n: int, level: float = 0.95) -> float:
    """Wilson's lower limit for n successes in n: n / (n + z^2)."""
    return n / (n + stats.norm.ppf((1 + checked_level(level)) / 2) ** 2)


def tolerance_interval(
    values: np.ndarray, content: float = 0.9, confidence: float = 0.95
) -> Interval:
    """Limits that hold a share `content` of all runs with the given confidence, whatever their law.

    From the r-th smallest to the r-th largest of n values: the share in between has a
    Beta(n + 1 - 2r, 2r) law, and r is the largest that keeps the promise. Where not even r = 1 does
    (n < 46 for 90 % with 95 %), the limits are the extremes and the note states the share that they
    do guarantee. The estimate is the median. Wilks (1941), Ann. Math. Statist. 12, 91.

    Args:
        values: `(n,)`.
        content: share of runs, in (0, 1).
        confidence: in (0, 1).
    """
    ordered = np.sort(seed_rows(values).ravel())
    n = len(ordered)
    median = float(np.median(ordered))
    if n == 1:
        return Interval(median, np.nan, np.nan, "ti", 1, NO_INTERVAL)
    ranks = np.arange(1, n // 2 + 1)
    kept = stats.beta.sf(checked_level(content), n + 1 - 2 * ranks, 2 * ranks)
    cut = int((kept >= checked_level(confidence)).sum())
    rank = max(cut, 1)
    share = content if cut else guaranteed_content(n, confidence)
    held = "at least" if cut else f"n = {n} is too few for {100 * content:g} %: min to max,"
    note = f"{held} {100 * share:.3g} % of runs with {100 * confidence:g} % confidence"
    return Interval(median, float(ordered[rank - 1]), float(ordered[-rank]), "ti", n, note)


def guaranteed_content(n: int, confidence: float = 0.95) -> float:
    """Share of runs that min to max of n seeds holds with the given confidence; 0 at n = 1."""
    if n < 2:
        return 0.0
    return float(stats.beta.ppf(1 - checked_level(confidence), n - 1, 2))


@dataclass(frozen=True, eq=False)
class SimultaneousBand:
    """A band that holds the whole mean curve at once: mean ± factor * se.

    Attributes:
        mean: `(T,)`.
        se: `(T,)`; NaN with one seed.
        factor: half width in standard errors; NaN with one seed, 0 where every point is constant.
        resampled_factor: the same as resampled, before its correction for few seeds.
        n: number of seeds.
        note: what a reader must know besides.
    """

    mean: np.ndarray
    se: np.ndarray
    factor: float
    resampled_factor: float
    n: int
    note: str = ""

    @property
    def low(self) -> np.ndarray:
        """Lower edge `(T,)`."""
        return self.mean - self.factor * self.se

    @property
    def high(self) -> np.ndarray:
        """Upper edge `(T,)`."""
        return self.mean + self.factor * self.se


def simultaneous_band(
    curves: np.ndarray,
    resamples: int = 2_000,
    seed: int = 0,
    level: float = 0.95,
    correction: str = "t",
) -> SimultaneousBand:
    """Band m ± c SE over all points at once, from seeds resampled as whole curves.

    c is the `level` quantile over resamples of max_t |m*(t) - m(t)| / SE(t); points that are the
    same in all seeds are left out. As it stands (`none`) it takes SE for known: for 50 independent
    normal points it covers 0.02, 0.43 and 0.87 at n = 5, 10 and 30. So c sqrt(n / (n - 1)) is
    carried from the normal law to Student's t at the same tail (`t`), and is nowhere below the
    pointwise t factor: then it covers 0.74, 0.92 and 0.95.

    Args:
        curves: `(n, T)`: seeds lead here, as in `analysis.statistics.means.mean_and_se`.
        resamples: B; seeds are drawn with replacement B times.
        seed: of the resampling.
        level: of the band.
        correction: `t` or `none`.
    """
    if correction not in ("t", "none"):
        raise InputError(f"a band's correction is 't' or 'none'; given {correction!r}")
    over = mean_and_se(curves)
    if over.se is None:
        missing = np.full_like(over.mean, np.nan)
        return SimultaneousBand(over.mean, missing, np.nan, np.nan, 1, "n = 1: no band")
    varying = over.se > 0
    if not varying.any():
        note = "every point is the same in all seeds"
        return SimultaneousBand(over.mean, over.se, 0.0, 0.0, over.n, note)
    deviations = np.asarray(curves, dtype=np.float64) - over.mean
    scaled = (deviations[:, varying] / over.se[varying]).T
    largest = _largest_excursions(scaled, bootstrap_weights(over.n, resamples, seed))
    resampled = float(np.quantile(largest, checked_level(level)))
    factor = resampled if correction == "none" else _studentised(resampled, over.n, level)
    note = f"n = {over.n}: covers less than {100 * level:g} %" if over.n < 10 else ""
    return SimultaneousBand(over.mean, over.se, factor, resampled, over.n, note)


def _studentised(factor: float, n: int, level: float) -> float:
    """The factor with the same tail under t with n - 1 degrees, at least the pointwise one."""
    tail = max(stats.norm.sf(factor * math.sqrt(n / (n - 1))), 1e-300)
    return float(max(stats.t.isf(tail, n - 1), t_factor(n - 1, level)))


def _largest_excursions(scaled: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Per resample, the largest |mean| over points: scaled `(T, n)`, weights `(B, n)` -> `(B,)`."""
    largest = np.zeros(len(weights))
    for block in row_blocks(len(scaled), 8 * len(weights)):
        means = weighted_sums(scaled[block], weights) / scaled.shape[-1]
        np.maximum(largest, np.abs(means, out=means).max(axis=0), out=largest)
    return largest
