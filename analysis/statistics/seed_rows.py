"""Rows of seeds, and their products with resampling weights, the same bytes on any machine.

Every statistic takes arrays whose last axis is the seeds; what leads (configurations, points of a
curve) is flattened to rows here and folded back at the end.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from hq_ray.errors import InputError

# Doubles in one block of resampled values: 32 MB.
BLOCK = 4_000_000


def seed_rows(values: np.ndarray, minimum: int = 1) -> np.ndarray:
    """Copy of values `(..., n)` as contiguous float64 rows `(n_rows, n)`.

    Contiguous, because the order in which numpy adds depends on the layout.

    Raises:
        InputError: when there is no seed axis, nothing in it, fewer than `minimum` seeds, or a
            value that is not finite: a missing seed is for the caller to leave out.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0 or array.size == 0 or array.shape[-1] < minimum:
        raise InputError(
            f"a statistic over seeds needs an array (..., n_seeds) with at least {minimum} in its "
            f"last axis and nothing empty; given shape {array.shape}"
        )
    rows = np.array(array.reshape(-1, array.shape[-1]), order="C")
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if bad.size:
        raise InputError(
            "a statistic over seeds needs finite values; given NaN or infinite values in "
            f"{bad.size} of {len(rows)} rows, the first in row {bad[0]}: leave missing seeds out"
        )
    return rows


def like_leading(row_results: np.ndarray, values: np.ndarray) -> np.ndarray | float:
    """Results `(n_rows,)` in the shape of the leading axes of values; a float where there are none.

    Further axes of the results stay behind the leading ones.
    """
    leading = np.shape(values)[:-1]
    return np.reshape(row_results, leading + np.shape(row_results)[1:])[()]


def row_blocks(n_rows: int, width: int) -> Iterator[slice]:
    """Slices of rows that, `width` doubles to a row, fill about one BLOCK each."""
    step = max(1, BLOCK // max(1, width))
    return (slice(start, start + step) for start in range(0, n_rows, step))


def bootstrap_weights(n: int, resamples: int, seed: int | Sequence[int] = 0) -> np.ndarray:
    """How often each of n seeds occurs in each resample: multinomial counts `(resamples, n)`.

    One resample draws n seeds with replacement, so that a row sums to n. The counts are integers
    in float64. Shared over configurations, they resample seeds, whatever the configuration.

    Raises:
        InputError: when n or resamples is below 1.
    """
    if n < 1 or resamples < 1:
        raise InputError(
            f"a bootstrap needs n >= 1 seeds and resamples >= 1; given n = {n} and {resamples}"
        )
    drawn = np.random.Generator(np.random.PCG64(seed)).integers(0, n, (resamples, n))
    drawn += n * np.arange(resamples)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=resamples * n)
    return counts.reshape(resamples, n).astype(np.float64)


def weighted_sums(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sums over seeds of weight times value: rows `(n_rows, n)`, weights `(B, n)` -> `(n_rows, B)`.

    Weights are integers, at most n in total magnitude per resample. Each row is first rounded to a
    power of two so coarse that every partial sum is exact: no order of addition, and so no number
    of threads and no neighbouring row, can change a bit. What the rounding costs, n eps max|row|,
    is what an ordinary sum may lose as well. After Demmel and Nguyen (2013), Fast Reproducible
    Floating-Point Summation, ARITH 21.
    """
    n = rows.shape[-1]
    exponent = np.frexp(np.abs(rows).max(axis=-1, keepdims=True))[1] + n.bit_length() - 53
    rounded = np.ldexp(np.rint(np.ldexp(rows, -exponent)), exponent)
    return rounded @ weights.T


def checked_level(level: float) -> float:
    """The confidence level, strictly between 0 and 1.

    Raises:
        InputError: otherwise.
    """
    if not 0 < level < 1:
        raise InputError(f"a confidence level lies strictly between 0 and 1; given {level!r}")
    return float(level)


def percentile_limits(draws: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Central percentile limits of resampled statistics `(n_rows, B)`: low and high `(n_rows,)`."""
    tail = (1 - checked_level(level)) / 2
    low, high = np.quantile(draws, [tail, 1 - tail], axis=-1)
    return low, high
