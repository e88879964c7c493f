"""Names beside the lines of a figure: at their ends, moved apart, or in a legend on the right."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from hq_ray.analysis.charts.page import MARGIN, size_in_points, text_width
from hq_ray.analysis.charts.style import LABEL_SIZE, MUTED, LineStyle

LEADING = 1.45
LEADER, HANDLE = 20.0, 34.0
MAX_DIRECT_LABELS = 3


@dataclass(frozen=True)
class LineLabel:
    """A name to write beside the end of a line, which is at (x, value)."""

    text: str
    x: float
    value: float
    style: LineStyle


def label_room(labels: Sequence[LineLabel]) -> float:
    """Room that the labels need on the right of the axes."""
    if not labels:
        return MARGIN
    handle = HANDLE + 6 if len(labels) > MAX_DIRECT_LABELS else 0
    return max(text_width(label.text, LABEL_SIZE) for label in labels) + LEADER + handle + MARGIN


def write_labels(axes: Axes, labels: Sequence[LineLabel]) -> None:
    """Name each line at its end, or in a legend beside the axes when there are more than three."""
    if len(labels) > MAX_DIRECT_LABELS:
        _write_legend(axes, labels)
    elif labels:
        _write_at_ends(axes, labels)


def _write_at_ends(axes: Axes, labels: Sequence[LineLabel]) -> None:
    """Write names level with the line ends, moved apart where they would overlap, with leaders."""
    width, height = size_in_points(axes)
    to_axes = axes.transScale + axes.transLimits
    ends = to_axes.transform([(label.x, label.value) for label in labels])
    rows = spread(ends[:, 1], LABEL_SIZE * LEADING / height)
    for label, (right, level), row in zip(labels, ends, rows, strict=True):
        leader = (right + 5 / width, 1 + (LEADER - 4) / width), (level, row)
        look = {"color": MUTED, "linewidth": 0.7, "clip_on": False}
        axes.add_line(Line2D(*leader, transform=axes.transAxes, **look))
        _write_name(axes, label, 1 + LEADER / width, row)


def _write_legend(axes: Axes, labels: Sequence[LineLabel]) -> None:
    """Write names below each other on the right, in the order of the line ends."""
    width, height = size_in_points(axes)
    start = 1 + LEADER / width
    for rank, label in enumerate(sorted(labels, key=lambda label: -label.value)):
        row = 1 - (rank + 0.5) * LABEL_SIZE * 1.8 / height
        across = [start + part * HANDLE / width for part in (0, 0.5, 1)]
        look = {"linestyle": label.style.linestyle, "marker": label.style.marker, "markersize": 5.5}
        handle = Line2D(across, [row] * 3, color=label.style.color, markevery=[1], **look)
        handle.set(transform=axes.transAxes, clip_on=False, linewidth=1.8)
        axes.add_line(handle)
        _write_name(axes, label, start + (HANDLE + 6) / width, row)


def _write_name(axes: Axes, label: LineLabel, left: float, row: float) -> None:
    look = {"size": LABEL_SIZE, "color": label.style.color, "va": "center_baseline"}
    axes.text(left, row, label.text, transform=axes.transAxes, parse_math=False, **look)


def spread(levels: Sequence[float], gap: float) -> list[float]:
    """Move levels in [0, 1] apart to at least `gap`, each as little as may be, order kept.

    Levels that meet form a group around its mean: isotonic regression, by pooling neighbours.
    """
    order = sorted(range(len(levels)), key=lambda i: levels[i])
    groups: list[list[float]] = []
    for rank, i in enumerate(order):
        groups.append([levels[i] - rank * gap])
        while len(groups) > 1 and _mean(groups[-2]) >= _mean(groups[-1]):
            groups[-2:] = [groups[-2] + groups[-1]]
    highest = 1 - (len(levels) - 1) * gap
    pooled = [min(max(_mean(group), 0.0), highest) for group in groups for _ in group]
    spread_levels = [0.0] * len(levels)
    for rank, i in enumerate(order):
        spread_levels[i] = pooled[rank] + rank * gap
    return spread_levels


def _mean(group: Sequence[float]) -> float:
    return sum(group) / len(group)
