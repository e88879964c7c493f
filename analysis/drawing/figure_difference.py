"""The paired difference of two variants over episodes, with pointwise and simultaneous bands.

Both variants of a pair share their seed, so what the seed brings to both cancels. The band of each
episode alone says whether the variants differ at that episode; the simultaneous band says whether
they differ at any.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hq_ray.analysis.drawing.captions import format_number, round_number, window_words
from hq_ray.analysis.drawing.figure_bands import axis_label, draw_band, draw_curve, draw_line
from hq_ray.analysis.drawing.figure_facets import facets
from hq_ray.analysis.drawing.given_means import Given, floats, is_known, paragraphs
from hq_ray.analysis.drawing.labels import LineLabel, label_room, write_labels
from hq_ray.analysis.drawing.panels import dress_episodes, padded
from hq_ray.analysis.drawing.style import INK, MUTED, REFERENCE_STYLE, LineStyle
from hq_ray.analysis.statistics.means import MeanAndSE, SmoothedSeeds, informative_low
from hq_ray.errors import InputError

STYLE = LineStyle(INK, "-", "")
EDGE_STYLE = LineStyle(MUTED, (0, (4, 2)), "")
POINTWISE, SIMULTANEOUS = "#b4b4b4", "#e2e2e2"


def difference_figure(
    *,
    differences: Mapping[str, Given],
    quantity: str,
    title: str,
    window: int,
    variants: Sequence[str] = ("harmonic", "standard"),
    level: float = 0.95,
    caption: str | Sequence[str] = "",
    score_label: str | None = None,
) -> Figure:
    """Draw mean paired differences by episode: a panel per environment.

    Args:
        differences: by environment, a mapping with `mean` `(n_points,)`, `n` pairs and, where they
            are known, `low` and `high` `(n_points,)` of each episode alone, `band_low` and
            `band_high` `(n_points,)` of all episodes at once, `rope`: the two edges of the region
            of practical equivalence, or one number for plus and minus it.
        quantity: `returns`, `steps`, ...: see `analysis.drawing.figure_bands.AXIS_LABELS`.
        title: above all.
        window: of the trailing mean that each seed was smoothed with, in episodes.
        variants: the first minus the second is drawn.
        level: of both bands.
        caption: paragraphs below what the figure itself says of its line and bands.
        score_label: of the value axis, in place of the quantity's own.

    Raises:
        InputError: no difference has a value, lengths differ, or the quantity is unknown.
    """
    ylabel = f"{variants[0]} − {variants[1]}: {score_label or axis_label(quantity)}"
    parts = {env: _read(env, given) for env, given in differences.items() if is_known(given)}
    if not parts:
        raise InputError("a figure of differences needs at least one with values; given none")
    absent = [env for env in differences if env not in parts]
    notes = [_off_scale_words(env, part, len(differences)) for env, part in parts.items()]
    notes += [f"no pairs: {', '.join(absent)}"] if absent else []
    words = _words(list(parts.values()), variants, window, level)
    labels = [part.labels for part in parts.values()]
    names = list(parts) if len(differences) > 1 else [""]
    note = ". ".join(filter(None, notes))
    room = max(map(label_room, labels))
    figure, axes = facets(title, note, [words, *paragraphs(caption)], names, room, ylabel=ylabel)
    for frame, name, part, ends in zip(axes, names, parts.values(), labels, strict=True):
        dress_episodes(frame, len(part.mean), part.limits, ylabel, window, name)
        _draw(frame, part, window)
        write_labels(frame, ends)
    return figure


@dataclass(frozen=True, eq=False)
class _Difference:
    """One panel: arrays `(n_points,)`; bands `(2, n_points)` or None; edges of the ROPE or none."""

    mean: np.ndarray
    n: int
    pointwise: np.ndarray | None
    simultaneous: np.ndarray | None
    rope: list[float]

    @property
    def drawn(self) -> list[np.ndarray]:
        bands = [band for band in (self.pointwise, self.simultaneous) if band is not None]
        return [self.mean, *(edge for band in bands for edge in band)]

    @property
    def limits(self) -> tuple[float, float]:
        """All that is drawn, without a start that would dwarf the rest on either side."""
        finite = [values[np.isfinite(values)] for values in self.drawn]
        finite = [values for values in finite if values.size]
        goals = [0.0, *self.rope]
        low = informative_low(finite, goals)
        high = -informative_low([-values for values in finite], [-goal for goal in goals])
        return padded([low, high])

    @property
    def labels(self) -> list[LineLabel]:
        end = len(self.mean)
        last = float(self.mean[np.isfinite(self.mean)][-1])
        ropes = [LineLabel(f"ROPE {round_number(r)}", end, r, REFERENCE_STYLE) for r in self.rope]
        return [LineLabel(f"mean (n = {self.n})", end, last, STYLE), *ropes]

    @property
    def apart(self) -> np.ndarray:
        """Where the simultaneous band excludes 0."""
        if self.simultaneous is None:
            return np.zeros(len(self.mean), dtype=bool)
        return (self.simultaneous[0] > 0) | (self.simultaneous[1] < 0)


def _read(env: str, given: Given) -> _Difference:
    mean = floats(given["mean"])
    pairs = (("low", "high"), ("band_low", "band_high"))
    bands = [_band(env, given, names, len(mean)) for names in pairs]
    rope = given.get("rope")
    edges = [] if rope is None else sorted(floats(rope).tolist())
    if len(edges) == 1:
        edges = sorted([-edges[0], edges[0]])
    return _Difference(mean, int(given["n"]), *bands, edges)


def _band(env: str, given: Given, names: tuple[str, str], n_points: int) -> np.ndarray | None:
    if any(given.get(name) is None for name in names):
        return None
    edges = [floats(given[name]) for name in names]
    for name, edge in zip(names, edges, strict=True):
        if len(edge) != n_points:
            what = f"{name} of {env!r}" if env else name
            raise InputError(
                f"{what} must have as many points as the mean, {n_points}; given {len(edge)}"
            )
    return np.stack(edges)


def _draw(axes: Axes, part: _Difference, window: int) -> None:
    """The simultaneous band, the pointwise one on it, lines for zero and ROPE, then the mean."""
    episodes = np.arange(1, len(part.mean) + 1)
    if part.simultaneous is not None:
        draw_band(axes, *part.simultaneous, color=SIMULTANEOUS, zorder=1.1)
        for edge in part.simultaneous:
            draw_line(axes, episodes, edge, EDGE_STYLE, linewidth=0.8, zorder=1.4)
    if part.pointwise is not None:
        draw_band(axes, *part.pointwise, color=POINTWISE)
    axes.axhline(0, color=INK, linewidth=0.8, zorder=1.5)
    for level in part.rope:
        axes.axhline(level, color=INK, linestyle=REFERENCE_STYLE.linestyle, linewidth=1.0)
    bar = np.where(part.apart, 0.985, np.nan)
    look = {"color": INK, "linewidth": 4, "solid_capstyle": "butt"}
    axes.add_line(Line2D(episodes, bar, transform=axes.get_xaxis_transform(), **look))
    unbanded = MeanAndSE(part.mean, None, part.n)
    draw_curve(axes, SmoothedSeeds(part.mean[None][:0], unbanded, window), STYLE)


def _words(parts: Sequence[_Difference], variants: Sequence[str], window: int, level: float) -> str:
    """The first paragraph of the caption."""
    n_points, percent = max(len(part.mean) for part in parts), f"{100 * level:.3g} %"
    ns = sorted({part.n for part in parts})
    pairs = f"n = {ns[0]} pairs" if len(ns) == 1 else "n pairs as named in each panel"
    pairs = "one pair of seeds" if ns == [1] else f"{pairs} of seeds"
    sentences = [
        f"Line: mean difference {variants[0]} − {variants[1]} over {pairs}, "
        f"each seed: {window_words(window, n_points)}."
    ]
    if any(part.pointwise is not None for part in parts):
        sentences.append(f"Dark band: {percent}, each episode alone.")
    if any(part.simultaneous is not None for part in parts):
        n_apart = " / ".join(format_number(int(part.apart.sum())) for part in parts)
        sentences.append(
            f"Light band with dashed edge: {percent}, all episodes at once. Bar at the "
            f"top: where it excludes 0 ({n_apart} of {format_number(n_points)} episodes)."
        )
    if all(part.pointwise is None and part.simultaneous is None for part in parts):
        sentences.append("No interval.")
    if any(part.rope for part in parts):
        sentences.append("Dotted: region of practical equivalence (ROPE).")
    return " ".join(sentences)


def _off_scale_words(env: str, part: _Difference, n_panels: int) -> str:
    """Until which episode something of a panel is beyond its limits."""
    low, high = part.limits
    drawn = np.stack(part.drawn)
    outside = np.flatnonzero(((drawn < low) | (drawn > high)).any(axis=0))
    if not outside.size:
        return ""
    where = f" in {env}" if n_panels > 1 else ""
    furthest = drawn[np.isfinite(drawn)]
    reach = furthest[np.abs(furthest - (low + high) / 2).argmax()]
    until = f"last at episode {format_number(int(outside[-1]) + 1)}"
    return f"off scale{where}: mean or band as far as {round_number(float(reach))}, {until}"
