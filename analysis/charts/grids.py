"""Scores over hyperparameters: one of them, two of them, and how much each of them explains."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from hq_ray.analysis.charts.page import WIDTH, chart, height_for_names, name_ends, panels, wrapped
from hq_ray.analysis.charts.scales import compress, hyperparameter_label, name_levels, write_numbers
from hq_ray.analysis.charts.style import CAPTION_SIZE, INK, MUTED, TICK_SIZE, variant_styles
from hq_ray.analysis.metrics import METRICS
from hq_ray.analysis.words import round_number

CLIPPED = 0.05
CELL_SIZE = 6.5
# Part of the panel width taken by names and the colour bar [inches].
FRAME_INCHES = 1.1
LUMINANCE = (0.299, 0.587, 0.114)
HATCHES = ("", "////", "....", "xxxx", "----", "\\\\\\\\")


@chart
def levels_chart(frame: pd.DataFrame, *, hyperparameter: str, labels: Mapping[str, str]) -> Figure:
    """Draws means with 95 % t intervals over the values of a hyperparameter, at equal distances.

    Args:
        frame: metric, variant, level, mean, low, high, n, chosen (whether the best configuration
            has this level) and edge (whether that is the first or last of its grid). A level is
            null for a variant that does not read the hyperparameter: it is drawn as a line; in a
            variant that has other levels too, it is not drawn.
        hyperparameter: its name.
        labels: by metric, what its panel has above it; a metric without values has no panel.
    """
    levels = sorted(
        frame["level"].dropna().unique(), key=lambda level: (isinstance(level, str), level)
    )
    styles = variant_styles(dict.fromkeys(frame["variant"]))
    by_metric = dict(iter(frame.groupby("metric", sort=False)))
    height = height_for_names(len(styles))
    figure, found = panels([labels[metric] for metric in by_metric], panel_height=height)
    whole = [-0.5, len(levels) - 0.5]
    for axes, (metric, part) in zip(found, by_metric.items(), strict=True):
        ends = {}
        for number, (variant, rows) in enumerate(part.groupby("variant", sort=False)):
            style = styles[variant]
            look: dict[str, Any] = {"color": style.color}
            if rows["level"].isna().all():
                rows = pd.concat([rows, rows]).assign(place=whole)
                axes.fill_between(whole, rows["low"], rows["high"], alpha=0.12, linewidth=0, **look)
                look |= {"linestyle": style.linestyle}
            else:
                rows = rows.dropna(subset="level")
                shift = 0.07 * (number - (len(styles) - 1) / 2)
                rows = rows.assign(place=rows["level"].map(levels.index).astype(float) + shift)
                axes.vlines(rows["place"], rows["low"], rows["high"], linewidth=1.3, **look)
                look |= {"linestyle": style.linestyle, "marker": style.marker}
            axes.plot(rows["place"], rows["mean"], **look)
            for edge, chosen in rows[rows["chosen"]].groupby("edge"):
                ring: dict[str, Any] = {"facecolor": "none", "edgecolor": INK, "zorder": 3}
                line = ":" if edge else "-"
                axes.scatter(chosen["place"], chosen["mean"], 120, linestyle=line, **ring)
            ends[variant] = (*rows[["place", "mean"]].iloc[-1], style)
        # Bars of the usual length do not compress an axis.
        bar = np.median(np.nan_to_num(part["high"] - part["mean"]))
        settled = [part["mean"] - bar, part["mean"] + bar]
        if not METRICS[metric].sign:  # best at 0
            axes.plot(whole, [0, 0], color=MUTED, linewidth=0.9, zorder=1.1)
            settled.append([0.0])
        compress(axes, np.concatenate(settled))
        name_levels(axes.xaxis, levels, WIDTH - FRAME_INCHES)
        axes.set_xlim(*whole)
        axes.set_xlabel(hyperparameter_label(hyperparameter))
        name_ends(axes, ends)
    return figure


@chart
def heat_chart(frame: pd.DataFrame, *, x_name: str, y_name: str, baseline: str) -> Figure:
    """Draws mean scores by two hyperparameters, the same colours for all, and the differences.

    Args:
        frame: variant, x, y, n, mean, and difference to the baseline, null where there is none.
        x_name, y_name: the hyperparameters.
        baseline: what the differences are to.
    """
    maps, gaps = _tables(frame, "mean"), _tables(frame, "difference")
    gaps = {f"{variant} − {baseline}": table for variant, table in gaps.items()}
    n_maps = len(maps) + len(gaps)
    n_columns = min(2, n_maps)
    height = min(3.4, 1.1 + 0.3 * max(map(len, maps.values())))
    # A few cells that are far out do not take all colours; differences diverge about 0.
    low, high = frame["mean"].quantile(CLIPPED), frame["mean"].quantile(1 - CLIPPED)
    reach = frame["difference"].abs().max() or 1.0
    room = 72 * (WIDTH / n_columns - 0.8)
    figure, found = panels([""] * n_maps, n_columns=n_columns, panel_height=height)
    for tables, group, colours in (
        (maps, found[: len(maps)], {"cmap": "viridis", "vmin": low, "vmax": high}),
        (gaps, found[len(maps) :], {"cmap": "RdBu", "vmin": -reach, "vmax": reach}),
    ):
        for axes, (title, table) in zip(group, tables.items(), strict=True):
            image = _draw_map(axes, table, colours, WIDTH / n_columns)
            axes.set_title(wrapped(title, room, CAPTION_SIZE), size=CAPTION_SIZE)
            axes.set_xlabel(hyperparameter_label(x_name))
            if axes in found[::n_columns]:
                axes.set_ylabel(hyperparameter_label(y_name))
        if tables:
            bar = figure.colorbar(image, ax=group, fraction=0.06, pad=0.02)
            write_numbers(bar.ax.yaxis)
            bar.outline.set_visible(False)
    return figure


def _tables(frame: pd.DataFrame, column: str) -> dict[str, pd.DataFrame]:
    """By variant, a column by y and x."""
    known = frame[frame[column].notna()].groupby("variant", sort=False, observed=True)
    return {name: part.pivot(index="y", columns="x", values=column) for name, part in known}


def _draw_map(axes: Axes, table: pd.DataFrame, colours: dict, inches: float) -> AxesImage:
    """Cells with their numbers, where there is room for these."""
    values = table.to_numpy(dtype=float)
    image = axes.imshow(values, aspect="auto", origin="lower", **colours)
    name_levels(axes.xaxis, table.columns, inches - FRAME_INCHES)
    name_levels(axes.yaxis, table.index, inches)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    texts = {at: round_number(value) for at, value in np.ndenumerate(values) if value == value}
    room = 72 * (inches - FRAME_INCHES) / values.shape[1]
    if max(map(len, texts.values()), default=0) * CELL_SIZE * 0.7 < room and len(values) <= 10:
        for (y, x), text in texts.items():
            *rgb, _ = image.cmap(image.norm(values[y, x]))
            ink = "white" if np.dot(rgb, LUMINANCE) < 0.5 else INK
            axes.text(x, y, text, size=CELL_SIZE, color=ink, ha="center", va="center")
    return image


@chart
def importance_chart(frame: pd.DataFrame) -> Figure:
    """Draws the share of each hyperparameter and each pair of them, for each variant.

    Args:
        frame: variant, factor, share (0 to 1), and noise: whether the means of the variant's
            configurations vary no more than noise would make them.
    """
    factors, variants = (list(dict.fromkeys(frame[name])) for name in ("factor", "variant"))
    styles = variant_styles(variants)
    bar = 0.8 / len(variants)
    height = 0.8 + len(factors) * max(0.3, 0.19 * len(variants))
    figure, (axes,) = panels([""], panel_height=height)
    for row in frame.itertuples():
        number, color = variants.index(row.variant), styles[row.variant].color
        place = factors.index(row.factor) - 0.4 + bar * (number + 0.5)
        look: dict[str, Any] = {"facecolor": color, "edgecolor": "white", "linewidth": 0}
        hatch = HATCHES[number % len(HATCHES)]
        axes.barh(place, 100 * row.share, bar * 0.9, hatch=hatch, **look)
        text = f"{100 * row.share:.0f} %  {row.variant}" + " (noise)" * row.noise
        axes.text(100 * row.share + 1, place, text, size=TICK_SIZE, color=color, va="center")
    # Long names of factors and of variants would leave no room between them.
    labels = [wrapped(factor, 72 * WIDTH / 4, TICK_SIZE) for factor in factors]
    axes.set_yticks(range(len(factors)), labels)
    axes.set_ylim(len(factors) - 0.5, -0.5)
    axes.set_xlim(0, 100)
    axes.set_xlabel("share of the variance over the grid [%]")
    axes.grid(axis="y", visible=False)
    return figure
