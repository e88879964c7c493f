"""Names beside points in a plane, where they cover neither points nor bars nor each other."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from hq_ray.analysis.drawing.page import text_width
from hq_ray.analysis.drawing.style import LABEL_SIZE

# How far from its point a name stands, in pixels.
REACH = 9.0


def write_beside(
    axes: Axes, text: str, at: tuple[float, float], color: str, taken: Sequence[Bbox]
) -> Bbox:
    """Write a name near its point where nothing stands yet; returns where it stands, in pixels."""
    scale = axes.figure.dpi / 72
    width, height = text_width(text, LABEL_SIZE) * scale, LABEL_SIZE * 1.3 * scale
    point = axes.transData.transform(at)
    frame = axes.get_window_extent()
    boxes = [Bbox.from_bounds(*(point + shift), width, height) for shift in _places(width, height)]
    inside = [b for b in boxes if frame.x0 <= b.x0 and b.x1 <= frame.x1] or boxes
    inside = [b for b in inside if frame.y0 <= b.y0 and b.y1 <= frame.y1] or inside
    best = min(inside, key=lambda box: sum(box.overlaps(other) for other in taken))
    x, y = axes.transAxes.inverted().transform((best.x0, best.y0 + 0.2 * height))
    look = {"size": LABEL_SIZE, "color": color, "parse_math": False}
    axes.text(x, y, text, transform=axes.transAxes, **look)
    return best


def cross_boxes(axes: Axes, x: Sequence[float], y: Sequence[float]) -> list[Bbox]:
    """Where the two bars of a point are, in pixels, with a little air."""
    ends = [((x[1], y[0]), (x[2], y[0])), ((x[0], y[1]), (x[0], y[2]))]
    pixels = [axes.transData.transform(pair) for pair in ends]
    return [Bbox.from_extents(*(low - 3), *(high + 3)) for low, high in pixels]


def _places(width: float, height: float) -> list[np.ndarray]:
    """Where a name may start, from its point: beside the bars first, then further away."""
    return [
        np.array([x, y])
        for gap in (REACH, 2 * REACH, 3 * REACH, 5 * REACH)
        for y in (gap, -gap - height)
        for x in (gap, -gap - width)
    ]
