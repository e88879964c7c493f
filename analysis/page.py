"""The page of a figure: title, note and caption, axes in what they leave, names beside the lines.

Lengths are in points (1/72 in). All margins follow from measured text, so nothing is laid out twice
and no layout engine is needed. Text is never read as mathematics: a `$` in a name stays one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.textpath import text_to_path
from matplotlib.ticker import MaxNLocator

from analysis.captions import format_number
from analysis.style import (
    CAPTION_SIZE,
    DPI,
    FIGURE_INCHES,
    GRID,
    INK,
    LABEL_SIZE,
    MUTED,
    TICK_SIZE,
    TITLE_SIZE,
    LineStyle,
)

WIDTH, HEIGHT = (72 * inches for inches in FIGURE_INCHES)
MARGIN, LEFT = 12.0, 62.0
LEADING = 1.45
LEADER, HANDLE = 20.0, 34.0
MAX_DIRECT_LABELS = 3


@dataclass(frozen=True)
class LineLabel:
    """A name to write beside the end of a line, which is at (episode, value)."""

    text: str
    episode: int
    value: float
    style: LineStyle


@lru_cache(maxsize=4096)
def text_width(text: str, size: float, weight: str = "normal") -> float:
    """Width of one line of text."""
    font = FontProperties(size=size, weight=weight)
    return text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]


def wrap_text(
    text: str, width: float, size: float, weight: str = "normal", max_lines: int = 4
) -> list[str]:
    """Break text into lines that fit `width`; a longer word is broken where the line ends.

    Text beyond max_lines is left out and the last line ends in an ellipsis.
    """
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".lstrip()
        if text_width(longer, size, weight) <= width:
            lines[-1] = longer
        else:
            lines.extend(_pieces(word, width, size, weight))
    lines = [line for line in lines if line]
    if len(lines) > max_lines:
        lines = [*lines[: max_lines - 1], lines[max_lines - 1][:-1].rstrip() + "…"]
    return lines


def _pieces(word: str, width: float, size: float, weight: str) -> list[str]:
    """The word in pieces of at most `width`, each of at least one character."""
    pieces = []
    while text_width(word, size, weight) > width and len(word) > 1:
        heads = range(len(word) - 1, 1, -1)
        length = next((n for n in heads if text_width(word[:n], size, weight) <= width), 1)
        pieces.append(word[:length])
        word = word[length:]
    return [*pieces, word]


def blank_page(title: str, note: str, caption: Sequence[str], right: float) -> tuple[Figure, Axes]:
    """A figure with its texts in place, and axes in the room between them.

    Args:
        title: above the axes.
        note: below the title, what a reader must know before looking at the curves.
        caption: paragraphs below the axes.
        right: room to keep free on the right of the axes.
    """
    figure = Figure(figsize=FIGURE_INCHES, dpi=DPI, facecolor="white", layout="none")
    FigureCanvasAgg(figure)
    # Hinting makes drawn text up to 1 % wider than measured.
    room = 0.985 * (WIDTH - 2 * MARGIN)
    top = HEIGHT - MARGIN
    for text, size, weight in ((title, TITLE_SIZE, "bold"), (note, LABEL_SIZE, "normal")):
        lines = wrap_text(text, room, size, weight, max_lines=3)
        top = _write_lines(figure, lines, top, size, weight=weight, color=INK)
    lines = [line for text in caption for line in wrap_text(text, room, CAPTION_SIZE)]
    bottom = MARGIN + len(lines) * CAPTION_SIZE * LEADING
    _write_lines(figure, lines, bottom, CAPTION_SIZE, color=MUTED)
    top -= LABEL_SIZE + 12
    bottom += LABEL_SIZE + TICK_SIZE + 20
    frame = (LEFT / WIDTH, bottom / HEIGHT, (WIDTH - LEFT - right) / WIDTH, (top - bottom) / HEIGHT)
    axes = figure.add_axes(frame, facecolor="none")
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _write_lines(
    figure: Figure, lines: Sequence[str], top: float, size: float, **look: object
) -> float:
    """Write lines downwards from `top`, flush left; returns where the last one ends."""
    for row, line in enumerate(lines):
        baseline = top - (row * LEADING + 1) * size
        look_of_line = {"size": size, "parse_math": False} | look
        figure.text(MARGIN / WIDTH, baseline / HEIGHT, line, **look_of_line)
    return top - len(lines) * size * LEADING


def set_axes(
    axes: Axes, n_episodes: int, limits: tuple[float, float], ylabel: str, window: int
) -> None:
    """Set limits, ticks, grid and labels; a short tick stands at the first full window."""
    pad = 0.5 if n_episodes == 1 else (n_episodes - 1) * (0.06 if n_episodes < 9 else 0.012)
    axes.set_xlim(1 - pad, n_episodes + pad)
    axes.set_ylim(*limits)
    episodes, levels = _episode_ticks(n_episodes), _ticks(*limits, 6)
    axes.set_xticks(episodes, labels=[format_number(tick) for tick in episodes])
    axes.set_yticks(levels, labels=[format_number(tick) for tick in levels])
    axes.tick_params(labelsize=TICK_SIZE, color=MUTED, labelcolor=INK)
    axes.hlines(levels, *axes.get_xlim(), color=GRID, linewidth=0.7, zorder=0)
    if 1 < window <= n_episodes:
        ends = [window, window], [0, 0.03]
        tick = Line2D(*ends, transform=axes.get_xaxis_transform(), color=MUTED, linewidth=1.2)
        axes.add_line(tick)
    height = axes.get_position().height * HEIGHT
    axes.set_xlabel("episode", size=LABEL_SIZE, color=INK)
    axes.xaxis.set_label_coords(0.5, -(TICK_SIZE + 9) / height)
    axes.set_ylabel(ylabel, size=LABEL_SIZE, color=INK, rotation=0, ha="left", va="bottom")
    axes.yaxis.set_label_coords(0.0, 1 + 7 / height)


def _episode_ticks(n_episodes: int) -> list[float]:
    """Whole episodes, the first among them."""
    ticks = [tick for tick in _ticks(0, n_episodes, 8, integer=True) if tick > 1]
    return [1, *(tick for tick in ticks if tick - 1 > 0.04 * n_episodes)]


def _ticks(low: float, high: float, n_ticks: int, integer: bool = False) -> list[float]:
    """Round numbers within [low, high]."""
    locator = MaxNLocator(nbins=n_ticks, steps=[1, 2, 2.5, 5, 10], integer=integer)
    slack = 1e-9 * (high - low)
    return [
        float(tick)
        for tick in locator.tick_values(low, high)
        if low - slack <= tick <= high + slack
    ]


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
    width, height = _size(axes)
    ends = axes.transLimits.transform([(label.episode, label.value) for label in labels])
    rows = spread(ends[:, 1], LABEL_SIZE * LEADING / height)
    for label, (right, level), row in zip(labels, ends, rows, strict=True):
        leader = (right + 5 / width, 1 + (LEADER - 4) / width), (level, row)
        look = {"color": MUTED, "linewidth": 0.7, "clip_on": False}
        axes.add_line(Line2D(*leader, transform=axes.transAxes, **look))
        _write_name(axes, label, 1 + LEADER / width, row)


def _write_legend(axes: Axes, labels: Sequence[LineLabel]) -> None:
    """Write names below each other on the right, in the order of the line ends."""
    width, height = _size(axes)
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


def _size(axes: Axes) -> tuple[float, float]:
    """Width and height of the axes."""
    box = axes.get_position()
    return box.width * WIDTH, box.height * HEIGHT


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
