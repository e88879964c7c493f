"""Panels of named rows: bars and intervals that stand one below the other."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hq_ray.analysis.drawing.page import MARGIN, shorten, text_width, write_page
from hq_ray.analysis.drawing.panels import NAME_ROOM, TICK_ROOM, dress, room_for_heading
from hq_ray.analysis.drawing.score_entries import (
    paragraphs,
)
from hq_ray.analysis.drawing.style import (
    FIGURE_INCHES,
    GRID,
    INK,
    LABEL_SIZE,
    TICK_SIZE,
    LineStyle,
)

ROW_HEIGHT, WIDEST_ROW_NAME, NARROWEST = 15.0, 330.0, 120.0


def share_words(share: float) -> str:
    """A share in percent, `< 1 %` for a small one that is not 0."""
    if 0 < share < 0.005:
        return "< 1 %"
    return "> 99 %" if 0.995 < share < 1 else f"{100 * share:.0f} %"


def row_panels(
    title: str,
    note: str,
    caption: str | Sequence[str],
    rows: Mapping[str, Sequence[tuple[str, str]]],
    *,
    labels: Sequence[str] = (),
    n_columns: int = 2,
    right: float = MARGIN,
    pitch: float = ROW_HEIGHT,
) -> tuple[Figure, list[Axes]]:
    """A page whose panels hold rows of text, each row equally high.

    Args:
        title, note, caption: see `analysis.drawing.page.write_page`.
        rows: by panel, the text of each row and the variant that it is the name of, or "".
        labels: of the horizontal axes.
        n_columns: at most; one where names or labels do not fit.
        right: room right of each panel, in points.
        pitch: least height of a row, in points.
    """
    texts = [_row_name(text) for row in rows.values() for text, _ in row]
    left = max(text_width(text, TICK_SIZE, "bold") for text in texts) + 12 + MARGIN
    width, height = FIGURE_INCHES
    span = 72 * width / 2 - left - right
    widths = [text_width(name, LABEL_SIZE, "bold") - right for name in rows]
    widths += [text_width(label, LABEL_SIZE) - right for label in labels]
    n_columns = min(n_columns if max(NARROWEST, *widths) <= span else 1, len(rows))
    counts = [len(row) for row in rows.values()]
    lines = [counts[start : start + n_columns] for start in range(0, len(counts), n_columns)]
    page = write_page(title, note, paragraphs(caption))
    texts_height = page.height - page.top + page.bottom + len(lines) * (NAME_ROOM + TICK_ROOM)
    n_rows = sum(map(max, lines))
    inches = (width, max(height, (texts_height + pitch * n_rows) / 72))
    pitch = (72 * inches[1] - texts_height) / n_rows
    page = write_page(title, note, paragraphs(caption), inches)
    frames, top = [], page.top
    for line in lines:
        for column, count in enumerate(line):
            start, end = (page.width * (column + side) / n_columns for side in (0, 1))
            frame_top = top - NAME_ROOM
            edges = (start + left, frame_top - pitch * count, end - right, frame_top)
            frames.append(page.add_axes(*edges))
        top -= NAME_ROOM + TICK_ROOM + pitch * max(line)
    return page.figure, frames


def _row_name(text: str) -> str:
    return shorten(text, WIDEST_ROW_NAME, TICK_SIZE, "bold")


def dress_rows(
    axes: Axes,
    name: str,
    rows: Sequence[tuple[str, str]],
    styles: Mapping[str, LineStyle],
    xlabel: str,
    xlimits: tuple[float, float],
    heads: Sequence[str] = (),
) -> None:
    """Dress one panel of `row_panels`: names left of its rows, heads bold, lines between blocks.

    Args:
        axes: the frame.
        name: of the panel.
        rows: its rows, as `row_panels` was given them.
        styles: by variant; the head of a variant's rows has its colour.
        xlabel, xlimits: of the horizontal axis.
        heads: texts of further rows to set off as heads.
    """
    ticks = (range(len(rows)), [_row_name(text) for text, _ in rows])
    name = shorten(name, room_for_heading(axes), LABEL_SIZE, "bold")
    dress(axes, xlabel, name, xlimits, (len(rows) - 0.5, -0.5), yticks=ticks, grid="x")
    axes.yaxis.label.set_weight("bold")
    axes.tick_params(axis="y", length=0)
    for level, ((text, variant), tick) in enumerate(zip(rows, axes.get_yticklabels(), strict=True)):
        if variant or text in heads:
            tick.set(weight="bold", color=styles[variant].color if variant else INK)
            if level:
                axes.axhline(level - 0.5, color=GRID, linewidth=1.2, zorder=0.5)
