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

from hq_ray.analysis.charts.labels import LineLabel, label_room, write_labels
from hq_ray.analysis.charts.panels import dress, padded, panels
from hq_ray.analysis.charts.style import (
    FURTHER_DASHES,
    FURTHER_MARKERS,
    INK,
    KNOWN_STYLES,
    MUTED,
    REFERENCE_STYLE,
    TICK_SIZE,
    LineStyle,
)
from hq_ray.analysis.words import format_number

RATIO_LABEL = "alpha_eff / alpha"
ERROR_LABEL = "TD error / eps_shift"
STEP_LABEL = "step of the update, Q' - Q [reward units]"
DELTA_LABEL = "TD error delta = y - Q [reward units]"
POINT_LABEL = "fixed point of Q [reward units]"
SHIFT_LABEL = "eps_shift [reward units]"
# From dark to bright, still legible on white; the order of the values is the order of brightness.
SHADES = ("#3b0f70", "#8c2981", "#c2410c", "#d97706", "#a3820a", "#6b7a1e")
LEAST_RATIO = 1e-5
N_MARKERS = 5


def mechanism_figure(
    *, error: np.ndarray, ratios: Mapping[str, np.ndarray], title: str, caption: Sequence[str]
) -> Figure:
    """Draw alpha_eff / alpha against TD error / eps_shift, a theory line for each alpha.

    The x axis is linear within ±1 and logarithmic beyond, the y axis logarithmic.

    Args:
        error: TD errors divided by eps_shift, ascending.
        ratios: alpha_eff / alpha at these, by label, such as `alpha 0.1`.
        title, caption: above and below the panel.
    """
    limits = padded(np.maximum(np.concatenate(list(ratios.values())), LEAST_RATIO), 0.05, "log")
    look = {"xscale": "asinh", "yscale": "log", "xticks": _symmetric_ticks(error[0], error[-1])}
    texts = title, caption, ERROR_LABEL, RATIO_LABEL
    figure, axes = _frame(error, ratios, _styles(list(ratios)), texts, limits, **look)
    _cross(axes, 0.0, 1.0)
    return figure


def step_figure(
    *, delta: np.ndarray, steps: Mapping[str, np.ndarray], title: str, caption: Sequence[str]
) -> Figure:
    """Draw the step of an update against the TD error.

    Args:
        delta: TD errors, ascending, in units of return.
        steps: Q' - Q at these, by label: `standard` and `minimum` are the limits and look like
            these variants, the others, such as `eps_shift 0.1`, go from dark to bright in order.
        title, caption: above and below the panel.
    """
    limits = padded(np.concatenate(list(steps.values())))
    texts = title, caption, DELTA_LABEL, STEP_LABEL
    figure, axes = _frame(delta, steps, _styles(list(steps)), texts, limits)
    _cross(axes, 0.0, 0.0)
    return figure


def fixed_point_figure(
    *,
    eps_shift: np.ndarray,
    theory: np.ndarray,
    approximation: np.ndarray,
    simulated: tuple[Sequence[float], Sequence[float]],
    mean: float,
    least: float,
    title: str,
    caption: Sequence[str],
) -> Figure:
    """Draw the fixed point of a noisy target over eps_shift: law, approximation, simulation.

    Args:
        eps_shift: ascending, > 0.
        theory: the fixed points of the small-alpha law at these.
        approximation: E[y] - Var(y) / eps_shift at these; it leaves the axis on the left.
        simulated: eps_shift and Q of the real update.
        mean, least: of the target, drawn as the limits of a great and a small eps_shift.
        title, caption: above and below the panel.
    """
    lines = {"theory": theory, "approximation": approximation}
    limits = padded(np.concatenate([theory, simulated[1], [mean, least]]), 0.1)
    styles = {label: replace(style, marker="") for label, style in _styles(list(lines)).items()}
    texts = title, ["Points: the update itself, simulated.", *caption], SHIFT_LABEL, POINT_LABEL
    figure, axes = _frame(eps_shift, lines, styles, texts, limits, xscale="log")
    spots = {"linestyle": "", "marker": "o", "markersize": 6, "markerfacecolor": "white"}
    axes.add_line(Line2D(*simulated, color=INK, markeredgewidth=1.4, zorder=3, **spots))
    _draw_limit(axes, mean, "mean of y: eps_shift to infinity", side="left")
    _draw_limit(axes, least, "least y: eps_shift to 0", side="right")
    return figure


def _draw_limit(axes: Axes, level: float, text: str, side: str) -> None:
    """A reference line, its name above it where the curve is far away."""
    look = {"color": REFERENCE_STYLE.color, "linestyle": REFERENCE_STYLE.linestyle}
    axes.axhline(level, linewidth=1.0, zorder=1.5, **look)
    x = 0.02 if side == "left" else 0.98
    look = {"size": TICK_SIZE, "color": INK, "ha": side, "va": "bottom", "parse_math": False}
    axes.text(x, level, text, transform=axes.get_yaxis_transform(), **look)


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
