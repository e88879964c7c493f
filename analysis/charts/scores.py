"""Scores of the chosen configurations, and differences at equal hyperparameters."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hq_ray.analysis.charts.captions import seed_counts
from hq_ray.analysis.charts.page import chart, page, wrapped
from hq_ray.analysis.charts.scales import (
    MOSTLY_LINEAR_WORDS,
    fit_values,
    needs_compression,
    padded,
    write_numbers,
)
from hq_ray.analysis.charts.style import LABEL_SIZE, MUTED, variant_styles
from hq_ray.analysis.statistics.means import t_interval

GOLDEN = (5**0.5 - 1) / 2
# With more rows than these there is no room for their names.
MOST_NAMED = 25
# For the name of a metric below its panel, in points.
NAME_ROOM = 100.0
# Of the differences; what lies beyond may be compressed.
USUAL = (0.1, 0.9)
SCORES_WORDS = "Small dots: seeds. Below them their mean and its 95 % t interval."


@chart
def scores_chart(
    frame: pd.DataFrame, *, title: str, caption: Sequence[str], labels: Mapping[str, str]
) -> Figure:
    """Draw each variant's scores as dots, and below them their mean with its 95 % t interval.

    Args:
        frame: metric, variant, seed and value.
        title, caption: above and below the panels.
        labels: by metric, the name of its axis with the unit.
    """
    variants = list(dict.fromkeys(frame["variant"]))
    styles = variant_styles(variants)
    known = frame.dropna(subset="value")
    labels = {m: label for m, label in labels.items() if m in set(known["metric"])}
    counts = frame.groupby("variant", sort=False, observed=True)["seed"].nunique()
    figure, panels = page(
        title,
        [_scores_caption(counts.to_dict()), *caption],
        [""] * len(labels),
        n_columns=len(labels),
        panel_height=0.9 + 0.4 * len(variants),
        sharey=True,
    )
    for axes, (metric, label) in zip(panels, labels.items(), strict=True):
        rows = known[known["metric"] == metric].groupby("variant", observed=True)["value"]
        drawn = list(known.loc[known["metric"] == metric, "value"])
        for place, variant in enumerate(variants):
            if variant not in rows.groups:
                continue
            seeds, style = rows.get_group(variant).to_numpy(), styles[variant]
            heights = place - 0.12 + 0.4 * (np.arange(len(seeds)) * GOLDEN % 1 - 0.5)
            look = {"alpha": 0.55, "markeredgewidth": 0, "linestyle": "", "color": style.color}
            axes.plot(seeds, heights, marker="o", markersize=3, **look)
            mean, low, high = map(float, t_interval(seeds))
            axes.plot([low, high], [place + 0.28] * 2, color=style.color, marker="|", markersize=7)
            axes.plot(mean, place + 0.28, color=style.color, marker=style.marker)
            drawn += [low, high]
        axes.set_xlim(*padded(drawn, 0.06))
        axes.xaxis.set_major_locator(MaxNLocator(3))
        write_numbers(axes.xaxis)
        name, _, unit = label.partition(" [")
        axes.set_xlabel(wrapped(name, NAME_ROOM, LABEL_SIZE) + (f"\n[{unit}" if unit else ""))
        axes.grid(axis="y", visible=False)
    first = panels[0]
    first.set_yticks(range(len(variants)), variants)
    first.set_ylim(len(variants) - 0.4, -0.6)
    for axes in panels:
        axes.tick_params(axis="y", length=0)
    for text, variant in zip(first.get_yticklabels(), variants, strict=True):
        text.set(color=styles[variant].color, weight="bold")
    return figure


def _scores_caption(counts: Mapping[str, int]) -> str:
    """Numbers of seeds, and what dots and bars are."""
    same = len(set(counts.values())) == 1
    each = ", ".join(f"{variant} {n}" for variant, n in counts.items())
    seeds = f"n = {next(iter(counts.values()))} seeds" if same else f"n seeds: {each}"
    alone = ", ".join(variant for variant, n in counts.items() if n == 1)
    return f"{SCORES_WORDS} {seeds}." + (f" n = 1: no interval for {alone}." if alone else "")


@chart
def pairs_chart(
    frame: pd.DataFrame, *, title: str, caption: Sequence[str], label: str, baseline: str
) -> Figure:
    """Draw the differences to the baseline at equal hyperparameters, sorted: a panel per variant.

    Args:
        frame: variant, configuration, n, difference, low, high, significant.
        title, caption: above and below the panels.
        label: of the score, with its unit.
        baseline: what the differences are to.
    """
    parts = dict(iter(frame.groupby("variant", sort=False, observed=True)))
    heights = [0.8 + (0.16 * len(of) if len(of) <= MOST_NAMED else 2.5) for of in parts.values()]
    ranges = {variant: _range(part) for variant, part in parts.items()}
    compressed = any(needs_compression(*of) for of in ranges.values())
    figure, panels = page(
        title,
        [seed_counts(frame["n"]), MOSTLY_LINEAR_WORDS if compressed else "", *caption],
        [f"{variant} − {baseline}" for variant in parts],
        panel_height=sum(heights) / len(heights),
        height_ratios=heights,
    )
    for axes, (variant, part) in zip(panels, parts.items(), strict=True):
        style = variant_styles([variant])[variant]
        part = part.sort_values("difference", kind="stable")
        fit_values(axes, *ranges[variant], side="x")
        places = np.arange(len(part))
        axes.hlines(places, part["low"], part["high"], color=style.color, alpha=0.5, linewidth=1.2)
        sure = part["significant"].to_numpy()
        look = {"color": style.color, "marker": style.marker, "linestyle": "", "markersize": 4}
        axes.plot(part["difference"][sure], places[sure], **look)
        axes.plot(part["difference"][~sure], places[~sure], markerfacecolor="white", **look)
        axes.axvline(0.0, color=MUTED, linewidth=0.9, zorder=1.1)
        named = len(part) <= MOST_NAMED
        axes.set_yticks(places if named else [], part["configuration"] if named else [])
        axes.set_ylabel("" if named else f"{len(part):,} configurations, sorted")
        axes.set_ylim(-0.7, len(part) - 0.3)
        write_numbers(axes.xaxis)
        axes.set_xlabel(f"difference in {label}")
        axes.grid(axis="y", visible=False)
    return figure


def _range(pairs: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """All that a panel of differences shows, and what lies where most of it does."""
    limits = pairs[["difference", "low", "high"]].to_numpy()
    return np.append(limits, 0.0), np.append(np.quantile(limits[:, 0], USUAL), 0.0)
