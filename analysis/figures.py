"""Learning curves of one trial, and comparisons of variants over seeds.

Functions from arrays to a Figure. All curves are smoothed; the raw ones are never drawn.
"""

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon

from analysis.captions import (
    drawn_curves,
    interval_words,
    off_scale_words,
    round_number,
    single_seeds,
    variant_words,
    window_words,
)
from analysis.labels import LineLabel, label_room, write_labels
from analysis.panels import dress_episodes, panels
from analysis.smoothing import thin_indices
from analysis.statistics import SmoothedSeeds, informative_low, smooth_seeds
from analysis.style import REFERENCE_STYLE, LineStyle, variant_styles
from hq_ray.errors import InputError, near_miss

AXIS_LABELS = {
    "returns": "episode return [reward units]",
    "steps": "steps per episode [steps]",
}
N_BINS = 600
N_MARKERS = 7
WARM_UP_ALPHA = 0.5
PNG_METADATA = {"Software": None}


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
) -> Figure:
    """Draw the smoothed curve of one trial.

    Args:
        values: `(n_episodes,)`, return or steps of each episode.
        variant: the update rule; it chooses the style.
        seed: of the trial.
        env: name of the environment, with its arguments where it has some.
        quantity: `returns` or `steps`.
        smooth: window of the trailing mean, in episodes.
        optimum: level of a reference line, such as the expected return of the optimal policy.
        settings: hyperparameters for the caption.

    Raises:
        InputError: when values are not one-dimensional, empty or not finite, the window is no
            integer >= 1, or the quantity is unknown.
    """
    if np.ndim(values) != 1:
        raise InputError(
            f"the curve of one trial needs an array (n_episodes,); given shape {np.shape(values)}"
        )
    curve = smooth_seeds(np.asarray(values)[None], smooth)
    title = f"{env}: {variant}, seed {seed}"
    caption = [f"Line: {window_words(curve.window, curve.n_episodes)}.", settings]
    return _draw({variant: curve}, quantity, title, caption, optimum=optimum, names={})


def compare_figure(
    curves: Mapping[str, np.ndarray],
    *,
    env: str,
    quantity: str,
    smooth: int,
    planned: Mapping[str, int] | None = None,
    optimum: float | None = None,
    settings: str = "",
) -> Figure:
    """Draw each variant's mean over smoothed seeds with a band of one standard error.

    With one seed there is no band; two to four seeds are also drawn one by one.

    Args:
        curves: `(n_seeds, n_episodes)` by variant; variants may differ in both numbers.
        env: name of the environment, with its arguments where it has some.
        quantity: `returns` or `steps`.
        smooth: window of the trailing mean, in episodes, the same for all variants.
        planned: number of seeds planned by variant; shown where it differs from those given.
        optimum: level of a reference line, such as the expected return of the optimal policy.
        settings: hyperparameters for the caption.

    Raises:
        InputError: when there is no variant, an array is not two-dimensional, empty or not finite,
            the window is no integer >= 1, or the quantity is unknown.
    """
    if not curves:
        raise InputError("a comparison needs at least one variant; given none")
    smoothed = {variant: smooth_seeds(values, smooth) for variant, values in curves.items()}
    counts = {variant: len(curve.seeds) for variant, curve in smoothed.items()}
    longest = max(curve.n_episodes for curve in smoothed.values())
    words = f"Each seed: {window_words(smooth, longest)}. {interval_words(counts)}"
    goal = (planned or {}).get
    names = {variant: variant_words(variant, n, goal(variant)) for variant, n in counts.items()}
    title = f"{env}: {' vs '.join(curves)}"
    return _draw(smoothed, quantity, title, [words, settings], optimum=optimum, names=names)


def value_limits(
    curves: Sequence[SmoothedSeeds], quantity: str, levels: Sequence[float] = ()
) -> tuple[float, float]:
    """Limits of the value axis: all that is drawn, without a bad start that would dwarf the rest.

    Bad is low for returns and high for steps; see `analysis.statistics.informative_low`.
    """
    sign = -1.0 if quantity == "steps" else 1.0
    drawn = [sign * values for curve in curves for values in drawn_curves(curve)]
    goals = [sign * level for level in levels]
    highest = max([*(float(values.max()) for values in drawn), *goals])
    low, high = sorted((sign * informative_low(drawn, goals), sign * highest))
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        pad = max(0.05 * abs(high), 0.5)
    else:
        pad = 0.05 * (high - low)
    return low - pad, high + pad


def save_png(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG; the file appears whole or not at all, with the same bytes each time.

    Missing folders are created. A file of that name is replaced.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with unfinished.open("wb") as file:
            figure.canvas.print_png(file, metadata=PNG_METADATA, pil_kwargs={"compress_level": 1})
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _draw(
    curves: Mapping[str, SmoothedSeeds],
    quantity: str,
    title: str,
    caption: Sequence[str],
    *,
    optimum: float | None,
    names: Mapping[str, str],
) -> Figure:
    """Lay out the page, then draw bands, lines and labels; `names` are written at line ends."""
    if quantity not in AXIS_LABELS:
        raise InputError(f"unknown quantity {quantity!r}{near_miss(quantity, AXIS_LABELS)}")
    levels = [] if optimum is None or not math.isfinite(optimum) else [float(optimum)]
    limits = value_limits(list(curves.values()), quantity, levels)
    styles = variant_styles(curves)
    n_episodes = max(curve.n_episodes for curve in curves.values())
    window = next(iter(curves.values())).window
    labels = [_end_label(curves[variant], text, styles[variant]) for variant, text in names.items()]
    for level in levels:
        text = f"optimum {round_number(level)}"
        labels.append(LineLabel(text, n_episodes, level, REFERENCE_STYLE))
    note, right = off_scale_words(curves, limits), label_room(labels)
    figure, ((axes,),) = panels(title, note, caption, right=right)
    dress_episodes(axes, n_episodes, limits, AXIS_LABELS[quantity], window)
    for level in levels:
        look = {"color": REFERENCE_STYLE.color, "linestyle": REFERENCE_STYLE.linestyle}
        axes.axhline(level, linewidth=1.0, zorder=1.5, **look)
    for row, (variant, curve) in enumerate(curves.items()):
        _draw_band(axes, curve, styles[variant])
        _draw_lines(axes, curve, styles[variant], shift=row / len(curves))
    write_labels(axes, labels)
    return figure


def _end_label(curve: SmoothedSeeds, text: str, style: LineStyle) -> LineLabel:
    return LineLabel(text, curve.n_episodes, float(curve.over_seeds.mean[-1]), style)


def _draw_band(axes: Axes, curve: SmoothedSeeds, style: LineStyle) -> None:
    """Fill mean ± SE; nothing with one seed."""
    if curve.over_seeds.se is None:
        return
    low, high = curve.over_seeds.low, curve.over_seeds.high
    if curve.n_episodes == 1:
        # A band over a single episode has no width: give it some.
        corners = [(0.98, low[0]), (1.02, low[0]), (1.02, high[0]), (0.98, high[0])]
    else:
        below, above = thin_indices(low, N_BINS), thin_indices(high, N_BINS)[::-1]
        episodes = 1 + np.concatenate([below, above])
        corners = np.column_stack([episodes, np.concatenate([low[below], high[above]])])
    # add_patch would measure every corner as a curve to grow limits that are already set.
    axes.add_artist(Polygon(corners, color=style.color, alpha=0.2, linewidth=0, zorder=1.2))


def _draw_lines(axes: Axes, curve: SmoothedSeeds, style: LineStyle, shift: float) -> None:
    """Draw single seeds thin, then the mean, lighter before its first full window, with markers."""
    mean = curve.over_seeds.mean
    for seed in single_seeds(curve):
        point = "_" if curve.n_episodes == 1 else ""
        _draw_line(axes, seed, 0, style, linewidth=0.7, alpha=0.5, marker=point)
    first_full = min(curve.window, curve.n_episodes) - 1
    if first_full > 0:
        _draw_line(axes, mean[: first_full + 1], 0, style, linewidth=1.8, alpha=WARM_UP_ALPHA)
    if curve.window <= curve.n_episodes:
        _draw_line(axes, mean[first_full:], first_full, style, linewidth=1.8)
    at = marker_positions(curve.n_episodes, shift)
    _draw_line(axes, mean[at], at, style, linestyle="", marker=style.marker, markersize=5.5)


def _draw_line(
    axes: Axes, values: np.ndarray, start: int | np.ndarray, style: LineStyle, **look: object
) -> None:
    """Draw values at episodes start + 1, start + 2, ... or, with an array, at start + 1."""
    if isinstance(start, int):
        shown = thin_indices(values, N_BINS)
        values, start = values[shown], start + shown
    look = {"linestyle": style.linestyle, "color": style.color} | look
    axes.add_line(Line2D(start + 1, values, **look))


def marker_positions(n_episodes: int, shift: float) -> np.ndarray:
    """Where a curve has its few markers; `shift` in [0, 1) keeps those of two curves apart."""
    if n_episodes <= N_MARKERS:
        return np.arange(n_episodes)
    return ((np.arange(N_MARKERS) + 0.25 + 0.5 * shift) / N_MARKERS * n_episodes).astype(int)
