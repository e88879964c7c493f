"""Scores over two hyperparameters as heat maps, and their differences to the baseline's."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from hq_ray.analysis.charts.captions import seed_counts
from hq_ray.analysis.charts.page import WIDTH, chart, page
from hq_ray.analysis.charts.scales import hyperparameter_label, level_text, padded, write_numbers
from hq_ray.analysis.charts.style import INK
from hq_ray.analysis.words import round_number

CLIPPED = 0.05
CELL_SIZE = 6.0
# Of a panel's width, what names and colour bar take.
FRAME_INCHES = 1.2
LUMINANCE = (0.299, 0.587, 0.114)


@chart
def heat_chart(
    frame: pd.DataFrame,
    *,
    title: str,
    caption: Sequence[str],
    x_name: str,
    y_name: str,
    baseline: str,
) -> Figure:
    """Draw mean scores by two hyperparameters, the same colours for all, and the differences.

    Args:
        frame: variant, x, y, n, mean, and difference to the baseline, null where there is none.
        title, caption: above and below the panels.
        x_name, y_name: the hyperparameters.
        baseline: what the differences are to.
    """
    maps, gaps = _tables(frame, "mean"), _tables(frame, "difference")
    gaps = {f"{variant} − {baseline}": table for variant, table in gaps.items()}
    n_columns = min(2, len(maps) + len(gaps))
    height = min(3.4, 1.1 + 0.3 * max(map(len, maps.values())))
    names = [*maps, *gaps]
    figure, panels = page(
        title, [seed_counts(frame["n"]), *caption], names, n_columns=n_columns, panel_height=height
    )
    for tables, of, colours in (
        (maps, panels[: len(maps)], _score_colours(maps)),
        (gaps, panels[len(maps) :], _difference_colours(gaps)),
    ):
        for axes, table in zip(of, tables.values(), strict=True):
            image = _draw_map(axes, table, colours, WIDTH / n_columns)
            axes.set(xlabel=hyperparameter_label(x_name), ylabel=hyperparameter_label(y_name))
        if tables:
            bar = figure.colorbar(image, ax=of, fraction=0.06, pad=0.02)
            write_numbers(bar.ax.yaxis)
            bar.outline.set_visible(False)
    return figure


def _tables(frame: pd.DataFrame, column: str) -> dict[str, pd.DataFrame]:
    """By variant, a column by y and x."""
    known = frame[frame[column].notna()].groupby("variant", sort=False, observed=True)
    return {name: part.pivot(index="y", columns="x", values=column) for name, part in known}


def _score_colours(maps: Mapping[str, pd.DataFrame]) -> dict:
    """The same for all variants; a few cells that are far out do not take all colours."""
    shown = np.concatenate([table.to_numpy().ravel() for table in maps.values()])
    low, high = np.nanquantile(shown, (CLIPPED, 1 - CLIPPED))
    low, high = (low, high) if high > low else padded(shown)
    return {"cmap": "viridis", "vmin": low, "vmax": high}


def _difference_colours(gaps: Mapping[str, pd.DataFrame]) -> dict:
    """Diverging about 0."""
    reach = max((np.nanmax(np.abs(table.to_numpy())) for table in gaps.values()), default=0.0)
    return {"cmap": "RdBu", "vmin": -(reach or 1.0), "vmax": reach or 1.0}


def _draw_map(axes: Axes, table: pd.DataFrame, colours: dict, inches: float) -> AxesImage:
    """Cells with their numbers, where there is room for these."""
    values = table.to_numpy(dtype=float)
    image = axes.imshow(values, aspect="auto", origin="lower", **colours)
    for axis, levels in ((axes.xaxis, table.columns), (axes.yaxis, table.index)):
        axis.set_ticks(range(len(levels)), [level_text(level) for level in levels])
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    texts = {
        place: round_number(value) for place, value in np.ndenumerate(values) if value == value
    }
    room = 72 * (inches - FRAME_INCHES) / values.shape[1]
    if max(map(len, texts.values()), default=0) * CELL_SIZE * 0.85 < room and len(values) <= 10:
        for (y, x), text in texts.items():
            *rgb, _ = image.cmap(image.norm(values[y, x]))
            ink = "white" if np.dot(rgb, LUMINANCE) < 0.5 else INK
            axes.text(x, y, text, size=CELL_SIZE, color=ink, ha="center", va="center")
    return image
