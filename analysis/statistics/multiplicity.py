"""Many comparisons at once: which of them survive, and how many would by chance.

A p-value that is NaN (no test was possible, as with one seed) is never rejected and counts for
nothing among the others.
"""

import numpy as np

from hq_ray.errors import InputError


def holm(p: np.ndarray, level: float = 0.05) -> np.ndarray:
    """Which of m hypotheses fall when the chance of any false rejection is at most `level`.

    Holm (1979), Scandinavian Journal of Statistics 6, 65. Whatever the dependence.

    Args:
        p: `(m,)`.
        level: family-wise error rate.

    Returns:
        `(m,)` bool.
    """
    return holm_adjusted(p) <= _checked_rate(level)


def holm_adjusted(p: np.ndarray) -> np.ndarray:
    """Holm's adjusted p-values: max over j <= i of min(1, (m - j + 1) p_(j)), in sorted order."""
    return _stepwise(p, lambda ordered, m, rank: np.maximum.accumulate((m - rank + 1) * ordered))


def benjamini_hochberg(p: np.ndarray, level: float = 0.05) -> np.ndarray:
    """Which of m hypotheses fall when the expected share of false ones among them is `level`.

    Benjamini and Hochberg (1995), Journal of the Royal Statistical Society B 57, 289. For
    independent or positively dependent tests.

    Args:
        p: `(m,)`.
        level: false discovery rate.

    Returns:
        `(m,)` bool.
    """
    return benjamini_hochberg_adjusted(p) <= _checked_rate(level)


def benjamini_hochberg_adjusted(p: np.ndarray) -> np.ndarray:
    """Benjamini and Hochberg's adjusted p-values: min over j >= i of m p_(j) / j, sorted."""
    return _stepwise(
        p, lambda ordered, m, rank: np.minimum.accumulate((m * ordered / rank)[::-1])[::-1]
    )


def expected_by_chance(m: int, level: float = 0.05) -> float:
    """How many of m true null hypotheses a test of this level rejects on average: m * level."""
    if m < 0:
        raise InputError(f"a number of comparisons is at least 0; given {m}")
    return m * _checked_rate(level)


def _stepwise(p: np.ndarray, adjust) -> np.ndarray:
    """Adjust the sorted p-values that are there, put them back in place, cap them at 1."""
    p = np.asarray(p, dtype=np.float64)
    if p.ndim != 1 or (p < 0).any() or (p > 1).any():
        raise InputError(
            f"p-values are a list (m,) of numbers in [0, 1] or NaN; given shape {p.shape} with "
            f"{int(((p < 0) | (p > 1)).sum())} values outside"
        )
    adjusted = np.full(p.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    ranks = np.arange(1, len(order) + 1)
    adjusted[order] = np.minimum(adjust(p[order], len(order), ranks), 1.0)
    return adjusted


def _checked_rate(level: float) -> float:
    """An error rate strictly between 0 and 1."""
    if not 0 < level < 1:
        raise InputError(f"an error rate lies strictly between 0 and 1; given {level!r}")
    return float(level)
