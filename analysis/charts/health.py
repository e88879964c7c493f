"""What a sweep holds: trials done, failed and missing, and how long they took."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from hq_ray.analysis.charts.page import chart, page
from hq_ray.analysis.charts.scales import write_numbers
from hq_ray.analysis.charts.style import TICK_SIZE, variant_styles
from hq_ray.analysis.words import format_number

FAILED_LOOK = {"facecolor": "white", "edgecolor": "#b3261e", "hatch": "xxxx", "linewidth": 0.8}
MISSING_LOOK = {"facecolor": "white", "edgecolor": "#888888", "hatch": "....", "linewidth": 0.8}
HEALTH_WORDS = (
    "Bars: trials done (filled), failed (red crosses) and missing (dots). "
    "Times: median, and the middle nine tenths of the trials."
)


@chart
def health_chart(frame: pd.DataFrame, *, title: str, caption: Sequence[str]) -> Figure:
    """Draw numbers of trials and training times, a row per environment and variant.

    Args:
        frame: env, variant, done, failed, missing (null where nothing says what is planned), and
            seconds_low, seconds_median, seconds_high of the training of a trial.
        title, caption: above and below the panels.
    """
    styles = variant_styles(dict.fromkeys(frame["variant"]))
    several = frame["env"].nunique() > 1
    height = 0.8 + 0.24 * len(frame)
    labels = ["trials", "training of a trial [s]"]
    look = {"n_columns": 2, "panel_height": height, "sharey": True, "width": 7.5}
    figure, (left, right) = page(title, [HEALTH_WORDS, *caption], labels, **look)
    for place, row in enumerate(frame.itertuples()):
        style = styles[row.variant]
        missing = 0 if pd.isna(row.missing) else row.missing
        left.barh(place, row.done, 0.7, color=style.color)
        left.barh(place, row.failed, 0.7, left=row.done, **FAILED_LOOK)
        left.barh(place, missing, 0.7, left=row.done + row.failed, **MISSING_LOOK)
        counts = ((row.failed, "failed"), (missing, "missing"))
        words = [f"{format_number(n)} {word}" for n, word in counts if n]
        text = ", ".join([format_number(row.done), *words])
        end = row.done + row.failed + missing
        left.annotate(
            text, (end, place), (3, 0), textcoords="offset points", va="center", size=TICK_SIZE
        )
        right.hlines(place, row.seconds_low, row.seconds_high, color=style.color)
        right.plot(row.seconds_median, place, color=style.color, marker=style.marker)
    names = [f"{row.env}: {row.variant}" if several else row.variant for row in frame.itertuples()]
    left.set_yticks(range(len(frame)), names)
    left.set_ylim(len(frame) - 0.4, -0.6)
    if (frame["seconds_low"] > 0).any():
        right.set_xscale("log")
    for axes in (left, right):
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)
        write_numbers(axes.xaxis)
    return figure
