"""Smoothing of episode curves, and their thinning for a screen of finite width."""

import numpy as np

from hq_ray.errors import InputError


def trailing_mean(values: np.ndarray, window: int) -> np.ndarray:
    """Average each episode with those before it, at most `window` episodes in all.

    S_t = (1 / k_t) * sum of values[t - k_t + 1 .. t],  k_t = min(t, window),  t = 1..T

    The average is causal, loses no episode and exists for T < window. Every mean is summed from the
    episodes of its own window only, never as a difference of running totals, so an episode outside
    the window leaves no rounding error in it.

    Args:
        values: `(..., n_episodes)`, any real type; computed in float64.
        window: number of episodes, at least 1; 1 returns the values unchanged.

    Returns:
        float64 array of the shape of `values`.

    Raises:
        InputError: when the window is no integer >= 1, or values are empty or not finite.
    """
    if isinstance(window, bool) or not isinstance(window, int | np.integer) or window < 1:
        raise InputError(f"the smoothing window must be a whole number >= 1; given {window!r}")
    episodes = np.asarray(values, dtype=np.float64)
    if episodes.ndim == 0 or episodes.size == 0:
        raise InputError(
            f"a curve needs at least one episode; given an array of shape {episodes.shape}"
        )
    n_bad = episodes.size - np.count_nonzero(np.isfinite(episodes))
    if n_bad:
        raise InputError(
            f"episode values must be finite; given {n_bad} NaN or infinite of {episodes.size}"
        )
    if window == 1:
        return episodes.copy()
    n_episodes = episodes.shape[-1]
    span = min(window, n_episodes)
    # The median of a constant curve is that constant: all deviations from it are exactly 0.
    centre = np.median(episodes, axis=-1, keepdims=True)
    counts = np.minimum(np.arange(1, n_episodes + 1), span)
    return centre + _window_sums(episodes - centre, span) / counts


def _window_sums(values: np.ndarray, span: int) -> np.ndarray:
    """Sum of the last `span` values at each position; fewer at the start.

    The axis is cut into blocks of `span`. A window then is the head of one block and the tail of
    the block before it; one cumulative sum in each direction gives all heads and all tails.
    """
    *lead, n_values = values.shape
    n_blocks = -(-n_values // span)
    blocks = np.zeros((*lead, n_blocks * span))
    blocks[..., :n_values] = values
    blocks = blocks.reshape(*lead, n_blocks, span)
    tails = np.cumsum(blocks[..., ::-1], axis=-1)[..., ::-1]
    sums = np.cumsum(blocks, axis=-1)
    sums[..., 1:, :-1] += tails[..., :-1, 1:]
    return sums.reshape(*lead, n_blocks * span)[..., :n_values]


def thin_indices(values: np.ndarray, n_bins: int) -> np.ndarray:
    """Positions of a curve that keep its look when it is drawn `n_bins` pixels wide.

    Keeps the least and the greatest value of each bin and both ends, so no spike is lost; a curve
    of at most 2 * n_bins points is kept whole.

    Args:
        values: `(n_points,)`.
        n_bins: number of bins of equal width.

    Returns:
        Increasing int array of at most 2 * n_bins + 2 positions.
    """
    n_points = len(values)
    if n_points <= 2 * n_bins:
        return np.arange(n_points)
    edges = np.linspace(0, n_points, n_bins + 1).astype(int)
    size = int(np.diff(edges).max())
    # Bins differ by one point at most: the shorter ones repeat their last point.
    positions = np.minimum(edges[:-1, None] + np.arange(size), edges[1:, None] - 1)
    binned = values[positions]
    rows = np.arange(n_bins)
    lowest = positions[rows, binned.argmin(axis=1)]
    highest = positions[rows, binned.argmax(axis=1)]
    return np.unique(np.concatenate([[0, n_points - 1], lowest, highest]))
