"""Scores over one hyperparameter: the best of the others at each of its values."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hq_ray.analysis.charts.captions import seed_counts
from hq_ray.analysis.charts.page import chart, name_ends, page
from hq_ray.analysis.charts.scales import (
    MOSTLY_LINEAR_WORDS,
    fit_levels,
    fit_values,
    hyperparameter_label,
    needs_compression,
)
from hq_ray.analysis.charts.style import INK, MUTED, LineStyle, variant_styles

DODGE = 0.07
MARKS_WORDS = "Bars: 95 % t intervals over seeds. Ring: the value of the chosen configuration"
EDGE_WORDS = "; arrow: it is at the edge of its grid, so a better one may lie beyond"


@chart
def levels_chart(
    frame: pd.DataFrame,
    *,
    title: str,
    caption: Sequence[str],
    hyperparameter: str,
    labels: Mapping[str, str],
    zero: Sequence[str] = (),
) -> Figure:
    """Draw means with 95 % t intervals over the values of a hyperparameter.

    Args:
        frame: metric, variant, level, mean, low, high, n, chosen (whether the best configuration
            has this level) and edge (whether that is the first or last of its grid). A level is
            null for a variant that does not read the hyperparameter: it is drawn as a line.
        title, caption: above and below the panels.
        hyperparameter: its name.
        labels: by metric, what stands above its panel; a panel each.
        zero: metrics whose panel has a line at 0.
    """
    lines = frame["level"].isna()
    levels = sorted(frame.loc[~lines, "level"].unique(), key=lambda one: (str(type(one)), one))
    ranges = {metric: _range(frame[frame["metric"] == metric], metric in zero) for metric in labels}
    compressed = any(needs_compression(*of) for of in ranges.values())
    words = f"{seed_counts(frame['n'])} {MARKS_WORDS}{EDGE_WORDS if frame['edge'].any() else ''}."
    scale_caption = MOSTLY_LINEAR_WORDS if compressed else ""
    n_names = frame["variant"].nunique()
    height = max(2.5, 0.9 + 0.19 * n_names)
    figure, panels = page(
        title, [words, scale_caption, *caption], list(labels.values()), panel_height=height
    )
    styles = variant_styles(dict.fromkeys(frame["variant"]))
    for axes, metric in zip(panels, labels, strict=True):
        part = frame[frame["metric"] == metric]
        fit_values(axes, *ranges[metric])
        places = fit_levels(axes, levels)
        ends = {}
        for number, (variant, rows) in enumerate(part.groupby("variant", sort=False)):
            shift = DODGE * (number - (n_names - 1) / 2)
            draw = _draw_line if rows["level"].isna().all() else _draw_levels
            ends[variant] = draw(axes, rows, styles[variant], places, shift)
        if metric in zero:
            axes.axhline(0.0, color=MUTED, linewidth=0.9, zorder=1.1)
        axes.set_xlabel(hyperparameter_label(hyperparameter))
        name_ends(axes, ends)
    return figure


def _range(rows: pd.DataFrame, zero: bool) -> tuple[np.ndarray, np.ndarray]:
    """All that a panel shows, and of it the means with bars of the usual length."""
    levels = [0.0] if zero else []
    values = rows[["mean", "low", "high"]].to_numpy(dtype=float).ravel()
    bar = np.nan_to_num(rows["high"] - rows["mean"])
    settled = [rows["mean"] - np.median(bar), rows["mean"] + np.median(bar), levels]
    return np.append(values, levels), np.concatenate(settled)


def _draw_levels(
    axes: Axes, rows: pd.DataFrame, style: LineStyle, places: Mapping, shift: float
) -> tuple[float, float, LineStyle]:
    """A line with bars; returns where it ends."""
    stepped = axes.get_xscale() == "linear" and list(places.values()) == list(range(len(places)))
    x = rows["level"].map(places).to_numpy(dtype=float) + (shift if stepped else 0.0)
    mean = rows["mean"].to_numpy()
    look = {"color": style.color, "zorder": 2}
    axes.vlines(x, rows["low"], rows["high"], linewidth=1.3, **look)
    axes.plot(x, mean, linestyle=style.linestyle, marker=style.marker, **look)
    for at, value, edge, level in zip(x, mean, rows["edge"], rows["level"], strict=True):
        if rows["chosen"][rows["level"] == level].any():
            ring = {"markerfacecolor": "none", "markeredgecolor": INK, "linestyle": ""}
            axes.plot(at, value, marker="o", markersize=11, markeredgewidth=1.2, zorder=3, **ring)
            if edge:
                side, mark = (-1, "◀") if at == x.min() else (1, "▶")
                look = {"textcoords": "offset points", "ha": "center", "va": "center", "size": 7}
                axes.annotate(mark, (at, value), (10 * side, 0), **look)
    return float(x[-1]), float(mean[-1]), style


def _draw_line(
    axes: Axes, rows: pd.DataFrame, style: LineStyle, places: Mapping, shift: float
) -> tuple[float, float, LineStyle]:
    """A level line with its interval; returns where it ends."""
    mean, low, high = (float(rows[name].iloc[0]) for name in ("mean", "low", "high"))
    axes.axhline(mean, color=style.color, linestyle=style.linestyle, linewidth=1.5)
    if np.isfinite(low):
        axes.axhspan(low, high, color=style.color, alpha=0.12, linewidth=0)
    return axes.get_xlim()[1], mean, style
