"""Two groups of seeds compared by the difference of their means, and many such comparisons at once.

Arrays have the seeds in their last axis; what leads (comparisons) stays. Values are finite.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

LEVEL, POWER, CONFIDENCE = 0.05, 0.8, 0.95
# Differences up to this share of the scores, or of 1 where these are smaller, count as 0.
TIE = 1e-9


@dataclass(frozen=True, eq=False)
class Difference:
    """The difference of means a - b, its 95 % t interval and its two-sided t test.

    Every array is by leading index. With fewer than two seeds there are no limits and no p-value
    (NaN). Where all is the same on every seed no t test exists: the limits are the mean, and p is
    0, or NaN where the difference is 0.

    Attributes:
        n, m: seeds of a and of b.
        paired: whether seed i of a is compared with seed i of b; else Welch's test.
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
    paired: bool
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
        paired: seed i of a belongs to seed i of b.
    """
    a, b = (np.atleast_2d(np.asarray(values, dtype=float)) for values in (a, b))
    if paired:
        gaps = tied_to_zero(a, b)
        constant = np.ptp(gaps, axis=-1) <= _tolerance(a, b).max(axis=-1)
        mean, n, m = gaps.mean(axis=-1), a.shape[-1], a.shape[-1]
    else:
        tolerance = np.maximum(*(_tolerance(x, x).max(axis=-1) for x in (a, b)))
        constant = np.maximum(np.ptp(a, axis=-1), np.ptp(b, axis=-1)) <= tolerance
        mean, n, m = a.mean(axis=-1) - b.mean(axis=-1), a.shape[-1], b.shape[-1]
        mean = np.where(constant & (np.abs(mean) <= tolerance), 0.0, mean)
    identical = constant & (mean == 0)
    found = {name: np.full(len(a), np.nan) for name in ("se", "freedom", "low", "high", "p_value")}
    if min(n, m) > 1:
        found["se"][constant] = 0.0
        found["low"][constant] = found["high"][constant] = mean[constant]
        found["p_value"][constant & ~identical] = 0.0
        varies = ~constant
        tested = _tested(a[varies], b[varies], paired)
        for name, values in tested.items():
            found[name][varies] = values
    return Difference(n, m, paired, mean, **found, constant=constant, identical=identical)


def _tested(a: np.ndarray, b: np.ndarray, paired: bool) -> dict[str, np.ndarray]:
    """scipy's t test of rows that vary."""
    with warnings.catch_warnings():
        # Of one group whose seeds are all equal beside one whose seeds are not.
        warnings.filterwarnings("ignore", "Precision loss occurred", RuntimeWarning)
        if paired:
            found = stats.ttest_rel(a, b, axis=-1)
            errors = stats.sem(a - b, axis=-1)
        else:
            found = stats.ttest_ind(a, b, axis=-1, equal_var=False)
            errors = np.hypot(stats.sem(a, axis=-1), stats.sem(b, axis=-1))
    limits = found.confidence_interval(CONFIDENCE)
    return {
        "se": errors,
        "freedom": found.df,
        "low": limits.low,
        "high": limits.high,
        "p_value": found.pvalue,
    }


def t_interval(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over seeds, the last axis, and its 95 % t interval; NaN limits with one seed."""
    n = values.shape[-1]
    # Deviations from one seed: equal seeds give that value and an interval of no width.
    gaps = values - values[..., :1]
    mean = values[..., 0] + gaps.mean(axis=-1)
    if n == 1:
        return mean, np.full(mean.shape, np.nan), np.full(mean.shape, np.nan)
    reach = stats.t.ppf(0.975, n - 1) * gaps.std(axis=-1, ddof=1) / np.sqrt(n)
    return mean, mean - reach, mean + reach


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

    def shortfall(shift: float) -> float:
        # The other tail has no share worth counting here, and scipy's is NaN far out.
        return stats.nct.sf(critical, freedom, shift) - POWER

    return se * optimize.brentq(shortfall, 0.0, 1.3 * critical + 1.5)
