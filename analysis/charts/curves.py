"""Curves over episodes: every seed, the mean and its band; of variants, or of their differences."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy import stats

from hq_ray.analysis.charts.page import chart, height_for_names, name_ends, panels
from hq_ray.analysis.charts.scales import compress, write_numbers
from hq_ray.analysis.charts.style import MUTED, REFERENCE_STYLE, variant_styles
from hq_ray.analysis.smoothing import trailing_mean
from hq_ray.analysis.words import round_number, seed_counts

N_MARKERS = 7
# Long curves are drawn by this many of their episodes.
MOST_POINTS = 1000


class Quantity(NamedTuple):
    """What a curve shows: a column of episodes, the label of its axis with the unit, and the column
    of trials that has what the best policy gets of it, or None.
    """

    column: str
    label: str
    optimum: str | None = None


QUANTITIES = {
    "returns": Quantity("episode_return", "episode return [reward units]", "optimal_return"),
    "steps": Quantity("steps", "steps per episode [steps]", "optimal_steps"),
    "success": Quantity("success", "episodes that succeed [share]"),
}


def curve_frame(curves: Mapping[str, tuple[Sequence | np.ndarray, np.ndarray]]) -> pd.DataFrame:
    """The frame that `curves_chart` draws: variant, seed, episode, value.

    Of long curves MOST_POINTS episodes stay, at equal distances.

    Args:
        curves: by variant, its seeds and their smoothed values `(n_seeds, n_episodes)`.
    """
    frames = []
    for variant, (seeds, values) in curves.items():
        n_episodes = values.shape[1]
        kept = np.linspace(0, n_episodes - 1, min(n_episodes, MOST_POINTS)).round().astype(int)
        columns = {
            "variant": variant,
            "seed": np.repeat(np.asarray(seeds), len(kept)),
            "episode": np.tile(kept, len(seeds)),
            "value": values[:, kept].astype(float).ravel(),
        }
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


@chart
def curves_chart(
    frame: pd.DataFrame,
    *,
    label: str,
    optimum: float | None = None,
    share: bool = False,
    difference: bool = False,
) -> Figure:
    """Draws the mean of each variant with its band, and every seed thin.

    Args:
        frame: variant, seed, episode and value; a value is NaN where it is not known.
        label: of the value axis, with its unit.
        optimum: level of a reference line.
        share: the values are shares, so the axis shows 0 to 1.
        difference: the values are differences: the band is a 95 % t interval instead of one
            standard error, and seeds are not drawn.
    """
    curves = {
        variant: part.pivot(index="seed", columns="episode", values="value")
        for variant, part in frame.groupby("variant", sort=False, observed=True)
    }
    styles = variant_styles(curves)
    n_seeds, last = sum(map(len, curves.values())), frame["episode"].max()
    figure, (axes,) = panels([label], panel_height=height_for_names(len(curves) + 1))
    ends, settled = {}, []
    for number, (variant, table) in enumerate(curves.items()):
        n, style = len(table), styles[variant]
        look: dict[str, Any] = {"color": style.color}
        mean = table.mean(skipna=False)
        reach = table.sem(skipna=False) * (stats.t.ppf(0.975, n - 1) if difference else 1.0)
        low, high = mean - reach, mean + reach
        if not difference and n > 1:
            faint: dict[str, Any] = {"linewidth": 0.6, "zorder": 1.4}
            faint |= {"alpha": min(0.5, max(0.12, 5 / n_seeds))}
            axes.plot(table.columns, table.to_numpy().T, **faint, **look)
            settled.append(table.loc[:, table.columns >= last / 2].to_numpy().ravel())
        axes.fill_between(mean.index, low, high, alpha=0.28, linewidth=0, zorder=1.3, **look)
        look |= {"linestyle": style.linestyle, "marker": style.marker}
        every = max(1, len(mean) // N_MARKERS)
        first = int((0.25 + 0.5 * number / len(curves)) * every)
        axes.plot(mean.index, mean, markevery=slice(first, None, every), **look)
        settled += [line[line.index >= last / 2].to_numpy() for line in (mean, low, high)]
        if (end := mean.last_valid_index()) is not None:
            ends[variant] = (end, mean[end], style)
    if difference:
        axes.plot([0, last], [0, 0], color=MUTED, linewidth=0.9, zorder=1.5)
    elif optimum is not None:
        look = {"color": REFERENCE_STYLE.color, "linestyle": REFERENCE_STYLE.linestyle}
        axes.plot([0, last], [optimum, optimum], linewidth=1.0, zorder=1.5, **look)
        ends[f"optimum {round_number(optimum)}"] = (last, optimum, REFERENCE_STYLE)
        settled.append([optimum])
    if share:
        axes.set_ylim(-0.03, 1.03)
    else:
        compress(axes, np.concatenate(settled))
    axes.margins(x=0)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    write_numbers(axes.xaxis)
    axes.set_xlabel("episode")
    name_ends(axes, ends)
    return figure


def curve_caption(frame: pd.DataFrame, window: int, difference: bool = False) -> str:
    """What the lines and bands of `curves_chart` are.

    Args:
        frame: variant, seed, episode and value.
        window: that the values were smoothed with, in episodes.
        difference: whether they are differences to the baseline.
    """
    counts = frame.groupby("variant", observed=True)["seed"].nunique()
    least, most = counts[counts > 1].min(), counts.max()
    if most == 1:
        lines = f"{seed_counts(counts)}."
    elif difference:
        lines = f"Line: mean; band: 95 % t interval of each episode alone; {seed_counts(counts)}."
    else:
        # Chance that mean ± 1 SE of n normal values holds the true mean.
        coverage = 2 * stats.t.cdf(1, least - 1) - 1
        lines = (
            f"Line: mean; band: ±1 standard error, a {100 * coverage:.0f} % interval at "
            f"n = {least}; thin: single seeds; {seed_counts(counts)}."
        )
    smoothing = "Not smoothed."
    if window > 1:
        smoothing = f"Trailing mean over {window:,} episodes (fewer at the start)."
    episodes = frame["episode"].max() + 1
    thinned = f" {MOST_POINTS:,} of {episodes:,} episodes drawn." if episodes > MOST_POINTS else ""
    return f"{lines} {smoothing}{thinned}"


def learning_figure(
    curves: Mapping[str, tuple[Sequence, np.ndarray]],
    *,
    title: str,
    quantity: str,
    smooth: int,
    settings: str,
    optimum: float | None = None,
) -> Figure:
    """Draws the smoothed curves of single trials, or their mean with a band of one standard error.

    Args:
        curves: by variant, its seeds and their values `(n_seeds, n_episodes)`.
        title: above the panel.
        quantity: a row of QUANTITIES.
        smooth: window of the trailing mean, in episodes.
        settings: hyperparameters for the caption.
        optimum: see `curves_chart`.
    """
    frame = curve_frame(
        {v: (s, trailing_mean(values, smooth)) for v, (s, values) in curves.items()}
    )
    caption = [curve_caption(frame, smooth), settings]
    label = QUANTITIES[quantity].label
    return curves_chart(frame, title=title, caption=caption, label=label, optimum=optimum)
