"""Panels on a page: frames in rows and columns, with limits, ticks, grid and named axes.

Every panel of every figure is dressed here, so they look alike: the name of the value axis stands
flush left above its panel, where it can be read without turning the head.
"""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullLocator

from hq_ray.analysis.charts.page import MARGIN, shorten, size_in_points, text_width, write_page
from hq_ray.analysis.charts.style import FIGURE_INCHES, GRID, INK, LABEL_SIZE, MUTED, TICK_SIZE
from hq_ray.analysis.words import format_number

LEFT = 62.0
TITLE_ROOM = LABEL_SIZE + 7
NAME_ROOM = LABEL_SIZE + 12
TICK_ROOM = LABEL_SIZE + TICK_SIZE + 20


def panels(
    title: str,
    note: str = "",
    caption: Sequence[str] = (),
    *,
    n_rows: int = 1,
    n_columns: int = 1,
    inches: tuple[float, float] = FIGURE_INCHES,
    left: float | Sequence[float] = LEFT,
    right: float | Sequence[float] = MARGIN,
    titled: bool = False,
) -> tuple[Figure, np.ndarray]:
    """A page with frames, not yet dressed.

    Args:
        title, note, caption, inches: see `analysis.charts.page.write_page`.
        n_rows, n_columns: of panels.
        left: room for tick labels left of each panel, one number or one per column, in points.
        right: room for names right of each panel, one number or one per column, in points.
        titled: whether panels have titles of their own.

    Returns:
        The figure and its axes, an object array (n_rows, n_columns).
    """
    page = write_page(title, note, caption, inches)
    lefts, rights = (np.broadcast_to(np.asarray(side, float), n_columns) for side in (left, right))
    span = (page.width - lefts.sum() - rights.sum()) / n_columns
    starts = np.cumsum(lefts + span + rights) - span - rights
    row = (page.top - page.bottom) / n_rows
    head = NAME_ROOM + (TITLE_ROOM if titled else 0.0)
    axes = np.empty((n_rows, n_columns), dtype=object)
    for i in range(n_rows):
        top = page.top - i * row
        for j in range(n_columns):
            edges = (starts[j], top - row + TICK_ROOM, starts[j] + span, top - head)
            axes[i, j] = page.add_axes(*edges)
    return page.figure, axes


def dress(
    axes: Axes,
    xlabel: str,
    ylabel: str,
    xlimits: tuple[float, float],
    ylimits: tuple[float, float],
    *,
    title: str = "",
    xscale: str = "linear",
    yscale: str = "linear",
    xticks: tuple[Sequence[float], Sequence[str]] | None = None,
    yticks: tuple[Sequence[float], Sequence[str]] | None = None,
    grid: str = "y",
) -> None:
    """Set scales, limits, ticks, grid and names of one panel.

    Args:
        axes: the frame.
        xlabel, ylabel: with units.
        xlimits, ylimits: what the axes show.
        title: of the panel.
        xscale, yscale: `linear` or `log`.
        xticks, yticks: positions and their texts; None finds round numbers.
        grid: which axes have grid lines at their ticks: `x`, `y`, `xy` or none.
    """
    axes.set_xscale(xscale)
    axes.set_yscale(yscale)
    axes.set_xlim(*xlimits)
    axes.set_ylim(*ylimits)
    width, height = size_in_points(axes)
    n_ticks = (min(8, max(2, int(width / 60))), min(6, max(2, int(height / 28))))
    across = xticks or _found_ticks(xlimits, xscale, n_ticks[0])
    up = yticks or _found_ticks(ylimits, yscale, n_ticks[1])
    for axis, (positions, texts) in ((axes.xaxis, across), (axes.yaxis, up)):
        axis.set_major_locator(FixedLocator(list(positions)))
        axis.set_major_formatter(FixedFormatter(list(texts)))
        axis.set_minor_locator(NullLocator())
        for text in axis.get_ticklabels():
            text.set_parse_math(False)
    axes.tick_params(labelsize=TICK_SIZE, color=MUTED, labelcolor=INK)
    axes.set_axisbelow(True)
    for side in grid:
        axes.grid(axis=side, color=GRID, linewidth=0.7, zorder=0)
    look = {"size": LABEL_SIZE, "color": INK, "parse_math": False}
    axes.set_xlabel(xlabel, **look)
    axes.xaxis.set_label_coords(0.5, -(TICK_SIZE + 9) / height)
    axes.set_ylabel(ylabel, rotation=0, ha="left", va="bottom", **look)
    axes.yaxis.set_label_coords(0.0, 1 + 7 / height)
    if title:
        title = shorten(title, room_for_heading(axes), LABEL_SIZE, "bold")
        above = 1 + (NAME_ROOM + 2) / height
        axes.text(0, above, title, transform=axes.transAxes, weight="bold", va="bottom", **look)


def dress_episodes(
    axes: Axes,
    n_episodes: int,
    ylimits: tuple[float, float],
    ylabel: str,
    window: int = 1,
    title: str = "",
) -> None:
    """Dress a panel over episodes 1 to n; a short tick stands at the first full window."""
    pad = 0.5 if n_episodes == 1 else (n_episodes - 1) * (0.06 if n_episodes < 9 else 0.012)
    n_ticks = min(8, max(2, int(size_in_points(axes)[0] / 60)))
    found = [tick for tick in round_numbers(0, n_episodes, n_ticks, integer=True) if tick > 1]
    ticks = [1, *(tick for tick in found if tick - 1 > 0.04 * n_episodes)]
    texts = [format_number(tick) for tick in ticks]
    limits = (1 - pad, n_episodes + pad)
    dress(axes, "episode", ylabel, limits, ylimits, title=title, xticks=(ticks, texts))
    if 1 < window <= n_episodes:
        look = {"transform": axes.get_xaxis_transform(), "color": MUTED, "linewidth": 1.2}
        axes.add_line(Line2D([window, window], [0, 0.03], **look))


def room_for_heading(axes: Axes) -> float:
    """From the left edge of the axes to the margin of the page, in points."""
    return 72 * axes.figure.get_figwidth() * (1 - axes.get_position().x0) - MARGIN


def _found_ticks(
    limits: tuple[float, float], scale: str, n_ticks: int
) -> tuple[list[float], list[str]]:
    positions = decades(*limits, n_ticks) if scale == "log" else round_numbers(*limits, n_ticks)
    return positions, [format_number(position) for position in positions]


def round_numbers(low: float, high: float, n_ticks: int, integer: bool = False) -> list[float]:
    """Round numbers within [low, high], about `n_ticks` of them."""
    locator = MaxNLocator(nbins=n_ticks, steps=[1, 2, 2.5, 5, 10], integer=integer)
    slack = 1e-9 * (high - low)
    return [
        float(tick)
        for tick in locator.tick_values(low, high)
        if low - slack <= tick <= high + slack
    ]


def decades(low: float, high: float, n_ticks: int) -> list[float]:
    """Powers of ten within [low, high], or 1, 2, 5 times such where there are fewer than two."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    if last > first:
        step = max(1, math.ceil((last - first) / n_ticks))
        return [10.0**power for power in range(first, last + 1, step)]
    candidates = [m * 10.0**power for power in range(first - 1, last + 1) for m in (1, 2, 5)]
    return [tick for tick in candidates if low <= tick <= high] or [low, high]


def padded(values: Sequence[float], share: float = 0.05, scale: str = "linear") -> tuple:
    """Limits around values with a little room; constant or no values get some, too."""
    finite = np.asarray(values, dtype=float).ravel()
    finite = finite[np.isfinite(finite)]
    if not finite.size:
        return (0.0, 1.0)
    low, high = float(finite.min()), float(finite.max())
    if scale == "log":
        factor = (high / low) ** share if high > low else 2.0
        return low / factor, high * factor
    pad = share * (high - low) if high - low > 1e-9 * max(abs(low), abs(high)) else 0.0
    pad = pad or max(share * abs(high), 0.5)
    return low - pad, high + pad


def room_for(texts: Sequence[str]) -> float:
    """Room left of a panel whose tick labels are these texts."""
    return max([text_width(text, TICK_SIZE) for text in texts], default=0.0) + 10 + MARGIN
