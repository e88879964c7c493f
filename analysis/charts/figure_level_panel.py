"""One panel over the levels of a hyperparameter: lines, intervals, rings, level lines."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation, Transform

from hq_ray.analysis.charts.level_axis import LevelAxis, hyperparameter_label
from hq_ray.analysis.charts.level_lines import LevelLine, LevelPanel, off_scale
from hq_ray.analysis.charts.page import shorten, size_in_points
from hq_ray.analysis.charts.panels import dress, padded
from hq_ray.analysis.charts.style import INK, LABEL_SIZE, MUTED, LineStyle

DODGE = 3.0


@dataclass(frozen=True)
class PanelFrame:
    """What frames a panel.

    Attributes:
        axis: of the levels.
        hyperparameter: its name.
        label: of the value axis.
        zero: whether to draw a line at 0.
    """

    axis: LevelAxis
    hyperparameter: str
    label: str
    zero: bool


def draw_panel(
    axes: Axes,
    panel: LevelPanel,
    frame: PanelFrame,
    styles: Mapping[str, LineStyle],
    title_room: float,
) -> None:
    """Dress the axes and draw all lines of the panel.

    Args:
        axes: not yet dressed.
        panel: what to draw.
        frame: axes and names.
        styles: by variant.
        title_room: how wide the names of panel and value axis may be, in points.
    """
    _dress(axes, panel, frame, title_room)
    if frame.zero:
        axes.axhline(0.0, color=INK, linewidth=0.9, zorder=1.1)
    if not any(np.isfinite(line.mean).any() for line in panel.lines):
        look = {"size": LABEL_SIZE, "color": MUTED, "ha": "center", "parse_math": False}
        axes.text(0.5, 0.5, "no data", transform=axes.transAxes, **look)
    for line in panel.lines:
        if line.positions is None:
            _draw_level(axes, line, styles[line.variant])
    drawn = [line for line in panel.lines if line.positions is not None]
    for rank, line in enumerate(drawn):
        # Intervals at one level stand side by side, a few points apart.
        shift = DODGE * (rank - (len(drawn) - 1) / 2) if line.has_bars else 0.0
        draw_line(axes, line, styles[line.variant], shift)
        _draw_off_scale(axes, line, styles[line.variant], panel.limits)


def x_limits(axis: LevelAxis) -> tuple[float, float]:
    """Limits of the axis of levels."""
    if axis.is_categorical or not axis.levels:
        return (-0.5, max(len(axis.levels), 1) - 0.5)
    return padded(axis.positions, 0.06, axis.scale)


def _dress(axes: Axes, panel: LevelPanel, frame: PanelFrame, room: float) -> None:
    limits = x_limits(frame.axis)
    dress(
        axes,
        hyperparameter_label(frame.hyperparameter),
        shorten(frame.label, room, LABEL_SIZE),
        limits,
        panel.limits,
        title=shorten(panel.env, room, LABEL_SIZE, "bold"),
        xscale=frame.axis.scale,
        xticks=frame.axis.ticks(limits, size_in_points(axes)[0]),
    )


def draw_line(axes: Axes, line: LevelLine, style: LineStyle, shift: float) -> None:
    """Draw a line with markers, intervals and ring, `shift` points to the right."""
    place = axes.transData + ScaledTranslation(shift / 72, 0, axes.figure.dpi_scale_trans)
    _draw_interval(axes, line, style, place)
    look = {"color": style.color, "transform": place, "zorder": 2.5}
    dashes = {"linestyle": style.linestyle, "linewidth": 1.6}
    markers = {"marker": style.marker, "markersize": 5.0 if line.has_bars else 3.5}
    axes.add_line(Line2D(line.positions, line.mean, **look, **dashes, **markers))
    if line.tuned is not None:
        value = line.mean[line.positions == line.tuned]
        ring = {"marker": "o", "markersize": 12, "markerfacecolor": "none", "markeredgewidth": 1.4}
        axes.add_line(Line2D([line.tuned], value[:1], **(look | ring | {"color": INK})))


def _draw_interval(axes: Axes, line: LevelLine, style: LineStyle, place: Transform) -> None:
    """Bars at few levels, a band over many."""
    known = np.isfinite(line.low) & np.isfinite(line.high)
    if not known.any():
        return
    if line.has_bars:
        ends = zip(line.positions[known], line.low[known], line.high[known], strict=True)
        bars = [[(x, low), (x, high)] for x, low, high in ends]
        look = {"colors": style.color, "linewidths": 1.3, "transform": place, "zorder": 2.2}
        axes.add_artist(LineCollection(bars, **look))
    else:
        look = {"color": style.color, "alpha": 0.2, "linewidth": 0, "zorder": 1.2}
        axes.fill_between(line.positions, line.low, line.high, where=known, **look)


def _draw_level(axes: Axes, line: LevelLine, style: LineStyle) -> None:
    """A variant without the hyperparameter: a level line and a light span."""
    if line.has_interval:
        look = {"color": style.color, "alpha": 0.12, "linewidth": 0}
        axes.axhspan(line.low[0], line.high[0], zorder=1, **look)
    if np.isfinite(line.mean[0]):
        look = {"color": style.color, "linestyle": style.linestyle}
        axes.axhline(line.mean[0], linewidth=1.4, zorder=1.6, **look)


def _draw_off_scale(
    axes: Axes, line: LevelLine, style: LineStyle, limits: tuple[float, float]
) -> None:
    """Triangles at the edge where a mean lies beyond it."""
    for i in off_scale(line, limits):
        below = line.mean[i] < limits[0]
        look = {"marker": "v" if below else "^", "markersize": 6, "color": style.color}
        spot = Line2D([line.positions[i]], [0.03 if below else 0.97], zorder=3, **look)
        spot.set_transform(axes.get_xaxis_transform())
        axes.add_line(spot)
