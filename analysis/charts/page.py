"""The page of a figure: title, note and caption, and what room they leave.

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
from matplotlib.textpath import text_to_path

from hq_ray.analysis.charts.style import (
    CAPTION_SIZE,
    DPI,
    FIGURE_INCHES,
    INK,
    LABEL_SIZE,
    MUTED,
    TITLE_SIZE,
)

MARGIN = 12.0
ELLIPSIS = "…"
LEADING = 1.45


@dataclass(frozen=True, eq=False)
class Page:
    """A figure with its texts in place, and the heights between which panels may stand."""

    figure: Figure
    top: float
    bottom: float

    @property
    def width(self) -> float:
        """Of the whole figure."""
        return 72 * self.figure.get_figwidth()

    @property
    def height(self) -> float:
        """Of the whole figure."""
        return 72 * self.figure.get_figheight()

    def add_axes(self, left: float, bottom: float, right: float, top: float) -> Axes:
        """Axes whose frame has these edges, measured from the lower left corner."""
        across, up = 1 / self.width, 1 / self.height
        frame = (left * across, bottom * up, (right - left) * across, (top - bottom) * up)
        axes = self.figure.add_axes(frame, facecolor="none")
        axes.spines[["top", "right"]].set_visible(False)
        return axes


def write_page(
    title: str,
    note: str,
    caption: Sequence[str],
    inches: tuple[float, float] = FIGURE_INCHES,
) -> Page:
    """A figure with its texts in place.

    Args:
        title: above all panels.
        note: below the title, what a reader must know before looking at them.
        caption: paragraphs below the panels.
        inches: width and height of the figure.
    """
    figure = Figure(figsize=inches, dpi=DPI, facecolor="white", layout="none")
    FigureCanvasAgg(figure)
    width, top = 72 * inches[0], 72 * inches[1] - MARGIN
    # Hinting makes drawn text up to 1 % wider than measured.
    room = 0.985 * (width - 2 * MARGIN)
    for text, size, weight in ((title, TITLE_SIZE, "bold"), (note, LABEL_SIZE, "normal")):
        lines = wrap_text(text, room, size, weight, max_lines=3)
        top = _write_lines(figure, lines, top, size, weight=weight, color=INK)
    lines = [line for text in caption for line in wrap_text(text, room, CAPTION_SIZE)]
    bottom = MARGIN + len(lines) * CAPTION_SIZE * LEADING
    _write_lines(figure, lines, bottom, CAPTION_SIZE, color=MUTED)
    return Page(figure, top, bottom)


def _write_lines(
    figure: Figure, lines: Sequence[str], top: float, size: float, **look: object
) -> float:
    """Write lines downwards from `top`, flush left; returns where the last one ends."""
    width, height = 72 * figure.get_figwidth(), 72 * figure.get_figheight()
    for row, line in enumerate(lines):
        baseline = top - (row * LEADING + 1) * size
        look_of_line = {"size": size, "parse_math": False} | look
        figure.text(MARGIN / width, baseline / height, line, **look_of_line)
    return top - len(lines) * size * LEADING


def size_in_points(axes: Axes) -> tuple[float, float]:
    """Width and height of the axes."""
    box, figure = axes.get_position(), axes.figure
    return 72 * box.width * figure.get_figwidth(), 72 * box.height * figure.get_figheight()


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


def shorten(text: str, width: float, size: float, weight: str = "normal") -> str:
    """The text, its middle left out where it is wider than `width`: ends tell names apart."""
    if text_width(text, size, weight) <= width:
        return text
    for n_kept in range(len(text) - 1, 1, -1):
        head = (n_kept + 1) // 2
        shorter = text[:head] + ELLIPSIS + text[len(text) - (n_kept - head) :]
        if text_width(shorter, size, weight) <= width:
            return shorter
    return text[:1] + ELLIPSIS
