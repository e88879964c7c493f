"""A figure from its empty page to its file.

Matplotlib's constrained layout places title, panels and caption. Only the names at the ends of
lines are moved by us, apart from each other.
"""

import io
import textwrap
from collections.abc import Callable, Mapping, Sequence
from functools import wraps

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from PIL import Image

from hq_ray.analysis.charts.scales import write_numbers
from hq_ray.analysis.charts.style import (
    CAPTION_SIZE,
    DPI,
    LABEL_SIZE,
    MUTED,
    SETTINGS,
    TITLE_SIZE,
    LineStyle,
)

WIDTH = 6.2
PANEL_HEIGHT = 2.7
MARGIN = 0.1
LEADING = 1.45
END_NAME = "end name"
N_COLOURS = 256


def chart(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Makes a drawing function use our settings, and lay out the figure for good."""

    @wraps(draw)
    def drawn(*args: object, **options: object) -> Figure:
        with matplotlib.rc_context(SETTINGS):
            figure = draw(*args, **options)
            figure.draw_without_rendering()
            for axes in figure.axes:
                _move_apart([one for one in axes.texts if one.get_gid() == END_NAME])
            figure.set_layout_engine("none")
        return figure

    return drawn


def page(
    title: str,
    caption: Sequence[str],
    labels: Sequence[str],
    *,
    n_columns: int = 1,
    width: float = WIDTH,
    panel_height: float = PANEL_HEIGHT,
    **options: object,
) -> tuple[Figure, list[Axes]]:
    """A page with empty panels, row by row.

    Args:
        title: above all.
        caption: paragraphs below the panels; empty ones are left out.
        labels: what stands above each panel, flush left, such as the name of its value axis.
        n_columns: of panels.
        width, panel_height: in inches.
        options: of `Figure.subplots`.
    """
    room = 72 * (width - 2 * MARGIN)
    title = wrapped(title, room, TITLE_SIZE, "bold")
    below = "\n".join(wrapped(text, room, CAPTION_SIZE) for text in caption if text)
    n_rows = -(-len(labels) // n_columns)
    lines = (1 + title.count("\n")) * TITLE_SIZE + (1 + below.count("\n")) * CAPTION_SIZE
    height = n_rows * panel_height + (lines * LEADING + 24) / 72
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=MARGIN, h_pad=MARGIN / 2, wspace=0.04, hspace=0.04)
    look = {"x": MARGIN / width, "ha": "left"}
    figure.suptitle(title, size=TITLE_SIZE, weight="bold", **look)
    figure.supxlabel(below, size=CAPTION_SIZE, color=MUTED, linespacing=1.3, **look)
    panels = figure.subplots(n_rows, n_columns, squeeze=False, **options).ravel().tolist()
    for axes in panels[len(labels) :]:
        axes.remove()
    for axes, label in zip(panels, labels, strict=False):
        axes.set_title(wrapped(label, room / n_columns, LABEL_SIZE))
        write_numbers(axes.yaxis)
    return figure, panels[: len(labels)]


def wrapped(text: str, room: float, size: float, weight: str = "normal") -> str:
    """Text in lines that fit a room in points; a word that is longer is broken."""
    font = FontProperties(family="DejaVu Sans", size=size, weight=weight)

    def measured(line: str) -> float:
        # Hinting makes drawn text up to 2 % wider than measured.
        return 1.02 * text_to_path.get_text_width_height_descent(line, font, ismath=False)[0]

    lines, length = [text], max(len(text), 1)
    while max(map(measured, lines), default=0) > room and length > 1:
        widest = max(map(measured, lines))
        length = min(length - 1, int(max(map(len, lines)) * room / widest) + 1)
        lines = textwrap.wrap(text, length)
    return "\n".join(lines)


def name_ends(axes: Axes, ends: Mapping[str, tuple[float, float, LineStyle]]) -> None:
    """Names lines on the right of the axes, level with their ends and joined to them.

    Args:
        axes: with their limits set.
        ends: by name, where the line ends and its style.
    """
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
            arrowprops={
                "arrowstyle": "-",
                "color": MUTED,
                "linewidth": 0.7,
                "relpos": (0, 0.5),
                "shrinkA": 2,
                "shrinkB": 3,
            },
        )


def _move_apart(names: Sequence) -> None:
    if names:
        axes = names[0].axes
        to_axes = axes.transData + axes.transAxes.inverted()
        levels = [to_axes.transform(name.xy)[1] for name in names]
        gap = LABEL_SIZE * LEADING * axes.figure.dpi / 72 / axes.bbox.height
        for name, level in zip(names, spread(levels, gap), strict=True):
            name.set_position((1.05, level))


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


def picture(figure: Figure, kind: str = "png") -> bytes:
    """A figure as a file of kind `png`, `svg` or `pdf`; the same bytes each time.

    A PNG has at most 256 colours, which is a third of the size.
    """
    stream = io.BytesIO()
    with matplotlib.rc_context(SETTINGS):
        if kind != "png":
            undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}[kind]
            figure.savefig(stream, format=kind, metadata=undated)
            return stream.getvalue()
        figure.canvas.draw()
    size = figure.canvas.get_width_height()
    pixels = Image.frombuffer("RGBA", size, figure.canvas.buffer_rgba()).convert("RGB")
    few = pixels.quantize(N_COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    few.save(stream, "PNG", dpi=(figure.dpi, figure.dpi))
    return stream.getvalue()
