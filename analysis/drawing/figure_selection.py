"""What tuning chose: how far that was luck, and how often other seeds would choose the same.

Also how rows of text with bars or intervals stand below each other in panels.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from hq_ray.analysis.drawing.captions import format_number, round_number
from hq_ray.analysis.drawing.figure_facets import facets
from hq_ray.analysis.drawing.figure_keys import draw_intervals
from hq_ray.analysis.drawing.figure_rows import dress_rows, row_panels, share_words
from hq_ray.analysis.drawing.labels import LineLabel, label_room, write_labels
from hq_ray.analysis.drawing.page import MARGIN, size_in_points
from hq_ray.analysis.drawing.panels import dress, padded
from hq_ray.analysis.drawing.score_entries import (
    Columns,
    Entry,
    missing_words,
    named_words,
    paragraphs,
    read,
    required,
    sentences,
    stacked,
    variants_of,
)
from hq_ray.analysis.drawing.style import (
    INK,
    TICK_SIZE,
    variant_styles,
)
from hq_ray.errors import InputError

TOP = 10
REST = "all other"


def optimism_figure(
    *,
    points: Mapping[str, Mapping[str, Entry]],
    score_label: str,
    title: str,
    caption: str | Sequence[str] = "",
) -> Figure:
    """Draw each configuration's mean on fresh seeds against the mean that it was chosen by.

    Below the identity line (above it for costs) a configuration looked better than it is; the
    winner, ringed and named, is the one for which that is most likely.

    Args:
        points: by environment and variant: `stage_one`, `stage_two`, each `(n_configs,)`, where
            there is an interval `low` and `high`, and `winner`, the index of the one that stage one
            ranks first (default: the one of the greatest stage-one mean; None for none).
        score_label: of both axes, with its unit.
        title, caption: above and below the panels.

    Raises:
        InputError: when there is no environment or variant, arrays are missing or unequal in
            length, or a winner is no index.
    """
    needed, more = ("stage_one", "stage_two"), ("low", "high")
    clouds = read(points, "a figure of optimism", needed, more)
    winners = {
        env: {name: _winner(points[env][name], cloud) for name, cloud in row.items()}
        for env, row in clouds.items()
    }
    styles = variant_styles(variants_of(clouds))
    ends = {env: _name_labels(row, winners[env], styles) for env, row in clouds.items()}
    note = sentences(
        "ringed: each variant's winner, with its stage-two minus its stage-one mean",
        missing_words("no configuration has both means", clouds, needed),
        missing_words("no interval", clouds, more),
    )
    room = max(map(label_room, ends.values()))
    figure, frames = facets(title, note, paragraphs(caption), [*clouds], room)
    for axes, (env, row) in zip(frames, clouds.items(), strict=True):
        limits = padded(stacked(row.values(), *needed, *more), 0.06)
        names = f"stage-one mean: {score_label}", "stage-two mean on fresh seeds (same unit)"
        dress(axes, *names, limits, limits, title=env, grid="xy")
        axes.add_line(Line2D(limits, limits, color=INK, linewidth=1.0, linestyle=(0, (1, 3))))
        for name, cloud in row.items():
            across, edges = cloud["stage_one"], (cloud["low"], cloud["high"])
            draw_intervals(axes, across, *edges, "y", color=styles[name].color, linewidth=1.2)
            look = {"color": styles[name].color, "marker": styles[name].marker, "linestyle": ""}
            axes.add_line(Line2D(cloud["stage_one"], cloud["stage_two"], markersize=5.5, **look))
            _ring(axes, cloud, winners[env][name])
        write_labels(axes, ends[env])
    return figure


def _winner(entry: Entry, cloud: Columns) -> int | None:
    """Index of the winner, which has both means; None where there is none."""
    known = np.isfinite(cloud["stage_one"]) & np.isfinite(cloud["stage_two"])
    if "winner" not in entry:
        return int(np.where(known, cloud["stage_one"], -np.inf).argmax()) if known.any() else None
    winner = entry["winner"]
    if winner is None:
        return None
    if not 0 <= winner < len(known):
        raise InputError(f"a winner must be an index below {len(known)}; given {winner}")
    return int(winner) if known[winner] else None


def _name_labels(row: Mapping[str, Columns], winners: Mapping, styles: Mapping) -> list[LineLabel]:
    """The variants' names, beside their winners with what those gained or lost on fresh seeds."""
    labels = []
    for name, index in winners.items():
        x, y = row[name]["stage_one"], row[name]["stage_two"]
        known = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
        if index is not None:
            change = float(y[index] - x[index])
            text = f"{name} {'+' if change > 0 else ''}{round_number(change)}"
            labels.append(LineLabel(text, float(x[index]), float(y[index]), styles[name]))
        elif known.size:
            best = known[x[known].argmax()]
            labels.append(LineLabel(name, float(x[best]), float(y[best]), styles[name]))
    return labels


def _ring(axes: Axes, cloud: Columns, index: int | None) -> None:
    if index is not None:
        at = [cloud["stage_one"][index]], [cloud["stage_two"][index]]
        look = {"markersize": 13, "markerfacecolor": "none", "markeredgewidth": 1.3}
        axes.add_line(Line2D(*at, linestyle="", marker="o", markeredgecolor=INK, **look))


def selection_figure(
    *,
    shares: Mapping[str, Mapping[str, Entry]],
    title: str,
    caption: str | Sequence[str] = "",
    top: int = TOP,
) -> Figure:
    """Draw how often each configuration wins when the seeds are resampled, as bars.

    Args:
        shares: by environment and variant: `labels` and `shares`, one per configuration in any
            order; where the list is cut, `n_configurations` says how many there were.
        title, caption: above and below the panels.
        top: how many of a variant have bars of their own; the others that win share one.

    Raises:
        InputError: when there is no environment or variant, labels and shares differ in number, or
            the shares are none: outside [0, 1] or of a sum above 1.
    """
    required(shares, "a figure of selection shares")
    bars = {
        env: {name: _bars(entry, top, f"{name} on {env}") for name, entry in row.items()}
        for env, row in shares.items()
    }
    styles = variant_styles(variants_of(bars))
    rows = {
        env: [
            r for name, found in row.items() for r in [(name, name), *((t, "") for t, _ in found)]
        ]
        for env, row in bars.items()
    }
    alone = {e: [v for v, entry in row.items() if _count(entry) == 1] for e, row in shares.items()}
    note = named_words("one configuration, so nothing was chosen", alone)
    figure, frames = row_panels(title, note, caption, rows, n_columns=1, right=MARGIN + 40)
    for axes, (env, row) in zip(frames, bars.items(), strict=True):
        dress_rows(axes, env, rows[env], styles, "resamples in which it wins [share]", (0.0, 1.0))
        shown = [bar for found in row.values() for bar in [None, *found]]
        looks = [styles[name].color for name, found in row.items() for _ in [None, *found]]
        for level, (bar, color) in enumerate(zip(shown, looks, strict=True)):
            if bar is not None:
                _draw_bar(axes, level, bar[1], color, bar[0].startswith(f"{REST} ("))
    return figure


def _count(entry: Entry) -> int:
    return int(entry.get("n_configurations", len(entry["labels"])))


def _bars(entry: Entry, top: int, where: str) -> list[tuple[str, float]]:
    """The greatest shares with their labels, first one first among equals, and that of the rest."""
    labels = list(entry.get("labels", ()))
    values = np.asarray(entry.get("shares", ()), dtype=float)
    if len(labels) != values.size or not labels:
        given = f"{len(labels)} labels and {values.size} shares"
        raise InputError(f"every configuration needs a label and a share; {where} has {given}")
    if not ((values >= 0) & (values <= 1)).all() or values.sum() > 1 + 1e-6:
        raise InputError(f"shares must lie in [0, 1] with a sum of at most 1; {where} has others")
    n = _count(entry)
    if n < len(labels):
        raise InputError(f"n_configurations must be {len(labels)} or more; {where} has {n}")
    order = np.argsort(-values, kind="stable")[:top]
    order = order[values[order] > 0] if values.any() else order
    bars = [(str(labels[i]), float(values[i])) for i in order]
    # Of a list that was cut, what is not in it is the rest of all resamples.
    whole = values.sum() if n == len(labels) else 1.0
    others = round(max(0.0, float(whole - values[order].sum())), 9)
    return [*bars, (f"{REST} ({format_number(n - len(bars))})", others)] if n > len(bars) else bars


def _draw_bar(axes: Axes, level: float, share: float, color: str, rest: bool) -> None:
    """A bar with its share written at the end; that of the rest is hatched and not filled."""
    look = {"facecolor": "white", "edgecolor": color, "hatch": "////"} if rest else {"color": color}
    axes.add_artist(Rectangle((0, level - 0.33), share, 0.66, linewidth=0.8, zorder=2, **look))
    after, place = 4 / size_in_points(axes)[0], axes.get_yaxis_transform()
    look = {"size": TICK_SIZE, "va": "center_baseline", "color": INK, "parse_math": False}
    axes.text(share + after, level, share_words(share), transform=place, **look)
