"""Smoothed curves on fewer episodes: all that a screen can show, in a file of reasonable size.

A trailing mean over k episodes moves by at most a k-th of the range of returns per episode, so
between points that lie a 16th of its window apart it is a straight line to the eye. Curves are
given to figures on every episode; `thinned` and `restored` stand between them and figures.json.
"""

from collections.abc import Mapping

import numpy as np

CURVES = ("mean", "se", "low", "high", "band_low", "band_high", "seeds")
KEPT = "episodes"
PER_WINDOW = 16
MOST_POINTS = 4_000
DIGITS = 6


def kept_episodes(n_episodes: int, window: int) -> np.ndarray:
    """Episodes, from 1, at which a curve is kept: a 16th of what it averages apart, and the last.

    At most MOST_POINTS, about, however long and little smoothed the curve is.

    Args:
        n_episodes: length of the curve.
        window: of its trailing mean; before it is full, the mean is over what there is.
    """
    least = -(-n_episodes // MOST_POINTS)
    kept = [1]
    while kept[-1] < n_episodes:
        step = max(least, min(kept[-1], window) // PER_WINDOW)
        kept.append(min(kept[-1] + step, n_episodes))
    return np.array(kept)


def thinned(entry: Mapping[str, object], window: int) -> dict[str, object]:
    """The entry of a figure with its curves at `kept_episodes` only, in DIGITS digits.

    Args:
        entry: what a figure over episodes takes as one curve; its arrays named in CURVES have
            episodes in their last axis, the same number each.
        window: that they were smoothed with.
    """
    curves = {name: np.asarray(entry[name]) for name in CURVES if entry.get(name) is not None}
    if not curves:
        return dict(entry)
    kept = kept_episodes(next(iter(curves.values())).shape[-1], window)
    short = {name: rounded(values[..., kept - 1]) for name, values in curves.items()}
    return {**entry, **short, KEPT: kept}


def restored(value: object) -> object:
    """Arguments of a figure with every thinned curve on all episodes again, straight in between."""
    if not isinstance(value, Mapping):
        return value
    if KEPT not in value:
        return {key: restored(one) for key, one in value.items()}
    kept = np.asarray(value[KEPT])
    whole = {
        name: _on_all(np.asarray(value[name], dtype=float), kept)
        for name in CURVES
        if value.get(name) is not None
    }
    return {key: one for key, one in {**value, **whole}.items() if key != KEPT}


def _on_all(values: np.ndarray, kept: np.ndarray) -> np.ndarray:
    every = np.arange(1, kept[-1] + 1)
    rows = values.reshape(-1, len(kept))
    whole = np.array([np.interp(every, kept, row) for row in rows])
    # Beside a missing value interpolation loses the point that is known.
    whole[:, kept - 1] = rows
    return whole.reshape(*values.shape[:-1], len(every))


def rounded(values: np.ndarray, digits: int = DIGITS) -> np.ndarray:
    """Float64 values to so many significant digits; what is not finite stays as it is."""
    values = np.asarray(values, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        scale = 10.0 ** (digits - 1 - np.floor(np.log10(np.abs(values))))
        found = np.rint(values * scale) / scale
    return np.where(np.isfinite(found), found, values)
