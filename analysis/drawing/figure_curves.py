"""Learning curves over episodes or environment steps: means with bands, and all seeds one by one.

Curves arrive smoothed, each seed on its own, with the statistics over seeds already made: see
`analysis.drawing.given_means` for what a curve is given as.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hq_ray.analysis.drawing.captions import round_number, variant_words, window_words
from hq_ray.analysis.drawing.figure_bands import (
    SHARES,
    axis_label,
    draw_line,
    limits_of,
    value_limits,
)
from hq_ray.analysis.drawing.figure_facets import Panel, draw_panels, line_styles, off_scale_note
from hq_ray.analysis.drawing.given_means import (
    Given,
    absent_words,
    curve_words,
    floats,
    paragraphs,
    read_curves,
)
from hq_ray.analysis.drawing.style import LineStyle
from hq_ray.analysis.reading.smoothing import thin_indices
from hq_ray.analysis.statistics.means import MeanAndSE, SmoothedSeeds
from hq_ray.errors import InputError

N_BINS_OF_SEED = 300


def mean_se_figure(
    *,
    curves: Mapping[str, Given],
    quantity: str,
    title: str,
    window: int,
    interval: str = "se",
    caption: str | Sequence[str] = "",
    optimum: float | None = None,
    x: Sequence[float] | None = None,
    score_label: str | None = None,
) -> Figure:
    """Draw means over seeds with their bands, from the means and standard errors themselves.

    Args:
        curves: by label, such as `harmonic` or `harmonic alpha 0.1`; see `drawing.given_means`.
        quantity: `returns`, `steps`, `success`, ...: see `drawing.figure_bands.AXIS_LABELS`.
        title: above all.
        window: of the trailing mean that each seed was smoothed with, in episodes.
        interval: `se` for mean ± 1 SE, `ci95` for the 95 % t interval. Edges that are given are
            taken as those of this interval.
        caption: paragraphs below what the figure itself says of lines, bands and window.
        optimum: level of a reference line.
        x: `(n_points,)` environment steps that the points stand at; None for episodes.
        score_label: of the value axis, in place of the quantity's own.

    Raises:
        InputError: nothing is given, lengths differ, or a quantity or interval is unknown.
    """
    page = MeansPage(title, quantity, window, interval, caption, score_label)
    return _draw_means(page, {"": curves}, {"": (optimum, x)})


def mean_se_panels_figure(
    *,
    curves_by_env: Mapping[str, Mapping[str, Given]],
    quantity: str,
    title: str,
    window: int,
    interval: str = "se",
    caption: str | Sequence[str] = "",
    optimum: Mapping[str, float] | None = None,
    x: Mapping[str, Sequence[float]] | None = None,
    score_label: str | None = None,
) -> Figure:
    """Draw `mean_se_figure` of several environments, a panel each, with a value axis of its own.

    Args:
        curves_by_env: by environment, what `mean_se_figure` takes as curves.
        optimum, x: by environment, where known.
        quantity, title, window, interval, caption, score_label: as there.

    Raises:
        InputError: as there.
    """
    page = MeansPage(title, quantity, window, interval, caption, score_label)
    marks = {env: ((optimum or {}).get(env), (x or {}).get(env)) for env in curves_by_env}
    return _draw_means(page, curves_by_env, marks)


@dataclass(frozen=True)
class MeansPage:
    """What all panels of a page of means share."""

    title: str
    quantity: str
    window: int
    interval: str
    caption: str | Sequence[str]
    score_label: str | None = None

    @property
    def ylabel(self) -> str:
        """At the value axes."""
        return self.score_label or axis_label(self.quantity)

    @property
    def share(self) -> bool:
        """Whether values lie between 0 and 1."""
        return self.quantity in SHARES


def _draw_means(
    page: MeansPage, given: Mapping[str, Mapping[str, Given]], marks: Mapping[str, tuple]
) -> Figure:
    """One panel per name; `marks` are each panel's optimum and x."""
    parts = []
    for name, curves in given.items():
        known = read_curves(curves, page.interval, page.window, page.share)
        if known:
            texts = {label: _line_text(label, curves[label], name) for label in known}
            parts.append(_panel(page, name, known, texts, *marks[name]))
    absent = absent_words(given)
    if not parts:
        raise InputError(f"means over seeds need a curve with values; given {absent or 'none'}")
    note = ". ".join(filter(None, [off_scale_note(parts), absent]))
    longest = max(part.n_points for part in parts)
    of_episodes = all(part.x is None for part in parts)
    words = curve_words(given, page.interval, page.window, longest, of_episodes, page.share)
    caption = [words, *paragraphs(page.caption)]
    styles = styles_of(given)
    return draw_panels(parts, styles, page.title, note, caption, page.window)[0]


def _line_text(label: str, curve: Given, panel: str) -> str:
    """With its number of seeds; where there are several panels, the caption has them."""
    return label if panel else variant_words(label, int(curve["n"]), curve.get("planned"))


def _panel(
    page: MeansPage,
    name: str,
    curves: Mapping[str, SmoothedSeeds],
    texts: Mapping[str, str],
    optimum: float | None,
    x: Sequence[float] | None,
) -> Panel:
    levels = _levels(optimum)
    points = None if x is None else floats(x)
    longest = max(curve.n_episodes for curve in curves.values())
    if points is not None and len(points) < longest:
        raise InputError(f"x must have a step for each of {longest} points; given {len(points)}")
    limits = value_limits(list(curves.values()), page.quantity, levels)
    return Panel(name, curves, texts, page.ylabel, limits, levels[0] if levels else None, points)


def _levels(optimum: float | None) -> list[float]:
    return [] if optimum is None or not np.isfinite(optimum) else [float(optimum)]


def styles_of(panels: Mapping[str, Mapping[str, Given]]) -> dict[str, LineStyle]:
    """One style per label of any panel."""
    variants: dict[str, str] = {}
    for label, given in (item for curves in panels.values() for item in curves.items()):
        variants[label] = (given or {}).get("variant") or label
    return line_styles(variants)


def seeds_figure(
    *,
    curves: Mapping[str, Given],
    quantity: str,
    title: str,
    window: int,
    caption: str | Sequence[str] = "",
    optimum: float | None = None,
    score_label: str | None = None,
) -> Figure:
    """Draw all seeds of each variant thin with their mean bold: a panel each, one value axis.

    Args:
        curves: by label, a mapping with `seeds` `(n_seeds, n_points)`, smoothed, and, where it is
            of use, `variant` and `planned`. A seed that ends early ends in None or NaN; so does
            then the mean.
        quantity, title, window, caption, optimum, score_label: see `mean_se_figure`.

    Raises:
        InputError: no seed is given, or the quantity is unknown.
    """
    seeds = {label: np.atleast_2d(floats(given["seeds"])) for label, given in curves.items()}
    seeds = {label: rows for label, rows in seeds.items() if np.isfinite(rows).any()}
    absent = ", ".join(label for label in curves if label not in seeds)
    if not seeds:
        raise InputError(f"a figure of seeds needs at least one; given none of {absent or 'any'}")
    levels, ylabel = _levels(optimum), score_label or axis_label(quantity)
    limits = limits_of([row for rows in seeds.values() for row in rows], quantity, levels)
    parts = []
    for label, rows in seeds.items():
        over_seeds = MeanAndSE(rows.mean(axis=0), None, len(rows))
        mean = {label: SmoothedSeeds(rows[:0], over_seeds, window)}
        name = variant_words(label, len(rows), curves[label].get("planned"))
        parts.append(Panel(name, mean, {}, ylabel, limits, *levels))
    longest = max(part.n_points for part in parts)
    words = f"Thin lines: single seeds, each {window_words(window, longest)}. Bold: their mean."
    notes = [_beyond_words(seeds, limits), f"no seeds: {absent}" if absent else ""]
    note, caption = ". ".join(filter(None, notes)), [words, *paragraphs(caption)]
    styles = styles_of({"": {label: curves[label] for label in seeds}})
    figure, axes = draw_panels(parts, styles, title, note, caption, window)
    for frame, part, (label, rows) in zip(axes, parts, seeds.items(), strict=True):
        _draw_seeds(frame, rows, styles[label])
        mean = part.curves[label].over_seeds.mean
        casing = {"linestyle": "-", "color": "white", "linewidth": 4.0, "zorder": 1.6}
        draw_line(frame, np.arange(1, len(mean) + 1), mean, styles[label], **casing)
    return figure


def _draw_seeds(axes: Axes, seeds: np.ndarray, style: LineStyle) -> None:
    """Thin lines behind the mean, the fainter the more of them there are."""
    alpha = min(0.6, max(0.2, 4 / len(seeds)))
    look = {"color": style.color, "linewidth": 0.7, "alpha": alpha, "zorder": 1.4}
    point = "_" if seeds.shape[1] == 1 else ""
    for seed in seeds:
        shown = thin_indices(seed, N_BINS_OF_SEED)
        axes.add_line(Line2D(1 + shown, seed[shown], marker=point, **look))


def _beyond_words(seeds: Mapping[str, np.ndarray], limits: tuple[float, float]) -> str:
    """How many seeds leave the value axis, and how far they go."""
    parts = []
    for label, rows in seeds.items():
        outside = (rows < limits[0]) | (rows > limits[1])
        if outside.any():
            values = rows[outside]
            furthest = float(values[np.abs(values - sum(limits) / 2).argmax()])
            n_out = np.count_nonzero(outside.any(axis=1))
            reach = f"as far as {round_number(furthest)}"
            parts.append(f"{n_out} of {len(rows)} seeds of {label}, {reach}")
    return f"off scale at times: {'; '.join(parts)}" if parts else ""
