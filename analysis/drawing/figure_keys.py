"""Looks and keys of score figures: lines, markers, interval bars, a key beside the panels."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from hq_ray.analysis.drawing.page import MARGIN, size_in_points, text_width
from hq_ray.analysis.drawing.style import LABEL_SIZE, LineStyle

KEY_START, KEY_HANDLE, KEY_GAP = 12.0, 30.0, 6.0


def line_look(style: LineStyle) -> dict[str, object]:
    """How a line of a variant looks, with its marker."""
    look = {"color": style.color, "linestyle": style.linestyle, "linewidth": 1.8}
    return look | {"marker": style.marker, "markersize": 5.5}


def marker_look(style: LineStyle) -> dict[str, object]:
    """How its markers look where they stand alone."""
    return line_look(style) | {"linestyle": ""}


def key_room(names: Iterable[str]) -> float:
    """Room on the right of a panel for a key with these names."""
    width = max(text_width(name, LABEL_SIZE) for name in names)
    return KEY_START + KEY_HANDLE + KEY_GAP + width + MARGIN


def write_key(axes: Axes, entries: Sequence[tuple[str, Mapping[str, object]]]) -> None:
    """Write names beside a panel, from its top down, each with a piece of its line."""
    width, height = size_in_points(axes)
    for rank, (name, look) in enumerate(entries):
        row = 1 - (rank + 0.5) * LABEL_SIZE * 1.8 / height
        across = [1 + (KEY_START + part * KEY_HANDLE) / width for part in (0, 0.5, 1)]
        place = {"transform": axes.transAxes, "clip_on": False, "markevery": [1]}
        axes.add_line(Line2D(across, [row] * 3, **(dict(look) | place)))
        left = 1 + (KEY_START + KEY_HANDLE + KEY_GAP) / width
        text = {"size": LABEL_SIZE, "color": look["color"], "va": "center_baseline"}
        axes.text(left, row, name, transform=axes.transAxes, parse_math=False, **text)


def corner(frames: Sequence[Axes]) -> Axes:
    """The panel in the upper right."""
    top = max(round(frame.get_position().y1, 6) for frame in frames)
    first = [frame for frame in frames if round(frame.get_position().y1, 6) == top]
    return max(first, key=lambda frame: frame.get_position().x1)


def draw_intervals(
    axes: Axes, places: np.ndarray, low: np.ndarray, high: np.ndarray, along: str, **look: object
) -> None:
    """Bars with caps from low to high along `x` or `y`, at places on the other axis."""
    look = {"linewidth": 2.0, "solid_capstyle": "butt", "zorder": 2} | look
    look |= {"marker": "|" if along == "x" else "_", "markersize": 7}
    for place, *ends in zip(places, low, high, strict=True):
        if np.isfinite(ends).all():
            across = (ends, [place] * 2) if along == "x" else ([place] * 2, ends)
            axes.add_line(Line2D(*across, **look))
