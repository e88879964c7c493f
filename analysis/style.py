"""How every figure looks: one style per variant, and a page with title, caption and fixed margins.

Lengths are in points (1/72 in). The margins follow from the measured text, so nothing is laid out
twice and no layout engine is needed.
"""

import math
import zlib
from collections.abc import Iterable, Sequence
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

FIGURE_INCHES = (9.0, 5.0)
DPI = 150
WIDTH, HEIGHT = (72 * inches for inches in FIGURE_INCHES)
MARGIN, LEFT = 12.0, 62.0
TITLE_SIZE, LABEL_SIZE, TICK_SIZE, CAPTION_SIZE = 12.0, 9.5, 9.0, 8.0
LEADING = 1.45
INK, MUTED, GRID = "#1a1a1a", "#555555", "#e4e4e4"


@dataclass(frozen=True)
class VariantStyle:
    """Colour, dash pattern and marker; the last two tell variants apart without the first."""

    color: str
    linestyle: str | tuple[float, tuple[float, ...]]
    marker: str


KNOWN_STYLES = {
    "standard": VariantStyle("#0072B2", "-", "o"),
    "harmonic": VariantStyle("#D55E00", (0, (5, 2)), "s"),
    "minimum": VariantStyle("#2b2b2b", (0, (1, 1.6)), "^"),
    "asymmetric": VariantStyle("#767676", (0, (7, 2, 1.5, 2)), "D"),
}
FURTHER_COLORS = ("#4d4d4d", "#6a6a6a", "#3a3a3a", "#5c5c5c")
FURTHER_DASHES = ((3, 1.5, 1, 1.5, 1, 1.5), (10, 2), (2, 2), (9, 2, 3, 2), (1, 4), (6, 1, 1, 1, 1, 1))
FURTHER_MARKERS = ("v", "P", "X", "<", ">", "*", "p")


def variant_styles(variants: Iterable[str]) -> dict[str, VariantStyle]:
    """One style per variant of a figure, no two alike.

    Variants beyond the known ones take a further style by a digest of their name, so a name looks the
    same in every figure, unless two of one figure meet: then the later in the alphabet moves on.
    """
    names = list(variants)
    further = sorted(set(names) - KNOWN_STYLES.keys())
    n_styles = math.lcm(len(FURTHER_DASHES), len(FURTHER_MARKERS))
    taken: dict[int, str] = {}
    for name in further:
        index = zlib.crc32(name.encode()) % n_styles
        while _resembles(index, taken) and len(taken) < len(FURTHER_DASHES):
            index = (index + 1) % n_styles
        taken[index] = name
    styles = KNOWN_STYLES | {name: _further_style(index) for index, name in taken.items()}
    return {name: styles[name] for name in names}


def _resembles(index: int, taken: Iterable[int]) -> bool:
    """Whether a taken style has the same dash pattern or the same marker."""
    periods = (len(FURTHER_DASHES), len(FURTHER_MARKERS))
    return any((index - other) % period == 0 for other in taken for period in periods)


def _further_style(index: int) -> VariantStyle:
    return VariantStyle(
        FURTHER_COLORS[index % len(FURTHER_COLORS)],
        (0, FURTHER_DASHES[index % len(FURTHER_DASHES)]),
        FURTHER_MARKERS[index % len(FURTHER_MARKERS)],
    )


@lru_cache(maxsize=4096)
def text_width(text: str, size: float, weight: str = "normal") -> float:
    """Width of one line of text in points."""
    font = FontProperties(size=size, weight=weight)
    return text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]


def wrap_text(
    text: str, width: float, size: float, weight: str = "normal", max_lines: int = 6
) -> list[str]:
    """Break text into lines at most `width` points wide; what exceeds max_lines ends in an ellipsis.

    A word wider than a line is broken where the line ends.
    """
    lines, line = [], ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if text_width(longer, size, weight) <= width:
            line = longer
            continue
        lines.extend([line] if line else [])
        while text_width(word, size, weight) > width:
            fitting = _longest_head(word, width, size, weight)
            lines.append(word[:fitting])
            word = word[fitting:]
        line = word
    lines.extend([line] if line else [])
    if len(lines) > max_lines:
        lines = [*lines[: max_lines - 1], lines[max_lines - 1][:-1].rstrip() + "…"]
    return lines


def _longest_head(word: str, width: float, size: float, weight: str) -> int:
    """How many characters of a word fit; at least one."""
    fits = (n for n in range(len(word), 1, -1) if text_width(word[:n], size, weight) <= width)
    return next(fits, 1)


def blank_page(
    title: str, note: str, caption: Sequence[str], right: float
) -> tuple[Figure, Axes]:
    """A figure with its texts in place and axes in what they leave.

    Args:
        title: wrapped to three lines at most.
        note: below the title, what a reader must know before looking at the curves.
        caption: paragraphs below the axes.
        right: points to keep free on the right of the axes.
    """
    figure = Figure(figsize=FIGURE_INCHES, dpi=DPI, facecolor="white", layout="none")
    FigureCanvasAgg(figure)
    top, bottom = HEIGHT - MARGIN, MARGIN
    for text, size, weight in ((title, TITLE_SIZE, "bold"), (note, LABEL_SIZE, "normal")):
        lines = wrap_text(text, WIDTH - 2 * MARGIN, size, weight, max_lines=3)
        _write_lines(figure, lines, top, size, weight)
        top -= len(lines) * size * LEADING
    lines = [
        line
        for text in caption
        for line in wrap_text(text, WIDTH - 2 * MARGIN, CAPTION_SIZE, max_lines=5)
    ]
    bottom += len(lines) * CAPTION_SIZE * LEADING
    _write_lines(figure, lines, bottom, CAPTION_SIZE, "normal")
    top -= LABEL_SIZE * LEADING + 8
    bottom += LABEL_SIZE + TICK_SIZE + 18
    frame = (LEFT / WIDTH, bottom / HEIGHT, (WIDTH - LEFT - right) / WIDTH, (top - bottom) / HEIGHT)
    axes = figure.add_axes(frame, facecolor="none")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def _write_lines(figure: Figure, lines: list[str], top: float, size: float, weight: str) -> None:
    """Write lines downwards from `top`, flush left at the margin."""
    for row, line in enumerate(lines):
        figure.text(
            MARGIN / WIDTH,
            (top - (row * LEADING + 1) * size) / HEIGHT,
            line,
            size=size,
            weight=weight,
            color=MUTED if size == CAPTION_SIZE else INK,
            parse_math=False,
        )


def set_axes(
    axes: Axes, n_episodes: int, limits: tuple[float, float], ylabel: str, window: int
) -> None:
    """Set limits, ticks and labels; a small tick marks the first full window."""
    pad = 0.5 if n_episodes == 1 else max(0.012 * (n_episodes - 1), 0.04 if n_episodes < 9 else 0)
    axes.set_xlim(1 - pad, n_episodes + pad)
    axes.set_ylim(*limits)
    episodes = _ticks(1, n_episodes, 8, integer=True)
    if n_episodes > 1 and (not episodes or episodes[0] - 1 > 0.05 * n_episodes):
        episodes = [1, *episodes]
    axes.set_xticks(episodes, labels=[format_number(tick) for tick in episodes])
    levels = _ticks(*limits, 6)
    axes.set_yticks(levels, labels=[format_number(tick) for tick in levels])
    axes.tick_params(labelsize=TICK_SIZE, color=MUTED, labelcolor=INK)
    axes.hlines(levels, 1 - pad, n_episodes + pad, color=GRID, linewidth=0.7, zorder=0)
    if 1 < window <= n_episodes:
        across = axes.get_xaxis_transform()
        axes.plot([window, window], [0, 0.025], transform=across, color=MUTED, linewidth=1.2)
    height = axes.get_position().height * HEIGHT
    axes.set_xlabel("episode", size=LABEL_SIZE, color=INK)
    axes.xaxis.set_label_coords(0.5, -(TICK_SIZE + 8) / height)
    axes.set_ylabel(ylabel, size=LABEL_SIZE, color=INK, rotation=0, ha="left", va="bottom")
    axes.yaxis.set_label_coords(0.0, 1 + 8 / height)


def _ticks(low: float, high: float, n_ticks: int, integer: bool = False) -> list[float]:
    """Round numbers within [low, high]."""
    if low == high:
        return [low]
    locator = MaxNLocator(nbins=n_ticks, steps=[1, 2, 2.5, 5, 10], integer=integer)
    slack = 1e-9 * (high - low)
    return [tick for tick in locator.tick_values(low, high) if low - slack <= tick <= high + slack]


@dataclass(frozen=True)
class LineLabel:
    """A name to write beside the end of a line.

    Attributes:
        text: the name.
        episode: where the line ends.
        value: where the line ends.
        style: of the line.
    """

    text: str
    episode: int
    value: float
    style: VariantStyle


def label_room(labels: Sequence[LineLabel]) -> float:
    """Points to keep free on the right for the labels."""
    if not labels:
        return MARGIN
    handle = LEGEND_HANDLE + 6 if len(labels) > MAX_DIRECT_LABELS else 0
    return max(text_width(label.text, LABEL_SIZE) for label in labels) + LEADER + handle + MARGIN


def write_labels(axes: Axes, labels: Sequence[LineLabel]) -> None:
    """Name each line at its end, or in a legend beside the axes when there are more than three."""
    box = axes.get_position()
    width, height = box.width * WIDTH, box.height * HEIGHT
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    ends = [(label.value - low) / (high - low) for label in labels]
    legend = len(labels) > MAX_DIRECT_LABELS
    order = sorted(range(len(labels)), key=lambda i: -ends[i])
    top = [1 - rank * LABEL_SIZE * 1.7 / height for rank in range(len(labels))]
    rows = spread(ends, LABEL_SIZE * LEADING / height)
    for rank, i in enumerate(order):
        label, row = labels[i], top[rank] if legend else rows[i]
        start = 1 + LEADER / width
        if legend:
            stop = start + LEGEND_HANDLE / width
            _write_handle(axes, label.style, (start, stop), row)
            start = stop + 6 / width
        else:
            end = (label.episode - left) / (right - left)
            _write_leader(axes, (end + 2 / width, start - 3 / width), (ends[i], row))
        axes.text(
            start,
            row,
            label.text,
            transform=axes.transAxes,
            size=LABEL_SIZE,
            color=label.style.color,
            va="center_baseline",
            parse_math=False,
        )
