"""Learning curves of one trial, and comparisons of variants over seeds.

Functions from arrays to a Figure. What is compared is smoothed, always; raw values are drawn only
where they are asked for, faint and behind the curve of one trial.
"""

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hq_ray.analysis.drawing.captions import (
    format_number,
    interval_words,
    off_scale_words,
    round_number,
    variant_words,
    window_words,
)
from hq_ray.analysis.drawing.figure_bands import (
    N_BINS,
    axis_label,
    draw_curve,
    value_limits,
)
from hq_ray.analysis.drawing.labels import LineLabel, label_room, write_labels
from hq_ray.analysis.drawing.panels import dress_episodes, panels
from hq_ray.analysis.drawing.style import REFERENCE_STYLE, LineStyle, variant_styles
from hq_ray.analysis.reading.smoothing import thin_indices
from hq_ray.analysis.statistics.means import SmoothedSeeds, smooth_seeds
from hq_ray.errors import InputError
from hq_ray.location import Location

RAW_ALPHA = 0.35
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
    raw: bool = False,
) -> Figure:
    """Draw the smoothed curve of one trial, and nothing else unless raw values are asked for.

    Args:
        values: `(n_episodes,)`, return or steps of each episode.
        variant: the update rule; it chooses the style.
        seed: of the trial.
        env: name of the environment, with its arguments where it has some.
        quantity: `returns`, `steps` or another of `analysis.drawing.figure_bands.AXIS_LABELS`.
        smooth: window of the trailing mean, in episodes.
        optimum: level of a reference line, such as the expected return of the optimal policy.
        settings: hyperparameters for the caption.
        raw: whether the value of each episode is drawn, too, faint and behind the curve.

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
    words = f"Line: {window_words(curve.window, curve.n_episodes)}."
    caption = [f"{words} Faint: raw values of each episode." if raw else words, settings]
    behind = np.asarray(values, dtype=np.float64) if raw else None
    marks = {"optimum": optimum, "names": {}, "raw": behind}
    return _draw({variant: curve}, quantity, title, caption, **marks)


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
        quantity: `returns`, `steps` or another of `analysis.drawing.figure_bands.AXIS_LABELS`.
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


def save_png(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG; the file appears whole or not at all, with the same bytes each time.

    Missing folders are created. A file of that name is replaced.
    """
    picture = io.BytesIO()
    figure.canvas.print_png(picture, metadata=PNG_METADATA, pil_kwargs={"compress_level": 1})
    path = Path(path)
    Location.of(path.parent).write(path.name, picture.getbuffer())


def _draw(
    curves: Mapping[str, SmoothedSeeds],
    quantity: str,
    title: str,
    caption: Sequence[str],
    *,
    optimum: float | None,
    names: Mapping[str, str],
    raw: np.ndarray | None = None,
) -> Figure:
    """Lay out the page, then draw bands, lines and labels; `names` are written at line ends."""
    ylabel = axis_label(quantity)
    levels = [] if optimum is None or not math.isfinite(optimum) else [float(optimum)]
    limits = value_limits(list(curves.values()), quantity, [*levels, *_usual(raw)])
    styles = variant_styles(curves)
    n_episodes = max(curve.n_episodes for curve in curves.values())
    window = next(iter(curves.values())).window
    labels = [_end_label(curves[variant], text, styles[variant]) for variant, text in names.items()]
    for level in levels:
        text = f"optimum {round_number(level)}"
        labels.append(LineLabel(text, n_episodes, level, REFERENCE_STYLE))
    notes = [off_scale_words(curves, limits), _raw_off_scale_words(raw, limits)]
    note, right = "; ".join(filter(None, notes)), label_room(labels)
    figure, ((axes,),) = panels(title, note, caption, right=right)
    dress_episodes(axes, n_episodes, limits, ylabel, window)
    for level in levels:
        look = {"color": REFERENCE_STYLE.color, "linestyle": REFERENCE_STYLE.linestyle}
        axes.axhline(level, linewidth=1.0, zorder=1.5, **look)
    if raw is not None:
        _draw_raw(axes, raw, next(iter(styles.values())))
    for row, (variant, curve) in enumerate(curves.items()):
        draw_curve(axes, curve, styles[variant], shift=row / len(curves))
    write_labels(axes, labels)
    return figure


def _end_label(curve: SmoothedSeeds, text: str, style: LineStyle) -> LineLabel:
    return LineLabel(text, curve.n_episodes, float(curve.over_seeds.mean[-1]), style)


def _draw_raw(axes: Axes, raw: np.ndarray, style: LineStyle) -> None:
    """Draw the value of each episode, thin and faint, behind all else."""
    shown = thin_indices(raw, N_BINS)
    look = {"color": style.color, "alpha": RAW_ALPHA, "linewidth": 0.5, "zorder": 1.1}
    axes.add_line(Line2D(1 + shown, raw[shown], marker="_" if len(raw) == 1 else "", **look))


def _usual(raw: np.ndarray | None) -> list[float]:
    """Where all but the extreme raw values of the second half lie: the axis shows these."""
    return [] if raw is None else np.quantile(raw[len(raw) // 2 :], (0.01, 0.99)).tolist()


def _raw_off_scale_words(raw: np.ndarray | None, limits: tuple[float, float]) -> str:
    """How many raw values are beyond the limits and how far; empty when none is."""
    if raw is None:
        return ""
    outside = raw[(raw < limits[0]) | (raw > limits[1])]
    if not outside.size:
        return ""
    furthest = float(outside[np.abs(outside - sum(limits) / 2).argmax()])
    share = f"{format_number(len(outside))} of {format_number(len(raw))} episodes"
    return f"raw values off scale in {share}, as far as {round_number(furthest)}"
