"""Curves in the panels of one page: one panel, or one per problem, variant or quantity.

A line is named at its end in every panel, or in one legend when a panel has more than three.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hq_ray.analysis.charts.captions import off_scale_words
from hq_ray.analysis.charts.figure_bands import draw_curve
from hq_ray.analysis.charts.labels import MAX_DIRECT_LABELS, LineLabel, label_room, write_labels
from hq_ray.analysis.charts.page import MARGIN, text_width, wrap_text, write_page
from hq_ray.analysis.charts.panels import LEFT, dress_episodes, panels
from hq_ray.analysis.charts.style import (
    FIGURE_INCHES,
    LABEL_SIZE,
    REFERENCE_STYLE,
    LineStyle,
    variant_styles,
)
from hq_ray.analysis.statistics.means import SmoothedSeeds
from hq_ray.analysis.words import round_number

PANEL_HEIGHT, UNTITLED_HEIGHT = 2.7, 2.2
NARROWEST = 150.0
WIDEST_LABEL = 290.0


@dataclass(frozen=True, eq=False)
class Panel:
    """What one panel shows.

    Attributes:
        name: its title, where there are several.
        curves: by variant.
        texts: what stands at the line ends, by variant; a curve without one is not named.
        ylabel, limits: of the value axis.
        level: of the optimum, where it is known.
    """

    name: str
    curves: Mapping[str, SmoothedSeeds]
    texts: Mapping[str, str]
    ylabel: str
    limits: tuple[float, float]
    level: float | None = None

    @property
    def n_episodes(self) -> int:
        """Length of the longest curve."""
        return max(curve.n_episodes for curve in self.curves.values())

    def labels(self, styles: Mapping[str, LineStyle]) -> list[LineLabel]:
        """What is written at the line ends, where a mean was last known."""
        found = []
        for variant, text in self.texts.items():
            mean = self.curves[variant].over_seeds.mean
            last = int(np.flatnonzero(np.isfinite(mean))[-1])
            text = wrap_text(text, WIDEST_LABEL, LABEL_SIZE, max_lines=1)[0]
            found.append(LineLabel(text, last + 1, float(mean[last]), styles[variant]))
        if self.level is not None:
            text = f"optimum {round_number(self.level)}"
            found.append(LineLabel(text, self.n_episodes, self.level, REFERENCE_STYLE))
        return found


def draw_panels(
    parts: Sequence[Panel], title: str, note: str, caption: Sequence[str], n_columns: int = 2
) -> tuple[Figure, list[Axes]]:
    """Lay out a page, dress its panels, draw their curves and name the lines.

    Args:
        parts: the panels, row by row.
        title, note, caption: see `analysis.charts.page.write_page`.
        n_columns: at most; a column holds names and labels, or there is one.
    """
    styles = variant_styles(dict.fromkeys(name for part in parts for name in part.curves))
    labels = [part.labels(styles) for part in parts]
    legend = _legend(labels) if max(map(len, labels)) > MAX_DIRECT_LABELS else []
    if legend and len(parts) == 1:
        legend = labels[0]
    room = label_room(legend) if legend else max(map(label_room, labels))
    names = [part.name for part in parts]
    ylabel = max((part.ylabel for part in parts), key=len)
    room_words = {"room": room, "legend": bool(legend), "n_columns": n_columns, "ylabel": ylabel}
    figure, axes = facets(title, note, caption, names, **room_words)
    for frame, part, ends in zip(axes, parts, labels, strict=True):
        window = max(curve.window for curve in part.curves.values())
        dress_episodes(frame, part.n_episodes, part.limits, part.ylabel, window, part.name)
        if part.level is not None:
            look = {"color": REFERENCE_STYLE.color, "linestyle": REFERENCE_STYLE.linestyle}
            frame.axhline(part.level, linewidth=1.0, zorder=1.5, **look)
        for rank, (variant, curve) in enumerate(part.curves.items()):
            draw_curve(frame, curve, styles[variant], rank / len(part.curves))
        if not legend:
            write_labels(frame, ends)
    write_labels(max(axes, key=_place), legend)
    return figure, axes


def _legend(labels: Sequence[Sequence[LineLabel]]) -> list[LineLabel]:
    """Every name once, in the order of the panels; the optimum without its level."""
    named = {}
    for label in (label for ends in labels for label in ends):
        text = "optimum" if label.style is REFERENCE_STYLE else label.text
        named.setdefault(text, replace(label, text=text))
    # A legend stands in the order of its values.
    return [replace(label, value=-float(rank)) for rank, label in enumerate(named.values())]


def _place(axes: Axes) -> tuple[float, float]:
    """Greatest for the panel in the upper right corner."""
    box = axes.get_position()
    return round(box.y1, 6), box.x1


def off_scale_note(parts: Sequence[Panel]) -> str:
    """What lies beyond the limits of each panel; empty when nothing does."""
    found = [(part.name, off_scale_words(part.curves, part.limits)) for part in parts]
    words = [w.replace("off scale", f"off scale in {name}", 1) if name else w for name, w in found]
    return ". ".join(filter(None, words))


def facets(
    title: str,
    note: str,
    caption: Sequence[str],
    names: Sequence[str],
    room: float,
    legend: bool = False,
    n_columns: int = 2,
    ylabel: str = "",
) -> tuple[Figure, list[Axes]]:
    """A figure with one panel per name, in several columns where names and labels fit.

    Args:
        title, note, caption: see `analysis.charts.page.write_page`.
        names: of the panels, the titles that will be written above them; empty for none.
        room: for labels beside each panel.
        legend: whether that room is needed beside the last column only.
        n_columns: at most.
        ylabel: the longest name of a value axis.
    """
    width, height = FIGURE_INCHES
    n_columns = min(n_columns, len(names))
    rights = [MARGIN if legend else room] * (n_columns - 1) + [room]
    span = 72 * width / n_columns - LEFT - sum(rights) / n_columns
    widest = max(text_width(name, LABEL_SIZE, "bold") for name in names)
    widest = max(widest, text_width(ylabel, LABEL_SIZE))
    if span < NARROWEST or widest > span + min(rights):
        n_columns, rights = 1, [room]
    n_rows = math.ceil(len(names) / n_columns)
    row_height = PANEL_HEIGHT if any(names) else UNTITLED_HEIGHT
    if n_rows > 1:
        height = texts_height(title, note, caption) + n_rows * row_height
    inches = (width, height)
    shape = {"n_rows": n_rows, "n_columns": n_columns, "titled": any(names)}
    figure, axes = panels(title, note, caption, inches=inches, right=rights, **shape)
    for spare in axes.ravel()[len(names) :]:
        spare.remove()
    return figure, list(axes.ravel()[: len(names)])


def texts_height(title: str, note: str, caption: Sequence[str]) -> float:
    """Inches that the texts of a page of the usual width take of its height, margins included."""
    page = write_page(title, note, caption)
    return (page.height - page.top + page.bottom) / 72
