"""Two variants and their difference over two hyperparameters, as numbers on colours."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.transforms import ScaledTranslation

from hq_ray.analysis.charts.heat_cells import (
    Cells,
    Print,
    cell_text,
    fitting_print,
    key_words,
)
from hq_ray.analysis.charts.level_axis import LevelAxis, hyperparameter_label
from hq_ray.analysis.charts.page import MARGIN, shorten, size_in_points, text_width
from hq_ray.analysis.charts.panels import NAME_ROOM, dress, panels, room_for, round_numbers
from hq_ray.analysis.charts.style import FIGURE_INCHES, INK, LABEL_SIZE, MUTED, TICK_SIZE
from hq_ray.analysis.words import format_number

SEQUENTIAL, DIVERGING = "cividis", "PuOr"
GAP, BAR, BAR_ROOM = 14.0, 9.0, 62.0
HEAD_INCHES, CELL_INCHES, FRAME_INCHES = 1.1, 0.25, 1.15
# The luminance of a colour from which dark text is the more legible: equal contrast to both.
BRIGHT = 0.18


def heat_figure(
    cells: Mapping[str, Cells],
    *,
    x_name: str,
    y_name: str,
    score_label: str,
    title: str,
    variants: Sequence[str],
    caption: Sequence[str],
) -> Figure:
    """Draw a row of three panels per problem: two variants and second minus first.

    Args:
        cells: by problem.
        x_name, y_name: hyperparameters.
        score_label: what the numbers are, with their unit.
        title: of the figure.
        variants: names of first and second.
        caption: n, interval type, the test behind the dots and the like.
    """
    y_room = min(max(room_for(of.y.texts) for of in cells.values()), 120.0)
    most = max(len(of.y.levels) for of in cells.values())
    row_inches = FRAME_INCHES + max(1.3, CELL_INCHES * min(most, 24))
    prints = {env: _print(of, y_room, row_inches) for env, of in cells.items()}
    numbered = None not in prints.values()
    words = key_words(list(cells.values()), numbered, score_label)
    figure, grid = panels(
        title,
        "",
        [words, *caption],
        n_rows=len(cells),
        n_columns=3,
        inches=(FIGURE_INCHES[0], HEAD_INCHES + row_inches * len(cells)),
        left=[y_room, GAP, GAP],
        right=[0.0, 0.0, MARGIN] if numbered else [0.0, BAR_ROOM, BAR_ROOM],
        titled=True,
    )
    for row, (env, of) in zip(grid, cells.items(), strict=True):
        _draw_row(row, of, variants, x_name, prints[env] if numbered else None)
        _write_head(row, env, y_name)
    return figure


def _print(cells: Cells, y_room: float, row_inches: float) -> Print | None:
    """How numbers fit into the cells of a page without colour bars."""
    n_y, n_x = cells.first.shape
    width = (72 * FIGURE_INCHES[0] - y_room - 2 * GAP - MARGIN) / 3
    return fitting_print(cells, width / n_x, 72 * (row_inches - FRAME_INCHES) / n_y)


def _draw_row(
    row: Sequence[Axes], cells: Cells, variants: Sequence[str], x_name: str, print_: Print | None
) -> None:
    first, second = variants
    names = first, second, f"{second} - {first}"
    arrays = cells.first, cells.second, cells.difference
    limits = cells.score_limits, cells.score_limits, cells.difference_limits
    for j, (axes, values) in enumerate(zip(row, arrays, strict=True)):
        _dress(axes, cells, names[j], x_name, with_y=j == 0)
        colours = ScalarMappable(Normalize(*limits[j]), colormaps[(SEQUENTIAL, DIVERGING)[j == 2]])
        _draw_cells(axes, values, colours)
        if print_:
            decimals = print_.difference_decimals if j == 2 else print_.decimals
            _write_numbers(axes, values, colours, print_, decimals, signed=j == 2)
        elif j > 0:
            _draw_bar(axes, colours)
    inks = [[_ink(colours, value) for value in values] for values in cells.difference]
    if not print_:
        _mark(row[2], cells.difference < 0, inks, marker="_", size=4.0)
    _mark(row[2], cells.significant, inks, marker="o", size=3.0, in_corner=True)


def _dress(axes: Axes, cells: Cells, name: str, x_name: str, with_y: bool) -> None:
    n_y, n_x = cells.first.shape
    width, height = size_in_points(axes)
    limits = (-0.5, n_x - 0.5), (-0.5, n_y - 0.5)
    xticks = cells.x.ticks(limits[0], width)
    yticks = _y_ticks(cells.y, height) if with_y else (range(n_y), [""] * n_y)
    dress(axes, hyperparameter_label(x_name), name, *limits, xticks=xticks, yticks=yticks, grid="")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _y_ticks(axis: LevelAxis, height: float) -> tuple[list[float], list[str]]:
    """All levels that have room below each other; every second, third, ... where not."""
    step = max(1, int(np.ceil(len(axis.texts) * 1.25 * TICK_SIZE / height)))
    texts = [shorten(text, 120.0 - 10 - MARGIN, TICK_SIZE) for text in axis.texts]
    shown = [text if i % step == 0 else "" for i, text in enumerate(texts)]
    return axis.positions.tolist(), shown


def _draw_cells(axes: Axes, values: np.ndarray, colours: ScalarMappable) -> None:
    n_y, n_x = values.shape
    edges = np.arange(n_x + 1) - 0.5, np.arange(n_y + 1) - 0.5
    look = {"edgecolor": "white", "linewidth": 0.8 if max(values.shape) <= 24 else 0.0}
    axes.pcolormesh(
        *edges, np.ma.masked_invalid(values), cmap=colours.cmap, norm=colours.norm, **look
    )
    missing = {"facecolor": "#f2f2f2", "edgecolor": MUTED, "hatch": "////", "linewidth": 0}
    for i, j in np.argwhere(~np.isfinite(values)):
        axes.add_artist(Rectangle((j - 0.5, i - 0.5), 1, 1, **missing))


def _write_numbers(
    axes: Axes,
    values: np.ndarray,
    colours: ScalarMappable,
    print_: Print,
    decimals: int,
    signed: bool,
) -> None:
    look = {"size": print_.size, "rotation": print_.rotation, "ha": "center", "parse_math": False}
    for (i, j), value in np.ndenumerate(values):
        text = cell_text(value, decimals, signed)
        if text:
            color = _ink(colours, value)
            axes.text(j, i, text, color=color, va="center_baseline", **look)


def _ink(colours: ScalarMappable, value: float) -> str:
    """Dark on bright cells and white on dark ones: relative luminance of WCAG 2."""
    channels = np.array(colours.to_rgba(value)[:3])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return INK if linear @ [0.2126, 0.7152, 0.0722] > BRIGHT else "white"


def _mark(
    axes: Axes,
    where: np.ndarray,
    inks: Sequence[Sequence[str]],
    *,
    marker: str,
    size: float,
    in_corner: bool = False,
) -> None:
    """A small mark in some cells: in the middle, or in the upper right corner."""
    inward = ScaledTranslation(-3 / 72, -3 / 72, axes.figure.dpi_scale_trans)
    place = axes.transData + inward if in_corner else axes.transData
    off = 0.5 if in_corner else 0.0
    for i, j in np.argwhere(where):
        look = {"marker": marker, "markersize": size, "color": inks[i][j], "linestyle": ""}
        axes.add_line(Line2D([j + off], [i + off], zorder=3, transform=place, **look))


def _draw_bar(axes: Axes, colours: ScalarMappable) -> None:
    """A colour bar right of the panel."""
    box, figure = axes.get_position(), axes.figure
    across = 1 / (72 * figure.get_figwidth())
    bar = figure.add_axes((box.x1 + 8 * across, box.y0, BAR * across, box.height))
    figure.colorbar(colours, cax=bar)
    ticks = round_numbers(colours.norm.vmin, colours.norm.vmax, 4)
    bar.set_yticks(ticks, [format_number(tick) for tick in ticks])
    bar.tick_params(labelsize=TICK_SIZE, color=MUTED, labelcolor=INK)
    bar.minorticks_off()


def _write_head(row: Sequence[Axes], env: str, y_name: str) -> None:
    """The environment above its row, and on the right what the rows of cells are."""
    height = size_in_points(row[0])[1]
    page = 72 * row[0].figure.get_figwidth()
    left, right = (axes.get_position() for axes in (row[0], row[2]))
    name = f"\N{UPWARDS ARROW} {hyperparameter_label(y_name)}"
    room = page * (right.x1 - left.x0) - text_width(name, LABEL_SIZE) - 20
    look = {"size": LABEL_SIZE, "color": INK, "va": "bottom", "parse_math": False}
    above = 1 + (NAME_ROOM + 2) / height
    env = shorten(env, room, LABEL_SIZE, "bold")
    row[0].text(0, above, env, transform=row[0].transAxes, weight="bold", **look)
    row[2].text(1, above, name, transform=row[2].transAxes, ha="right", **look)
