"""Smoothing of episode curves."""

from numbers import Integral

import numpy as np
import pandas as pd

from hq_ray.errors import InputError


def trailing_mean(values: np.ndarray, window: int) -> np.ndarray:
    """Average each episode with those before it, at most `window` episodes in all.

    S_t = (1 / k_t) * sum of values[t - k_t + 1 .. t],  k_t = min(t, window),  t = 1..T

    The average is causal, loses no episode and exists for T < window.

    Args:
        values: `(..., n_episodes)`, any real type; computed in float64. NaN is left out of means,
            which are NaN where nothing else is there.
        window: number of episodes; 1 returns the values unchanged.

    Returns:
        float64 array of the shape of `values`.

    Raises:
        InputError: the window is no whole number of at least 1.
    """
    episodes = np.asarray(values, dtype=np.float64)
    if not (isinstance(window, Integral) and window >= 1):
        raise InputError(f"the smoothing window must be a whole number >= 1, got {window!r}")
    curves = pd.DataFrame(episodes.reshape(-1, episodes.shape[-1]).T)
    means = curves.rolling(window, min_periods=1).mean().to_numpy()
    return means.T.reshape(episodes.shape)
