"""The figures of `hq-ray run`: the curve of one trial, and variants compared."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from hq_ray.analysis.charts.curves import axis_label, curve_frame, curves_chart
from hq_ray.analysis.charts.page import picture
from hq_ray.analysis.smoothing import trailing_mean
from hq_ray.errors import InputError
from hq_ray.location import Location


def curve_figure(
    values: np.ndarray,
    *,
    variant: str,
    seed: int,
    env: str,
    quantity: str,
    smooth: int,
    optimum: float | None = None,
    settings: str = "",
    raw: bool = False,
) -> Figure:
    """Draw the smoothed curve of one trial, and nothing else unless raw values are asked for.

    Args:
        values: `(n_episodes,)`, return or steps of each episode.
        variant, seed: of the trial.
        env: name of the environment, with its arguments where it has some.
        quantity: a row of LABELS.
        smooth: window of the trailing mean, in episodes.
        optimum: level of a reference line, such as the expected return of the optimal policy.
        settings: hyperparameters for the caption.
        raw: whether the value of each episode is drawn, too, faint and behind the curve.

    Raises:
        InputError: values are not one-dimensional, empty or not finite, the window is no
            integer >= 1, or the quantity is unknown.
    """
    if np.ndim(values) != 1:
        raise InputError(
            f"the curve of one trial needs an array (n_episodes,); given shape {np.shape(values)}"
        )
    values = np.asarray(values, dtype=float)
    return curves_chart(
        curve_frame({variant: ([seed], trailing_mean(values[None], smooth))}),
        title=f"{env}: {variant}, seed {seed}",
        caption=[settings],
        label=axis_label(quantity),
        window=smooth,
        optimum=optimum,
        share=quantity == "success",
        raw=values if raw else None,
    )


def compare_figure(
    curves: Mapping[str, np.ndarray],
    *,
    env: str,
    quantity: str,
    smooth: int,
    planned: Mapping[str, int],
    settings: str = "",
) -> Figure:
    """Draw each variant's mean over smoothed seeds with a band of one standard error.

    Args:
        curves: `(n_seeds, n_episodes)` by variant; variants may differ in both numbers.
        env, quantity, smooth, settings: see `curve_figure`.
        planned: number of seeds planned by variant; shown where it differs from those given.

    Raises:
        InputError: there is no variant, an array is not two-dimensional, empty or not finite,
            the window is no integer >= 1, or the quantity is unknown.
    """
    if not curves:
        raise InputError("a comparison needs at least one variant; given none")
    smoothed = {v: trailing_mean(_two_dimensional(of), smooth) for v, of in curves.items()}
    return curves_chart(
        curve_frame({v: (range(len(of)), of) for v, of in smoothed.items()}),
        title=f"{env}: {' vs '.join(curves)}",
        caption=[settings],
        label=axis_label(quantity),
        window=smooth,
        names={v: variant_with_counts(v, len(of), planned[v]) for v, of in curves.items()},
        share=quantity == "success",
    )


def _two_dimensional(values: np.ndarray) -> np.ndarray:
    if np.ndim(values) != 2:
        raise InputError(
            f"a mean over seeds needs an array (n_seeds, n_episodes); given shape "
            f"{np.shape(values)}"
        )
    return np.asarray(values)


def variant_with_counts(variant: str, n_used: int, n_planned: int) -> str:
    """A line's name: `harmonic (n = 5)`, or `harmonic (n = 4 of 5)` where seeds are missing."""
    of_planned = "" if n_planned == n_used else f" of {n_planned}"
    return f"{variant} (n = {n_used}{of_planned})"


def save_png(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG; the file appears whole or not at all, with the same bytes each time.

    Missing folders are created. A file of that name is replaced.
    """
    path = Path(path)
    Location.of(path.parent).write(path.name, picture(figure))
