"""What the harmonic update does to one value: effective step size, step, and fixed point.

The numbers come from `analysis.theory`; here they are only drawn.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hq_ray.analysis.drawing.captions import format_number, round_number
from hq_ray.analysis.drawing.labels import LineLabel, label_room, write_labels
from hq_ray.analysis.drawing.panels import dress, padded, panels
from hq_ray.analysis.drawing.style import (
    FURTHER_DASHES,
    FURTHER_MARKERS,
    GRID,
    INK,
    KNOWN_STYLES,
    MUTED,
    REFERENCE_STYLE,
    TICK_SIZE,
    LineStyle,
)
from hq_ray.errors import InputError

RATIO_LABEL = "alpha_eff / alpha"
ERROR_LABEL = "TD error / eps_shift"
STEP_LABEL = "step of the update, Q' - Q [reward units]"
DELTA_LABEL = "TD error delta = y - Q [reward units]"
POINT_LABEL = "fixed point of Q [reward units]"
SHIFT_LABEL = "eps_shift [reward units]"
# From dark to bright, still legible on white; the order of the values is the order of brightness.
SHADES = ("#3b0f70", "#8c2981", "#c2410c", "#d97706", "#a3820a", "#6b7a1e")
LEAST_RATIO = 1e-5
DENSITY_SHARE = 0.3
N_MARKERS = 5


def mechanism_figure(
    *,
    error: Sequence[float],
    ratios: Mapping[str, Sequence[float]],
    title: str,
    density: Mapping[str, Sequence[float]] | None = None,
    caption: str | Sequence[str] = "",
) -> Figure:
    """Draw alpha_eff / alpha against TD error / eps_shift, a theory line for each alpha.

    The x axis is linear within ±1 and logarithmic beyond, the y axis logarithmic.

    Args:
        error: TD errors divided by eps_shift, ascending.
        ratios: alpha_eff / alpha at these, by label, such as `alpha 0.1`.
        title: of the figure.
        density: the errors observed, as `edges` (n + 1) of bins and the `share` (n) in each.
        caption: where the density is from and the like.

    Raises:
        InputError: when there is no line, or arrays have different lengths.
    """
    x, lines = _read(error, ratios, "alpha_eff / alpha")
    positive = np.concatenate([line[line > 0] for line in lines.values()])
    limits = padded(np.maximum(positive, LEAST_RATIO), 0.05, "log")
    words = _listed(caption)
    if density is not None:
        words = [f"Shaded: {_density_words(density)}", *words]
    look = {"xscale": "asinh", "yscale": "log", "xticks": _symmetric_ticks(x[0], x[-1])}
    texts = title, words, ERROR_LABEL, RATIO_LABEL
    figure, axes = _frame(x, lines, _styles(list(lines)), texts, limits, **look)
    _cross(axes, 0.0, 1.0)
    if density is not None:
        _draw_density(axes, density)
    return figure


def step_figure(
    *,
    delta: Sequence[float],
    steps: Mapping[str, Sequence[float]],
    title: str,
    caption: str | Sequence[str] = "",
) -> Figure:
    """Draw the step of an update against the TD error.

    Args:
        delta: TD errors, ascending, in units of return.
        steps: Q' - Q at these, by label: `standard` and `minimum` are the limits and look like
            these variants, the others, such as `eps_shift 0.1`, go from dark to bright in order.
        title: of the figure.
        caption: alpha, the regime and the like.

    Raises:
        InputError: when there is no line, or arrays have different lengths.
    """
    x, lines = _read(delta, steps, "steps")
    limits = padded(np.concatenate(list(lines.values())))
    texts = title, _listed(caption), DELTA_LABEL, STEP_LABEL
    figure, axes = _frame(x, lines, _styles(list(lines)), texts, limits)
    _cross(axes, 0.0, 0.0)
    return figure


def fixed_point_figure(
    *,
    eps_shift: Sequence[float],
    theory: Sequence[float],
    title: str,
    approximation: Sequence[float] | None = None,
    simulated: Mapping[str, Sequence[float]] | None = None,
    mean: float | None = None,
    least: float | None = None,
    caption: str | Sequence[str] = "",
) -> Figure:
    """Draw the fixed point of a noisy target over eps_shift: law, approximation, simulation.

    Args:
        eps_shift: ascending, > 0.
        theory: the fixed points of the small-alpha law at these.
        title: of the figure.
        approximation: E[y] - Var(y) / eps_shift at these; it leaves the axis on the left.
        simulated: points `eps_shift` and `q_value` of the real update.
        mean, least: of the target, drawn as the limits of a great and a small eps_shift.
        caption: the target, alpha, number of updates and the like.

    Raises:
        InputError: when arrays have different lengths or eps_shift is not positive.
    """
    given = {"theory": theory} | ({} if approximation is None else {"approximation": approximation})
    x, lines = _read(eps_shift, given, "fixed points")
    if not (x > 0).all():
        raise InputError(f"eps_shift must be > 0 on a log axis; given {round_number(x.min())}")
    points = simulated or {"eps_shift": [], "q_value": []}
    at, q_values = (np.asarray(points[k], dtype=float) for k in ("eps_shift", "q_value"))
    levels = [float(level) for level in (mean, least) if level is not None]
    limits = padded(np.concatenate([lines["theory"], q_values, levels]), 0.1)
    styles = {label: replace(style, marker="") for label, style in _styles(list(lines)).items()}
    words = ["Points: the update itself, simulated."] if at.size else []
    texts = title, [*words, *_listed(caption)], SHIFT_LABEL, POINT_LABEL
    figure, axes = _frame(x, lines, styles, texts, limits, xscale="log")
    spots = {"linestyle": "", "marker": "o", "markersize": 6, "markerfacecolor": "white"}
    axes.add_line(Line2D(at, q_values, color=INK, markeredgewidth=1.4, zorder=3, **spots))
    _draw_limit(axes, mean, "mean of y: eps_shift to infinity", side="left")
    _draw_limit(axes, least, "least y: eps_shift to 0", side="right")
    return figure


def _draw_limit(axes: Axes, level: float | None, text: str, side: str) -> None:
    """A reference line, its name above it where the curve is far away."""
    if level is None:
        return
    look = {"color": REFERENCE_STYLE.color, "linestyle": REFERENCE_STYLE.linestyle}
    axes.axhline(level, linewidth=1.0, zorder=1.5, **look)
    x = 0.02 if side == "left" else 0.98
    look = {"size": TICK_SIZE, "color": INK, "ha": side, "va": "bottom", "parse_math": False}
    axes.text(x, level, text, transform=axes.get_yaxis_transform(), **look)


def _read(
    x: Sequence[float], lines: Mapping[str, Sequence[float]], what: str
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    at = np.asarray(x, dtype=float)
    arrays = {label: np.asarray(line, dtype=float) for label, line in lines.items()}
    if not arrays or at.size < 2 or (np.diff(at) <= 0).any():
        raise InputError(
            f"{what} need at least one line over two or more ascending positions; given "
            f"{len(arrays)} lines over {at.size} positions"
        )
    for label, line in arrays.items():
        if line.shape != at.shape:
            raise InputError(
                f"{what} need one number per position; given {line.size} for {at.size} in {label!r}"
            )
    return at, arrays


def _listed(caption: str | Sequence[str]) -> list[str]:
    return [text for text in ([caption] if isinstance(caption, str) else caption) if text]


def _styles(labels: Sequence[str]) -> dict[str, LineStyle]:
    """Variants look like themselves; the others go from dark to bright, each with own dashes."""
    ordered = [label for label in labels if label not in KNOWN_STYLES]
    styles = {}
    for i, label in enumerate(ordered):
        shade = SHADES[i * len(SHADES) // max(len(ordered), 1) % len(SHADES)]
        dashes = "-" if i == 0 else (0, FURTHER_DASHES[i % len(FURTHER_DASHES)])
        styles[label] = LineStyle(shade, dashes, FURTHER_MARKERS[i % len(FURTHER_MARKERS)])
    return {label: KNOWN_STYLES.get(label) or styles[label] for label in labels}


def _frame(
    x: np.ndarray,
    lines: Mapping[str, np.ndarray],
    styles: Mapping[str, LineStyle],
    texts: tuple[str, Sequence[str], str, str],
    ylimits: tuple[float, float],
    **look: object,
) -> tuple[Figure, Axes]:
    """A page of one panel with lines, named at their ends; texts: title, caption, names of axes."""
    title, caption, *names = texts
    ends = [_end_label(label, x, line, styles[label], ylimits) for label, line in lines.items()]
    labels = [label for label in ends if label]
    figure, ((axes,),) = panels(title, "", caption, right=label_room(labels))
    dress(axes, *names, (float(x[0]), float(x[-1])), ylimits, **look)
    every = max(1, len(x) // N_MARKERS)
    for rank, (label, line) in enumerate(lines.items()):
        style = styles[label]
        dashes = {"color": style.color, "linestyle": style.linestyle, "linewidth": 1.8}
        start = min(len(x) - 1, round((rank + 0.5) / len(lines) * every))
        marks = {"marker": style.marker, "markersize": 5.0, "markevery": (start, every)}
        axes.add_line(Line2D(x, line, zorder=2, **dashes, **marks))
    write_labels(axes, labels)
    return figure, axes


def _end_label(
    text: str, x: np.ndarray, line: np.ndarray, style: LineStyle, limits: tuple[float, float]
) -> LineLabel | None:
    """The label at the last value in sight."""
    seen = np.flatnonzero((line >= limits[0]) & (line <= limits[1]))
    return LineLabel(text, float(x[seen[-1]]), float(line[seen[-1]]), style) if seen.size else None


def _cross(axes: Axes, x: float, y: float) -> None:
    """Thin lines through a point of reference."""
    axes.axvline(x, color=MUTED, linewidth=0.9, zorder=1.1)
    axes.axhline(y, color=MUTED, linewidth=0.9, zorder=1.1)


def _symmetric_ticks(low: float, high: float) -> tuple[list[float], list[str]]:
    """0, ±1 and powers of ten up to the limits, a few of them."""
    most = max(math.floor(math.log10(max(abs(low), abs(high), 1.0)) + 1e-9), 0)
    step = max(1, math.ceil(most / 3))
    powers = [10.0**power for power in range(0, most + 1, step)]
    ticks = [-p for p in reversed(powers)] + [0.0] + powers
    ticks = [tick for tick in ticks if low <= tick <= high]
    return ticks, [format_number(tick) for tick in ticks]


def _draw_density(axes: Axes, density: Mapping[str, Sequence[float]]) -> None:
    """A grey histogram at the foot of the panel; its height has no axis."""
    edges, share = (np.asarray(density[k], dtype=float) for k in ("edges", "share"))
    heights = DENSITY_SHARE * share / max(float(share.max()), 1e-300)
    look = {"transform": axes.get_xaxis_transform(), "color": GRID, "linewidth": 0, "zorder": 0.9}
    axes.fill_between(edges, np.append(heights, heights[-1]), step="post", **look)


def _density_words(density: Mapping[str, Sequence[float]]) -> str:
    edges, share = (np.asarray(density[k], dtype=float) for k in ("edges", "share"))
    if edges.shape != (share.size + 1,) or not share.size:
        raise InputError(
            "a density needs one edge more than it has shares, and at least one share; given "
            f"{edges.size} edges and {share.size} shares"
        )
    return f"observed TD errors; the highest bin holds {100 * share.max():.3g} % of them."
