"""A figure from its empty panels to its file.

Matplotlib's constrained layout places title and panels. We place only the caption, below them, and
move the names at the ends of lines apart.
"""

import io
import textwrap
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.textpath import text_to_path
from scipy.optimize import isotonic_regression

from hq_ray.analysis.charts.scales import write_numbers
from hq_ray.analysis.charts.style import (
    CAPTION_SIZE,
    DPI,
    LABEL_SIZE,
    MUTED,
    TITLE_SIZE,
    LineStyle,
    our_settings,
)
from hq_ray.location import Location

# In inches. Letters have a legible size where a figure is shown 360 to 450 pixels wide.
WIDTH, PANEL_HEIGHT, MARGIN = 4.6, 2.3, 0.1
# Widths to which title and caption, and names of rows, are wrapped [points].
FULL_WIDTH, NAME_ROOM = 72 * (WIDTH - 2 * MARGIN), 72 * 0.4 * WIDTH
LEADING = 1.45
END_NAME = "end name"


def chart(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Makes a drawing function use our settings and take a title and the paragraphs of a caption.

    The figure is laid out for good.
    """

    @wraps(draw)
    def drawn(*args: object, title: str, caption: Sequence[str] = (), **options: Any) -> Figure:
        with our_settings():
            figure = draw(*args, **options)
            _add_texts(figure, title, caption)
            figure.draw_without_rendering()
            for axes in figure.axes:
                _move_apart(axes, [text for text in axes.texts if text.get_gid() == END_NAME])
            figure.set_layout_engine("none")
        return figure

    return drawn


def panels(
    labels: Sequence[str],
    *,
    n_columns: int = 1,
    panel_height: float = PANEL_HEIGHT,
    **options: Any,
) -> tuple[Figure, list[Axes]]:
    """A figure with empty panels, row by row.

    Args:
        labels: what each panel has above it, flush left, such as the name of its value axis.
        n_columns: of panels.
        panel_height: in inches.
        options: of `Figure.subplots`.
    """
    n_rows = -(-len(labels) // n_columns)
    size = WIDTH, n_rows * panel_height
    layout = ConstrainedLayoutEngine(w_pad=MARGIN, h_pad=MARGIN / 2, wspace=0.04, hspace=0.04)
    figure = Figure(figsize=size, dpi=DPI, facecolor="white", layout=layout)
    FigureCanvasAgg(figure)
    found = figure.subplots(n_rows, n_columns, squeeze=False, **options).ravel().tolist()
    for axes in found[len(labels) :]:
        axes.remove()
    for axes, label in zip(found, labels, strict=False):
        axes.set_title(wrapped(label, 72 * (WIDTH / n_columns - 2 * MARGIN), LABEL_SIZE))
        write_numbers(axes.yaxis)
    return figure, found[: len(labels)]


def height_for_names(n_lines: int) -> float:
    """Height of a panel in which so many lines have names at their ends, in inches."""
    return max(PANEL_HEIGHT, 0.7 + 0.19 * n_lines)


def _add_texts(figure: Figure, title: str, caption: Sequence[str]) -> None:
    """Adds a title above the panels and a caption below, and the height that these need."""
    title = wrapped(title, FULL_WIDTH, TITLE_SIZE, "bold")
    above = (1 + title.count("\n")) * TITLE_SIZE * LEADING / 72
    below = caption_pixels(caption) / DPI
    height = figure.get_size_inches()[1] + above + below
    figure.set_size_inches(WIDTH, height)
    layout: Any = figure.get_layout_engine()
    layout.set(rect=(0, below / height, 1, 1 - below / height))
    look: dict[str, Any] = {"x": MARGIN / WIDTH, "ha": "left", "va": "top"}
    figure.suptitle(title, size=TITLE_SIZE, weight="bold", **look)
    look |= {"y": below / height, "size": CAPTION_SIZE, "color": MUTED, "linespacing": 1.3}
    figure.text(s=_caption_text(caption), **look)


def _caption_text(caption: Sequence[str]) -> str:
    return "\n".join(wrapped(text, FULL_WIDTH, CAPTION_SIZE) for text in caption if text)


def caption_pixels(caption: Sequence[str]) -> int:
    """Height of a caption at the foot of a PNG; a page that shows it as text cuts it off."""
    text = _caption_text(caption)
    return round((1 + text.count("\n")) * CAPTION_SIZE * LEADING * DPI / 72) if text else 0


@lru_cache(maxsize=1024)
def wrapped(text: str, room: float, size: float, weight: str = "normal") -> str:
    """Text in lines that fit a room in points; a word that is longer is broken."""
    font = FontProperties(family="DejaVu Sans", size=size, weight=weight)

    def measured(line: str) -> float:
        # Hinting makes drawn text up to 2 % wider than measured.
        return 1.02 * text_to_path.get_text_width_height_descent(line, font, ismath=False)[0]

    lines, length = [text], max(len(text), 1)
    while (widest := max(map(measured, lines), default=0)) > room and length > 1:
        length = min(length - 1, int(max(map(len, lines)) * room / widest) + 1)
        lines = textwrap.wrap(text, length, break_on_hyphens=False)
    return "\n".join(lines)


def name_ends(axes: Axes, ends: Mapping[str, tuple[float, float, LineStyle]]) -> None:
    """Names lines on the right of the axes, level with their ends and joined to them.

    Args:
        axes: with their limits set.
        ends: by name, where the line ends and its style.
    """
    leader = {"arrowstyle": "-", "color": MUTED, "linewidth": 0.7, "relpos": (0, 0.5)}
    leader |= {"shrinkA": 2, "shrinkB": 3}
    for name, (x, y, style) in ends.items():
        axes.annotate(
            name,
            (x, y),
            (1.05, 0.5),
            textcoords="axes fraction",
            va="center",
            size=LABEL_SIZE,
            color=style.color,
            gid=END_NAME,
            annotation_clip=False,
            arrowprops=leader,
        )


def _move_apart(axes: Axes, names: Sequence[Any]) -> None:
    if names:
        to_axes = axes.transData + axes.transAxes.inverted()
        levels = [to_axes.transform(name.xy)[1] for name in names]
        gap = LABEL_SIZE * LEADING * axes.figure.dpi / 72 / axes.bbox.height
        for name, level in zip(names, spread(levels, gap), strict=True):
            name.set_position((1.05, level))


def spread(levels: Sequence[float], gap: float) -> np.ndarray:
    """Moves levels in [0, 1] apart to at least `gap`, each as little as may be, order kept."""
    order = np.argsort(levels, kind="stable")
    offsets = gap * np.arange(len(order))
    moved = isotonic_regression(np.asarray(levels)[order] - offsets).x
    found = np.empty(len(order))
    found[order] = moved.clip(0, max(0, 1 - offsets[-1])) + offsets
    return found


def picture(figure: Figure, kind: str = "png") -> bytes:
    """A figure as a file of kind `png`, `svg` or `pdf`; the same bytes each time."""
    stream = io.BytesIO()
    unknown = {"png": "Software", "svg": "Date", "pdf": "CreationDate"}[kind]
    with our_settings():
        figure.savefig(stream, format=kind, metadata={unknown: None})
    return stream.getvalue()


def save_png(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG, whole or not at all, into a folder that is made if it is missing."""
    Location.of(path.parent).write(path.name, picture(figure))
