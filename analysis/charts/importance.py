"""How much of the variance over configurations each hyperparameter explains."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from hq_ray.analysis.charts.page import chart, page
from hq_ray.analysis.charts.style import TICK_SIZE, variant_styles

NOISE_TEXT = "no more than noise"
HATCHES = ("", "////", "....", "xxxx", "----", "\\\\\\\\")


@chart
def importance_chart(frame: pd.DataFrame, *, title: str, caption: Sequence[str]) -> Figure:
    """Draw the share of each hyperparameter and each pair of them, for each variant.

    Args:
        frame: variant, factor, share (0 to 1), and noise: whether the means of the variant's
            configurations vary no more than noise would make them.
        title, caption: above and below the panel.
    """
    shares = frame.pivot(index="factor", columns="variant", values="share")
    factors = list(dict.fromkeys(frame["factor"]))
    variants = list(dict.fromkeys(frame["variant"]))
    styles = variant_styles(variants)
    noise = set(frame.loc[frame["noise"], "variant"])
    bar = 0.8 / len(variants)
    height = 0.8 + len(factors) * max(0.3, 0.19 * len(variants))
    figure, (axes,) = page(title, caption, [""], panel_height=height)
    for number, variant in enumerate(variants):
        places = [place - 0.4 + bar * (number + 0.5) for place in range(len(factors))]
        values = 100 * shares[variant].reindex(factors)
        look = {"facecolor": styles[variant].color, "edgecolor": "white", "linewidth": 0}
        hatch = HATCHES[number % len(HATCHES)]
        axes.barh(places, values.fillna(0.0), bar * 0.9, hatch=hatch, **look)
        for place, value in zip(places, values, strict=True):
            if value == value:
                text = f"{value:.0f} %  {variant}" + f" ({NOISE_TEXT})" * (variant in noise)
                look = {"size": TICK_SIZE, "color": styles[variant].color, "va": "center"}
                axes.text(value + 1, place, text, **look)
    axes.set_yticks(range(len(factors)), factors)
    axes.set_ylim(len(factors) - 0.5, -0.5)
    axes.set_xlim(0, 100)
    axes.set_xlabel("share of the variance over the grid [%]")
    axes.grid(axis="y", visible=False)
    return figure
