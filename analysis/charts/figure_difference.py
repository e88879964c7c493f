"""The difference of two variants over episodes, with the band of each episode alone.

Both variants of a pair share their seed, so what the seed brings to both cancels.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from hq_ray.analysis.charts.captions import window_words
from hq_ray.analysis.charts.figure_bands import (
    axis_label,
    draw_band,
    draw_curve,
    informative_low,
)
from hq_ray.analysis.charts.figure_facets import facets
from hq_ray.analysis.charts.labels import LineLabel, label_room, write_labels
from hq_ray.analysis.charts.panels import dress_episodes, padded
from hq_ray.analysis.charts.style import INK, LineStyle
from hq_ray.analysis.statistics.comparison import t_interval
from hq_ray.analysis.statistics.means import MeanAndSE, SmoothedSeeds
from hq_ray.analysis.words import format_number, round_number

STYLE = LineStyle(INK, "-", "")
BAND = "#b4b4b4"


def difference_figure(
    differences: Mapping[str, np.ndarray],
    *,
    quantity: str,
    title: str,
    window: int,
    variants: Sequence[str],
    caption: Sequence[str],
) -> Figure:
    """Draw the mean difference by episode with its 95 % t interval: a panel per problem.

    Args:
        differences: by problem, `(n_pairs, n_episodes)` smoothed differences of pairs of seeds.
        quantity: `returns`, `steps`, ...: see `analysis.charts.figure_bands.AXIS_LABELS`.
        title: above all.
        window: of the trailing mean that each seed was smoothed with, in episodes.
        variants: the first minus the second is drawn.
        caption: paragraphs below what the figure itself says of its line and band.
    """
    ylabel = f"{variants[0]} − {variants[1]}: {axis_label(quantity)}"
    curves = {env: t_interval(pairs.T) for env, pairs in differences.items()}
    limits = {env: _limits(of) for env, of in curves.items()}
    ends = {
        env: [LineLabel(f"mean (n = {len(differences[env])})", len(of[0]), float(of[0][-1]), STYLE)]
        for env, of in curves.items()
    }
    names = list(curves) if len(curves) > 1 else [""]
    notes = [
        _off_scale_words(n, *pair)
        for n, *pair in zip(names, curves.values(), limits.values(), strict=True)
    ]
    longest = max(pairs.shape[1] for pairs in differences.values())
    words = (
        f"Line: mean difference {variants[0]} − {variants[1]} over pairs of seeds, each seed: "
        f"{window_words(window, longest)}. Band: 95 % t interval of each episode alone"
    )
    alone = [env for env, pairs in differences.items() if len(pairs) == 1]
    words += f"; n = 1: no interval for {', '.join(alone)}." if alone else "."
    note, room = ". ".join(filter(None, notes)), max(map(label_room, ends.values()))
    figure, axes = facets(title, note, [words, *caption], names, room, ylabel=ylabel)
    for frame, name, env in zip(axes, names, curves, strict=True):
        mean, low, high = curves[env]
        dress_episodes(frame, len(mean), limits[env], ylabel, window, name)
        draw_band(frame, low, high, color=BAND)
        frame.axhline(0, color=INK, linewidth=0.8, zorder=1.5)
        line = MeanAndSE(mean, None, len(differences[env]))
        draw_curve(frame, SmoothedSeeds(differences[env][:0], line, window), STYLE)
        write_labels(frame, ends[env])
    return figure


def _limits(curves: Sequence[np.ndarray]) -> tuple[float, float]:
    """All that is drawn, without a start that would dwarf the rest on either side."""
    drawn = [values for values in curves if np.isfinite(values).all()]
    low = informative_low(drawn, [0.0])
    high = -informative_low([-values for values in drawn], [0.0])
    return padded([low, high])


def _off_scale_words(name: str, curves: Sequence[np.ndarray], limits: tuple[float, float]) -> str:
    """Until which episode something of a panel is beyond its limits."""
    drawn = np.stack(curves)
    outside = np.flatnonzero(((drawn < limits[0]) | (drawn > limits[1])).any(axis=0))
    if not outside.size:
        return ""
    furthest = drawn[np.isfinite(drawn)]
    reach = furthest[np.abs(furthest - sum(limits) / 2).argmax()]
    where = f" in {name}" if name else ""
    until = f"last at episode {format_number(int(outside[-1]) + 1)}"
    return f"off scale{where}: mean or band as far as {round_number(float(reach))}, {until}"
