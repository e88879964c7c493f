"""Curves in the panels of one page: one panel, or one per environment, variant or quantity.

A line is named at its end in every panel, or in one legend when a panel has more than three.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from hq_ray.analysis.drawing.captions import off_scale_words, round_number
from hq_ray.analysis.drawing.figure_bands import draw_curve
from hq_ray.analysis.drawing.labels import MAX_DIRECT_LABELS, LineLabel, label_room, write_labels
from hq_ray.analysis.drawing.page import MARGIN, text_width, wrap_text, write_page
from hq_ray.analysis.drawing.panels import LEFT, dress, dress_episodes, panels
from hq_ray.analysis.drawing.style import (
    FIGURE_INCHES,
    FURTHER_DASHES,
    FURTHER_MARKERS,
    LABEL_SIZE,
    REFERENCE_STYLE,
    LineStyle,
    variant_styles,
)
from hq_ray.analysis.statistics.means import SmoothedSeeds

SHADES = (1.0, 0.62, 0.8, 0.45)
PANEL_HEIGHT, UNTITLED_HEIGHT = 2.7, 2.2
NARROWEST = 150.0
WIDEST_LABEL = 290.0


@dataclass(frozen=True, eq=False)
class Panel:
    """What one panel shows.

    Attributes:
        name: its title, where there are several.
        curves: by label.
        texts: what stands at the line ends, by label; a curve without one is not named.
        ylabel, limits: of the value axis.
        level: of the optimum, where it is known.
        x: `(n_points,)` environment steps; None counts episodes.
    """

    name: str
    curves: Mapping[str, SmoothedSeeds]
    texts: Mapping[str, str]
    ylabel: str
    limits: tuple[float, float]
    level: float | None = None
    x: np.ndarray | None = None

    @property
    def n_points(self) -> int:
        """Length of the longest curve."""
        return max(curve.n_episodes for curve in self.curves.values())

    def labels(self, styles: Mapping[str, LineStyle]) -> list[LineLabel]:
        """What is written at the line ends."""
        found = [
            _end_label(self.texts[label], curve, styles[label], self.x)
            for label, curve in self.curves.items()
            if label in self.texts
        ]
        if self.level is None:
            return found
        end = self.n_points if self.x is None else float(self.x[-1])
        text = f"optimum {round_number(self.level)}"
        return [*found, LineLabel(text, end, self.level, REFERENCE_STYLE)]


def _end_label(
    text: str, curve: SmoothedSeeds, style: LineStyle, x: np.ndarray | None
) -> LineLabel:
    """A label where the mean was last known."""
    mean = curve.over_seeds.mean
    last = int(np.flatnonzero(np.isfinite(mean))[-1])
    end = last + 1 if x is None else float(x[last])
    return LineLabel(_shortened(text), end, float(mean[last]), style)


def _shortened(text: str) -> str:
    return wrap_text(text, WIDEST_LABEL, LABEL_SIZE, max_lines=1)[0]


def draw_panels(
    parts: Sequence[Panel],
    styles: Mapping[str, LineStyle],
    title: str,
    note: str,
    caption: Sequence[str],
    window: int,
    n_columns: int = 2,
) -> tuple[Figure, list[Axes]]:
    """Lay out a page, dress its panels, draw their curves and name the lines.

    Args:
        parts: the panels, row by row.
        styles: by label, the same in all panels.
        title, note, caption: see `analysis.drawing.page.write_page`.
        window: of the smoothing, in episodes.
        n_columns: at most; a column holds names and labels, or there is one.
    """
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
        _dress(frame, part, window if part.x is None else 1)
        for rank, (label, curve) in enumerate(part.curves.items()):
            draw_curve(frame, curve, styles[label], rank / len(part.curves), part.x)
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


def _dress(axes: Axes, part: Panel, window: int) -> None:
    if part.x is None:
        dress_episodes(axes, part.n_points, part.limits, part.ylabel, window, part.name)
    else:
        end = float(part.x[part.n_points - 1])
        xlimits = (-0.012 * end, 1.012 * end)
        dress(axes, "environment steps", part.ylabel, xlimits, part.limits, title=part.name)
    if part.level is not None:
        look = {"color": REFERENCE_STYLE.color, "linestyle": REFERENCE_STYLE.linestyle}
        axes.axhline(part.level, linewidth=1.0, zorder=1.5, **look)


def facets(
    title: str,
    note: str,
    caption: Sequence[str],
    names: Sequence[str],
    room: float = MARGIN,
    legend: bool = False,
    n_columns: int = 2,
    ylabel: str = "",
) -> tuple[Figure, list[Axes]]:
    """A figure with one panel per name, in several columns where names and labels fit.

    Args:
        title, note, caption: see `analysis.drawing.page.write_page`.
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
    widest = max([_name_width(name) for name in names] + [text_width(ylabel, LABEL_SIZE)])
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


def _name_width(name: str) -> float:
    return text_width(name, LABEL_SIZE, "bold")


def off_scale_note(parts: Sequence[Panel]) -> str:
    """What lies beyond the limits of each panel; empty when nothing does."""
    sentences = []
    for part in parts:
        words = off_scale_words(part.curves, part.limits)
        if words and part.x is not None:
            # Points of that axis are no episodes.
            words = re.sub(r" \(on scale from episode [\d,]+\)", "", words)
        if words and part.name:
            words = words.replace("off scale", f"off scale in {part.name}", 1)
        sentences.append(words)
    return ". ".join(filter(None, sentences))


def line_styles(variants: Mapping[str, str]) -> dict[str, LineStyle]:
    """One style per label, given the variant that each label stands for.

    Labels of one variant keep its hue, in shades, with dash patterns and markers of their own.
    """
    known = variant_styles(dict.fromkeys(variants.values()))
    dashes = _unused([(0, dash) for dash in FURTHER_DASHES], {s.linestyle for s in known.values()})
    markers = _unused(FURTHER_MARKERS, {s.marker for s in known.values()})
    styles, ranks, n_more = {}, dict.fromkeys(known, 0), 0
    for label, variant in variants.items():
        style, rank = known[variant], ranks[variant]
        ranks[variant] += 1
        if rank:
            color = to_hex([SHADES[rank % len(SHADES)] * part for part in to_rgb(style.color)])
            dash, marker = dashes[n_more % len(dashes)], markers[n_more % len(markers)]
            style = LineStyle(color, dash, marker)
            n_more += 1
        styles[label] = style
    return styles


def _unused(looks: Sequence, used: set) -> list:
    return [look for look in looks if look not in used] or list(looks)
