"""Scores of variants, a dot per seed with mean and interval, and the scores of paired seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hq_ray.analysis.charts.captions import variant_words
from hq_ray.analysis.charts.figure_facets import facets, texts_height
from hq_ray.analysis.charts.page import MARGIN, shorten, size_in_points, text_width
from hq_ray.analysis.charts.panels import NAME_ROOM, TICK_ROOM, dress, padded, panels
from hq_ray.analysis.charts.style import (
    FIGURE_INCHES,
    LABEL_SIZE,
    MUTED,
    TICK_SIZE,
    LineStyle,
    variant_styles,
)
from hq_ray.analysis.statistics.comparison import t_interval
from hq_ray.analysis.words import format_number

WIDEST_ROW_NAME = 250.0
ROW_POINTS = 34.0
GOLDEN = (5**0.5 - 1) / 2
MANY_PAIRS = 60
KEY_START, KEY_HANDLE, KEY_GAP = 12.0, 30.0, 6.0


def scores_figure(
    scores: Mapping[str, Mapping[str, np.ndarray]],
    *,
    score_label: str,
    title: str,
    caption: Sequence[str],
) -> Figure:
    """Draw each variant's scores as dots, and below them their mean with its 95 % t interval.

    Args:
        scores: by problem and variant, the score of each seed.
        score_label: of the score axis with its unit.
        title, caption: above and below the panels.
    """
    styles = variant_styles(dict.fromkeys(name for row in scores.values() for name in row))
    texts = {
        env: [_row_name(variant_words(name, len(seeds))) for name, seeds in row.items()]
        for env, row in scores.items()
    }
    left = max(text_width(text, TICK_SIZE, "bold") for row in texts.values() for text in row)
    alone = [f"{v} in {env}" for env, row in scores.items() for v, x in row.items() if len(x) < 2]
    note = f"n = 1: no interval for {', '.join(alone)}" if alone else ""
    frame = (NAME_ROOM + TICK_ROOM + ROW_POINTS * max(map(len, scores.values()))) / 72
    height = texts_height(title, note, caption) + frame * len(scores)
    figure, grid = panels(
        title,
        note,
        caption,
        n_rows=len(scores),
        inches=(FIGURE_INCHES[0], height),
        left=left + 12 + MARGIN,
    )
    for axes, (env, row) in zip(grid[:, 0], scores.items(), strict=True):
        drawn = [value for seeds in row.values() for value in (*seeds, *t_interval(seeds))]
        limits = padded(drawn, 0.06)
        name = shorten(env, 72 * FIGURE_INCHES[0] * 0.8, LABEL_SIZE, "bold")
        ticks = (range(len(row)), texts[env])
        dress(axes, score_label, name, limits, (len(row) - 0.5, -0.5), yticks=ticks, grid="x")
        axes.yaxis.label.set_weight("bold")
        axes.tick_params(axis="y", length=0)
        for level, (variant, seeds) in enumerate(row.items()):
            axes.get_yticklabels()[level].set(weight="bold", color=styles[variant].color)
            _draw_scores(axes, level, seeds, styles[variant])
    return figure


def _row_name(text: str) -> str:
    return shorten(text, WIDEST_ROW_NAME, TICK_SIZE, "bold")


def _draw_scores(axes: Axes, level: float, seeds: np.ndarray, style: LineStyle) -> None:
    """Small dots, moved up and down so that equal ones show; mean and interval below them."""
    heights = level - 0.15 + 0.4 * (np.arange(len(seeds)) * GOLDEN % 1 - 0.5)
    look = {"markersize": 3, "alpha": 0.55, "markeredgewidth": 0, "linestyle": ""}
    axes.add_line(Line2D(seeds, heights, marker="o", color=style.color, **look))
    mean, low, high = map(float, t_interval(seeds))
    below = level + 0.25
    if np.isfinite(low):
        look = {"linewidth": 2.0, "solid_capstyle": "butt", "marker": "|", "markersize": 7}
        axes.add_line(Line2D([low, high], [below] * 2, color=style.color, **look))
    spot = {"marker": style.marker, "markersize": 5, "color": style.color, "zorder": 3}
    axes.add_line(Line2D([mean], [below], linestyle="", **spot))


@dataclass(frozen=True, eq=False)
class Pairs:
    """The scores of paired seeds, `(n,)` each, and who has the better one: 1, 0 or -1."""

    base: np.ndarray
    ours: np.ndarray
    signs: np.ndarray


def pairs_figure(
    pairs: Mapping[str, Pairs],
    *,
    score_label: str,
    title: str,
    variant: str,
    baseline: str,
    caption: Sequence[str],
) -> Figure:
    """Draw a line per seed from its score with the baseline to that with the variant.

    Args:
        pairs: by problem.
        score_label: of the value axis with its unit.
        title, caption: above and below the panels.
        variant, baseline: who is compared; the baseline stands on the left.
    """
    styles = variant_styles([baseline, variant])
    looks = {
        1: {"color": styles[variant].color, "linestyle": "-"},
        0: {"color": MUTED, "linestyle": (0, (1, 1.6))},
        -1: {"color": styles[baseline].color, "linestyle": (0, (5, 2))},
    }
    note = f"a win: {variant} better than {baseline}"
    widest = f"losses {format_number(max(len(of.signs) for of in pairs.values()))}"
    room = KEY_START + KEY_HANDLE + KEY_GAP + text_width(widest, LABEL_SIZE) + MARGIN
    figure, frames = facets(title, note, caption, [*pairs], room)
    for axes, (env, of) in zip(frames, pairs.items(), strict=True):
        ticks = ((0.0, 1.0), (baseline, variant))
        limits = padded([*of.base, *of.ours], 0.06)
        dress(axes, "", score_label, (-0.15, 1.15), limits, title=env, xticks=ticks)
        _draw_pairs(axes, of, looks)
        _write_counts(axes, of.signs, looks)
    return figure


def _draw_pairs(axes: Axes, pairs: Pairs, looks: Mapping[int, Mapping]) -> None:
    """Lines with a dot at each end, thin where there are many; losses, often fewer, on top."""
    many = len(pairs.signs) > MANY_PAIRS
    look = {"linewidth": 0.5, "alpha": 0.45} if many else {"linewidth": 1.3, "alpha": 0.75}
    look |= {"marker": "o", "markersize": 2 if many else 3.5}
    for sign in (0, 1, -1):
        for row in np.flatnonzero(pairs.signs == sign):
            ends = [pairs.base[row], pairs.ours[row]]
            axes.add_line(Line2D([0, 1], ends, gid=str(sign), **(look | looks[sign])))


def _write_counts(axes: Axes, signs: np.ndarray, looks: Mapping[int, Mapping]) -> None:
    """Numbers of wins, ties and losses beside a panel, each with a piece of its line."""
    width, height = size_in_points(axes)
    for rank, (sign, word) in enumerate(((1, "wins"), (0, "ties"), (-1, "losses"))):
        row = 1 - (rank + 0.5) * LABEL_SIZE * 1.8 / height
        across = [1 + (KEY_START + part * KEY_HANDLE) / width for part in (0, 1)]
        place = {"transform": axes.transAxes, "clip_on": False, "linewidth": 1.6}
        axes.add_line(Line2D(across, [row] * 2, **looks[sign], **place))
        left = 1 + (KEY_START + KEY_HANDLE + KEY_GAP) / width
        text = f"{word} {format_number(int((signs == sign).sum()))}"
        look = {"size": LABEL_SIZE, "color": looks[sign]["color"], "va": "center_baseline"}
        axes.text(left, row, text, transform=axes.transAxes, parse_math=False, **look)
