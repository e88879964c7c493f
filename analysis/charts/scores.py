"""Scores of the chosen configurations, differences at equal hyperparameters, health of a sweep."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hq_ray.analysis.charts.page import NAME_ROOM, chart, panels, wrapped
from hq_ray.analysis.charts.scales import compress, write_numbers
from hq_ray.analysis.charts.style import MUTED, TICK_SIZE, variant_styles
from hq_ray.analysis.statistics.means import t_interval
from hq_ray.analysis.words import format_number
from hq_ray.errors import shortened

GOLDEN = (5**0.5 - 1) / 2
# With more rows than these there is no room for their names.
MOST_NAMED = 25
# Quantiles of the differences between which the axis is linear.
USUAL = (0.1, 0.9)
HATCHED: dict[str, Any] = {"facecolor": "white", "linewidth": 0.8}
FAILED_LOOK = HATCHED | {"edgecolor": "#b3261e", "hatch": "xxxx"}
MISSING_LOOK = HATCHED | {"edgecolor": "#888888", "hatch": "...."}


@chart
def scores_chart(frame: pd.DataFrame, *, labels: Mapping[str, str]) -> Figure:
    """Draws each variant's scores as dots, and below them their mean with its 95 % t interval.

    Args:
        frame: metric, variant, seed and value; a metric without values has no panel.
        labels: by metric, the name of its axis with the unit.
    """
    variants = list(dict.fromkeys(frame["variant"]))
    styles = variant_styles(variants)
    by_metric = dict(iter(frame.dropna(subset="value").groupby("metric", observed=True)))
    metrics = [metric for metric in labels if metric in by_metric]
    figure, found = panels([""] * len(metrics), panel_height=0.6 + 0.32 * len(variants))
    for axes, metric in zip(found, metrics, strict=True):
        for variant, part in by_metric[metric].groupby("variant", observed=True):
            seeds, place = part["value"].to_numpy(), variants.index(variant)
            color, marker = styles[variant].color, styles[variant].marker
            heights = place - 0.12 + 0.4 * (np.arange(len(seeds)) * GOLDEN % 1 - 0.5)
            axes.scatter(seeds, heights, 9, color=color, alpha=0.55, linewidth=0)
            mean, low, high = map(float, t_interval(seeds))
            axes.plot([low, high], [place + 0.28] * 2, color=color, marker="|", markersize=7)
            axes.plot(mean, place + 0.28, color=color, marker=marker)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        write_numbers(axes.xaxis)
        axes.set_xlabel(labels[metric], loc="right")
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)
        axes.set_yticks(range(len(variants)), variants)
        axes.set_ylim(len(variants) - 0.4, -0.6)
        for text, variant in zip(axes.get_yticklabels(), variants, strict=True):
            text.set(color=styles[variant].color, weight="bold")
    return figure


@chart
def pairs_chart(frame: pd.DataFrame, *, label: str, baseline: str) -> Figure:
    """Draws the differences to the baseline at equal hyperparameters, sorted: a panel per variant.

    Args:
        frame: variant, configuration, n, difference, low, high, significant.
        label: of the score, with its unit.
        baseline: what the differences are to.
    """
    parts = dict(iter(frame.groupby("variant", sort=False, observed=True)))
    names = {
        variant: [wrapped(text, NAME_ROOM, TICK_SIZE) for text in part["configuration"]]
        for variant, part in parts.items()
        if len(part) <= MOST_NAMED
    }
    breaks = [name.count("\n") for texts in names.values() for name in texts]
    row = 0.16 * (1 + max(breaks, default=0))
    heights = [0.8 + (row * len(names[v]) if v in names else 2.5) for v in parts]
    figure, found = panels(
        [f"{variant} − {baseline}" for variant in parts],
        panel_height=sum(heights) / len(heights),
        height_ratios=heights,
    )
    styles = variant_styles([baseline, *parts])
    for axes, (variant, part) in zip(found, parts.items(), strict=True):
        style = styles[variant]
        part = part.assign(name=names.get(variant, "")).sort_values("difference", kind="stable")
        gaps, sure = part["difference"].to_numpy(), part["significant"].to_numpy()
        places = np.arange(len(part))
        axes.hlines(places, part["low"], part["high"], color=style.color, alpha=0.5, linewidth=1.2)
        look: dict[str, Any] = {"color": style.color, "marker": style.marker, "linestyle": ""}
        axes.plot(gaps[sure], places[sure], markersize=4, **look)
        axes.plot(gaps[~sure], places[~sure], markersize=4, markerfacecolor="white", **look)
        axes.plot([0, 0], [-0.7, len(part) - 0.3], color=MUTED, linewidth=0.9, zorder=1.1)
        bar = np.median(np.nan_to_num(part["high"] - part["difference"]))
        usual = np.quantile(gaps, USUAL) + np.array([-bar, bar])
        axes.xaxis.set_major_locator(MaxNLocator(4))
        write_numbers(axes.xaxis)
        compress(axes, np.append(usual, 0.0), side="x")
        named = variant in names
        axes.set_yticks(places if named else [], part["name"] if named else [])
        axes.set_ylabel("" if named else f"{len(part):,} configurations, sorted")
        axes.set_ylim(-0.7, len(part) - 0.3)
        axes.set_xlabel(f"difference in {label}", loc="right")
        axes.grid(axis="y", visible=False)
    return figure


@chart
def health_chart(frame: pd.DataFrame) -> Figure:
    """Draws numbers of trials and training times, a row per environment and variant.

    Args:
        frame: env, variant, done, failed, missing (null where nothing says what is planned), and
            seconds_low, seconds_median, seconds_high of the training of a trial.
    """
    styles = variant_styles(dict.fromkeys(frame["variant"]))
    several = frame["env"].nunique() > 1
    envs = frame["env"].map(lambda env: shortened(env, 100))
    names = envs + ": " + frame["variant"] if several else frame["variant"]
    names = [wrapped(name, 0.6 * NAME_ROOM, TICK_SIZE) for name in names]
    lines = max(1 + name.count("\n") for name in names)
    height = 0.8 + (0.08 + 0.16 * lines) * len(frame)
    figure, (left, right) = panels(
        ["trials", "training [s]"], n_columns=2, panel_height=height, sharey=True
    )
    for place, row in enumerate(frame.fillna({"missing": 0}).itertuples()):
        style = styles[row.variant]
        left.barh(place, row.done, 0.7, color=style.color)
        left.barh(place, row.failed, 0.7, left=row.done, **FAILED_LOOK)
        left.barh(place, row.missing, 0.7, left=row.done + row.failed, **MISSING_LOOK)
        counts = ((row.failed, "failed"), (row.missing, "missing"))
        words = [f"{format_number(n)} {word}" for n, word in counts if n]
        end = row.done + row.failed + row.missing
        text = ", ".join([format_number(row.done), *words])
        at: dict[str, Any] = {"textcoords": "offset points", "va": "center"}
        left.annotate(text, (end, place), (3, 0), size=TICK_SIZE, **at)
        right.hlines(place, row.seconds_low, row.seconds_high, color=style.color)
        right.plot(row.seconds_median, place, color=style.color, marker=style.marker)
    left.set_yticks(range(len(frame)), names)
    left.set_ylim(len(frame) - 0.4, -0.6)
    if (frame["seconds_low"] > 0).any():
        right.set_xscale("log")
    for axes in (left, right):
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)
        write_numbers(axes.xaxis)
    right.tick_params(axis="x", labelrotation=90)
    return figure
