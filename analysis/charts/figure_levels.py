"""Figures over the levels of a hyperparameter: panels by environment and quantity, and names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from hq_ray.analysis.charts.figure_level_panel import PanelFrame, draw_panel, x_limits
from hq_ray.analysis.charts.labels import LineLabel, label_room, write_labels
from hq_ray.analysis.charts.level_axis import LevelAxis, level_axis
from hq_ray.analysis.charts.level_lines import (
    LevelLine,
    LevelPanel,
    Series,
    informative_limits,
    line_names,
    mark_words,
    note_words,
    read_line,
)
from hq_ray.analysis.charts.page import MARGIN, size_in_points
from hq_ray.analysis.charts.panels import LEFT, panels
from hq_ray.analysis.charts.style import FIGURE_INCHES, LineStyle, variant_styles
from hq_ray.errors import InputError

HEAD_INCHES, ROW_INCHES = 1.1, 2.5


@dataclass(frozen=True)
class Quantity:
    """One row of panels.

    Attributes:
        label: of the value axis, with its unit.
        table: series by environment and variant, see `analysis.charts.level_lines`.
        zero: whether 0 is a reference that the panels show.
    """

    label: str
    table: Mapping[str, Mapping[str, Series]]
    zero: bool = False


def levels_figure(
    quantities: Sequence[Quantity],
    *,
    hyperparameter: str,
    title: str,
    caption: Sequence[str],
    names: Mapping[str, str] | None = None,
) -> Figure:
    """Draw each quantity in a row of panels, one per environment, at most two side by side.

    Args:
        quantities: rows of panels; one without any series is left out.
        hyperparameter: its name.
        title: of the figure.
        caption: paragraphs of the caller, below one that explains the marks.
        names: labels of variants, where these are not their names.

    Raises:
        InputError: when there is no series, or one has arrays of different lengths.
    """
    tables = [series_of for quantity in quantities for series_of in quantity.table.values()]
    if not any(tables):
        raise InputError("a figure over levels needs an environment with a variant; given none")
    quantities = [quantity for quantity in quantities if any(quantity.table.values())]
    envs = list(dict.fromkeys(env for quantity in quantities for env in quantity.table))
    axis = level_axis(
        level for of in tables for series in of.values() for level in series.levels or ()
    )
    shown = [[_read_panel(env, q, axis) for q in quantities] for env in envs]
    flat = [panel for of_env in shown for panel in of_env]
    labels = line_names(flat, names or {})
    styles = variant_styles(labels)
    rows = _rows(shown)
    named = [_named(row, labels, styles, axis) for row in rows]
    figure, grid = _page(title, note_words(flat), [mark_words(flat), *caption], named)
    for i, row in enumerate(rows):
        quantity = quantities[i % len(quantities)]
        frame = PanelFrame(axis, hyperparameter, quantity.label, quantity.zero)
        for j, panel in enumerate(row):
            draw_panel(grid[i, j], panel, frame, styles, _title_room(grid, i, j))
            write_labels(grid[i, j], named[i][j])
        for axes in grid[i, len(row) :]:
            axes.remove()
    return figure


def _read_panel(env: str, quantity: Quantity, axis: LevelAxis) -> LevelPanel:
    series_of = quantity.table.get(env, {})
    lines = [read_line(variant, series, axis) for variant, series in series_of.items()]
    return LevelPanel(env, lines, informative_limits(lines, quantity.zero))


def _rows(shown: Sequence[Sequence[LevelPanel]]) -> list[list[LevelPanel]]:
    """Panels in rows: of two environments side by side, all quantities below each other."""
    blocks = [shown[i : i + 2] for i in range(0, len(shown), 2)]
    return [list(row) for block in blocks for row in zip(*block, strict=True)]


def _named(
    row: Sequence[LevelPanel],
    labels: Mapping[str, str],
    styles: Mapping[str, LineStyle],
    axis: LevelAxis,
) -> list[list[LineLabel]]:
    """The labels of each panel of a row: every variant is named in the last panel that has it."""
    named: list[list[LineLabel]] = []
    later: set[str] = set()
    for panel in reversed(row):
        new = [line for line in panel.lines if line.variant not in later]
        known = [line for line in new if np.isfinite(line.mean).any()]
        ends = [_end(line, labels[line.variant], styles[line.variant], axis) for line in known]
        named.insert(0, ends)
        later |= {line.variant for line in known}
    return named


def _end(line: LevelLine, text: str, style: LineStyle, axis: LevelAxis) -> LineLabel:
    """The label at the last value that there is."""
    last = np.flatnonzero(np.isfinite(line.mean))[-1]
    x = x_limits(axis)[1] if line.positions is None else line.positions[last]
    return LineLabel(text, float(x), float(line.mean[last]), style)


def _page(
    title: str,
    note: str,
    caption: Sequence[str],
    named: Sequence[Sequence[Sequence[LineLabel]]],
) -> tuple[Figure, np.ndarray]:
    """The page, as high as its rows need it, with room for names on the right of each column."""
    n_columns = max(map(len, named))
    # The panel of a row that has but one may write into the place beside it.
    full = [row for row in named if len(row) == n_columns]
    return panels(
        title,
        note,
        caption,
        n_rows=len(named),
        n_columns=n_columns,
        inches=(FIGURE_INCHES[0], max(FIGURE_INCHES[1], HEAD_INCHES + ROW_INCHES * len(named))),
        right=[max(label_room(row[j]) for row in full) for j in range(n_columns)],
        titled=True,
    )


def _title_room(grid: np.ndarray, i: int, j: int) -> float:
    """Width up to the next panel, or to the margin of the page."""
    width = 72 * grid[i, j].figure.get_figwidth()
    left = width * grid[i, j].get_position().x0
    if j + 1 < grid.shape[1]:
        return width * grid[i, j + 1].get_position().x0 - left - LEFT / 2
    return max(width - MARGIN - left, size_in_points(grid[i, j])[0])
