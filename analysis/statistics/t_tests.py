"""Two groups of seeds compared by the difference of their means, and many such comparisons at once.

Arrays have the seeds in their last axis; what leads (comparisons) stays. Values are finite.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

LEVEL, POWER, CONFIDENCE = 0.05, 0.8, 0.95
# Differences up to this share of the scores, or of 1 where these are smaller, count as 0.
TIE = 1e-9


@dataclass(frozen=True, eq=False)
class Difference:
    """The difference of means a - b, its 95 % t interval and its two-sided t test.

    Arrays have the leading axes of a and b. With fewer than two seeds there are no limits and no
    p-value (NaN). Where all is the same on every seed no t test exists: the limits are the mean,
    and p is 0, or NaN where the difference is 0.

    Attributes:
        n, m: seeds of a and of b.
        mean: of the difference.
        se: its standard error.
        freedom: degrees of freedom of the test.
        low, high: limits of the interval.
        p_value: two-sided.
        constant: whether the difference, or both groups where they are not paired, is the same on
            every seed.
        identical: whether it is 0 on every seed.
    """

    n: int
    m: int
    mean: np.ndarray
    se: np.ndarray
    freedom: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p_value: np.ndarray
    constant: np.ndarray
    identical: np.ndarray


def difference_of_means(a: np.ndarray, b: np.ndarray, paired: bool) -> Difference:
    """The difference of means a - b over seeds.

    Args:
        a: `(..., n)`.
        b: `(..., m)`; m = n where paired.
        paired: seed i of a belongs to seed i of b; else Welch's test.
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    n, m = a.shape[-1], b.shape[-1]
    with warnings.catch_warnings():
        # SciPy warns for a single seed or equal values; both are handled below.
        warnings.simplefilter("ignore", RuntimeWarning)
        if paired:
            test = stats.ttest_rel(a, b, axis=-1)
            se = stats.sem(a - b, axis=-1)
        else:
            test = stats.ttest_ind(a, b, axis=-1, equal_var=False)
            se = np.hypot(stats.sem(a, axis=-1), stats.sem(b, axis=-1))
        limits = test.confidence_interval(CONFIDENCE)
    if paired:
        gaps = tied_to_zero(a, b)
        constant = np.ptp(gaps, axis=-1) <= _tolerance(a, b).max(axis=-1)
        mean = gaps.mean(axis=-1)
    else:
        tolerance = np.maximum(_tolerance(a, a).max(axis=-1), _tolerance(b, b).max(axis=-1))
        constant = np.maximum(np.ptp(a, axis=-1), np.ptp(b, axis=-1)) <= tolerance
        mean = a.mean(axis=-1) - b.mean(axis=-1)
        mean = np.where(constant & (np.abs(mean) <= tolerance), 0.0, mean)
    known = constant & (min(n, m) > 1)
    return Difference(
        n,
        m,
        mean,
        se=np.where(known, 0.0, se),
        freedom=np.where(constant, np.nan, test.df),
        low=np.where(known, mean, limits.low),
        high=np.where(known, mean, limits.high),
        p_value=np.where(known, np.where(mean == 0, np.nan, 0.0), test.pvalue),
        constant=constant,
        identical=constant & (mean == 0),
    )


def tied_to_zero(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a - b, and 0 where the two differ by no more than TIE of the greater, or of 1."""
    gaps = a - b
    return np.where(np.abs(gaps) <= _tolerance(a, b), 0.0, gaps)


def _tolerance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return TIE * np.maximum(1.0, np.maximum(np.abs(a), np.abs(b)))


def holm_adjusted(p: np.ndarray) -> np.ndarray:
    """Holm's adjusted p-values: max over j <= i of min(1, (m - j + 1) p_(j)), in sorted order.

    Those below a level are the rejections with at most this chance of any false one, whatever the
    dependence. NaN, where there was no test, counts for nothing. Holm (1979), Scandinavian Journal
    of Statistics 6, 65.
    """
    p = np.asarray(p, dtype=float)
    adjusted = np.full(p.shape, np.nan)
    order = np.argsort(p, kind="stable")[: np.count_nonzero(~np.isnan(p))]
    weights = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(weights * p[order]), 1.0)
    return adjusted


def detectable_difference(se: float, freedom: float, level: float = LEVEL) -> float:
    """The true difference that a two-sided t test finds with a chance of POWER.

    Args:
        se: standard error of the difference, taken as the true one.
        freedom: degrees of freedom.
        level: of the test.
    """
    critical = stats.t.isf(level / 2, freedom)
    # The other tail has no share worth counting here.
    return float(se * special.nctdtrinc(freedom, 1 - POWER, critical))
