"""Learning curves: of one trial, means over seeds with bands, all seeds, how episodes end.

Functions from arrays to a Figure. What is compared is smoothed, always; raw values are drawn only
where they are asked for, faint and behind the curve of one trial.
"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hq_ray.analysis.charts.captions import (
    drawn_curves,
    interval_words,
    variant_words,
    window_words,
)
from hq_ray.analysis.charts.figure_bands import N_BINS, axis_label, draw_line, limits_of
from hq_ray.analysis.charts.figure_facets import Panel, draw_panels, off_scale_note
from hq_ray.analysis.charts.style import LineStyle, variant_styles
from hq_ray.analysis.reading.smoothing import thin_indices
from hq_ray.analysis.statistics.means import MeanAndSE, SmoothedSeeds, smooth_seeds
from hq_ray.analysis.words import format_number, round_number
from hq_ray.errors import InputError
from hq_ray.location import Location

RAW_ALPHA = 0.35
N_BINS_OF_SEED = 300
PNG_METADATA = {"Software": None}


def curve_figure(
    values: np.ndarray,
    *,
    variant: str,
    seed: int,
    env: str,
    quantity: str,
    smooth: int,
    optimum: float | None = None,
    settings: str = "",
    raw: bool = False,
) -> Figure:
    """Draw the smoothed curve of one trial, and nothing else unless raw values are asked for.

    Args:
        values: `(n_episodes,)`, return or steps of each episode.
        variant: the update rule; it chooses the style.
        seed: of the trial.
        env: name of the environment, with its arguments where it has some.
        quantity: `returns`, `steps` or another of `analysis.charts.figure_bands.AXIS_LABELS`.
        smooth: window of the trailing mean, in episodes.
        optimum: level of a reference line, such as the expected return of the optimal policy.
        settings: hyperparameters for the caption.
        raw: whether the value of each episode is drawn, too, faint and behind the curve.

    Raises:
        InputError: when values are not one-dimensional, empty or not finite, the window is no
            integer >= 1, or the quantity is unknown.
    """
    if np.ndim(values) != 1:
        raise InputError(
            f"the curve of one trial needs an array (n_episodes,); given shape {np.shape(values)}"
        )
    curve = smooth_seeds(np.asarray(values)[None], smooth)
    behind = np.asarray(values, dtype=np.float64) if raw else np.empty(0)
    words = f"Line: {window_words(curve.window, curve.n_episodes)}."
    caption = [f"{words} Faint: raw values of each episode." if raw else words, settings]
    levels = [] if optimum is None else [optimum]
    # Of raw values the axis shows all but the extremes of the second half.
    usual = np.quantile(behind[len(behind) // 2 :], (0.01, 0.99)) if raw else np.empty(0)
    limits = limits_of(drawn_curves(curve), quantity, [*levels, *usual])
    part = Panel("", {variant: curve}, {}, axis_label(quantity), limits, optimum)
    notes = [off_scale_note([part]), _raw_off_scale_words(behind, limits)]
    note = "; ".join(filter(None, notes))
    figure, (axes,) = draw_panels([part], f"{env}: {variant}, seed {seed}", note, caption)
    if raw:
        _draw_raw(axes, behind, variant_styles([variant])[variant])
    return figure


def _draw_raw(axes: Axes, raw: np.ndarray, style: LineStyle) -> None:
    """Draw the value of each episode, thin and faint, behind all else."""
    shown = thin_indices(raw, N_BINS)
    look = {"color": style.color, "alpha": RAW_ALPHA, "linewidth": 0.5, "zorder": 1.1}
    axes.add_line(Line2D(1 + shown, raw[shown], marker="_" if len(raw) == 1 else "", **look))


def _raw_off_scale_words(raw: np.ndarray, limits: tuple[float, float]) -> str:
    """How many raw values are beyond the limits and how far; empty when none is."""
    outside = raw[(raw < limits[0]) | (raw > limits[1])]
    if not outside.size:
        return ""
    furthest = float(outside[np.abs(outside - sum(limits) / 2).argmax()])
    share = f"{format_number(len(outside))} of {format_number(len(raw))} episodes"
    return f"raw values off scale in {share}, as far as {round_number(furthest)}"


def compare_figure(
    curves: Mapping[str, np.ndarray],
    *,
    env: str,
    quantity: str,
    smooth: int,
    planned: Mapping[str, int],
    settings: str = "",
) -> Figure:
    """Draw each variant's mean over smoothed seeds with a band of one standard error.

    Args:
        curves: `(n_seeds, n_episodes)` by variant; variants may differ in both numbers.
        env: name of the environment, with its arguments where it has some.
        quantity: `returns`, `steps` or another of `analysis.charts.figure_bands.AXIS_LABELS`.
        smooth: window of the trailing mean, in episodes, the same for all variants.
        planned: number of seeds planned by variant; shown where it differs from those given.
        settings: hyperparameters for the caption.

    Raises:
        InputError: when there is no variant, an array is not two-dimensional, empty or not finite,
            the window is no integer >= 1, or the quantity is unknown.
    """
    smoothed = {variant: smooth_seeds(values, smooth) for variant, values in curves.items()}
    title = f"{env}: {' vs '.join(curves)}"
    return means_figure(
        {"": smoothed}, quantity=quantity, title=title, planned={"": planned}, caption=[settings]
    )


def means_figure(
    curves: Mapping[str, Mapping[str, SmoothedSeeds]],
    *,
    quantity: str,
    title: str,
    planned: Mapping[str, Mapping[str, int]],
    caption: Sequence[str],
    optimum: Mapping[str, float] | None = None,
) -> Figure:
    """Draw means over seeds with bands of one standard error: a panel per problem.

    With one seed there is no band; two to four seeds are also drawn one by one.

    Args:
        curves: by problem and variant; a mean may be NaN where it is not known.
        quantity: see `compare_figure`.
        title: above all.
        planned: number of seeds by problem and variant.
        caption: paragraphs below what the figure itself says of lines, bands and window.
        optimum: by problem, level of a reference line.

    Raises:
        InputError: nothing is given, or the quantity is unknown.
    """
    if not any(curves.values()):
        raise InputError("a comparison needs at least one variant; given none")
    parts = []
    for env, of in curves.items():
        level = (optimum or {}).get(env)
        levels = [] if level is None else [level]
        drawn = [values for curve in of.values() for values in drawn_curves(curve)]
        texts = {v: variant_words(v, len(of[v].seeds), planned[env][v]) for v in of}
        known = {v: text for v, text in texts.items() if np.isfinite(of[v].over_seeds.mean).any()}
        limits = limits_of(drawn, quantity, levels)
        parts.append(Panel(env, of, known, axis_label(quantity), limits, level))
    return draw_panels(parts, title, off_scale_note(parts), [band_words(curves), *caption])[0]


def band_words(curves: Mapping[str, Mapping[str, SmoothedSeeds]]) -> str:
    """What lines and bands stand for, by problem and variant."""
    every = {f"{v} in {env}" if env else v: c for env, of in curves.items() for v, c in of.items()}
    longest = max(every.values(), key=lambda curve: curve.n_episodes)
    smoothing = window_words(longest.window, longest.n_episodes)
    counts = {name: len(curve.seeds) for name, curve in every.items()}
    return f"Each seed: {smoothing}. {interval_words(counts)}"


def seeds_figure(
    curves: Mapping[str, SmoothedSeeds],
    *,
    quantity: str,
    title: str,
    planned: Mapping[str, int],
    caption: Sequence[str],
    optimum: float | None = None,
) -> Figure:
    """Draw all seeds of each variant thin with their mean bold: a panel each, one value axis.

    Args:
        curves: by variant.
        quantity, title, planned, caption, optimum: see `means_figure`.
    """
    levels = [] if optimum is None else [optimum]
    limits = limits_of([seed for of in curves.values() for seed in of.seeds], quantity, levels)
    parts = []
    for variant, curve in curves.items():
        mean = MeanAndSE(curve.over_seeds.mean, None, len(curve.seeds))
        bold = {variant: SmoothedSeeds(curve.seeds[:0], mean, curve.window)}
        name = variant_words(variant, len(curve.seeds), planned[variant])
        parts.append(Panel(name, bold, {}, axis_label(quantity), limits, optimum))
    longest = max(curves.values(), key=lambda curve: curve.n_episodes)
    smoothing = window_words(longest.window, longest.n_episodes)
    words = f"Thin lines: single seeds, each {smoothing}. Bold: their mean."
    figure, axes = draw_panels(parts, title, _beyond_words(curves, limits), [words, *caption])
    for frame, (variant, style) in zip(axes, variant_styles(curves).items(), strict=True):
        _draw_seeds(frame, curves[variant].seeds, style)
        mean = curves[variant].over_seeds.mean
        casing = {"linestyle": "-", "color": "white", "linewidth": 4.0, "zorder": 1.6}
        draw_line(frame, mean, style, **casing)
    return figure


def _draw_seeds(axes: Axes, seeds: np.ndarray, style: LineStyle) -> None:
    """Thin lines behind the mean, the fainter the more of them there are."""
    alpha = min(0.6, max(0.2, 4 / len(seeds)))
    look = {"color": style.color, "linewidth": 0.7, "alpha": alpha, "zorder": 1.4}
    point = "_" if seeds.shape[1] == 1 else ""
    for seed in seeds:
        shown = thin_indices(seed, N_BINS_OF_SEED)
        axes.add_line(Line2D(1 + shown, seed[shown], marker=point, **look))


def _beyond_words(curves: Mapping[str, SmoothedSeeds], limits: tuple[float, float]) -> str:
    """How many seeds leave the value axis, and how far they go."""
    parts = []
    for variant, curve in curves.items():
        outside = (curve.seeds < limits[0]) | (curve.seeds > limits[1])
        if outside.any():
            values = curve.seeds[outside]
            furthest = float(values[np.abs(values - sum(limits) / 2).argmax()])
            n_out = np.count_nonzero(outside.any(axis=1))
            reach = f"as far as {round_number(furthest)}"
            parts.append(f"{n_out} of {len(curve.seeds)} seeds of {variant}, {reach}")
    return f"off scale at times: {'; '.join(parts)}" if parts else ""


def rates_figure(
    rates: Mapping[str, Mapping[str, SmoothedSeeds]],
    *,
    title: str,
    planned: Mapping[str, int],
    caption: Sequence[str],
) -> Figure:
    """Draw the shares and rates of one problem with their bands, stacked over one episode axis.

    Args:
        rates: by quantity, `success`, `falls` or `failures` (per 1,000 steps) and `truncated`,
            curves by variant; those that are not known are not there.
        title: above all.
        planned: number of seeds by variant.
        caption: paragraphs below what the figure itself says of lines, bands and window.
    """
    parts = []
    for quantity, of in rates.items():
        texts = {v: variant_words(v, len(curve.seeds), planned[v]) for v, curve in of.items()}
        drawn = [values for curve in of.values() for values in drawn_curves(curve)]
        limits = limits_of(drawn, quantity)
        parts.append(Panel("", of, texts, axis_label(quantity), limits))
    unknown = [name for name in ("success", "truncated") if name not in rates]
    notes = [f"not recorded, so left out: {', '.join(unknown)}"] if unknown else []
    note = ". ".join(filter(None, [*notes, *(off_scale_note([part]) for part in parts)]))
    words = [band_words({"": next(iter(rates.values()))}), *caption]
    return draw_panels(parts, title, note, words, n_columns=1)[0]


def save_png(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG; the file appears whole or not at all, with the same bytes each time.

    Missing folders are created. A file of that name is replaced.
    """
    picture = io.BytesIO()
    figure.canvas.print_png(picture, metadata=PNG_METADATA, pil_kwargs={"compress_level": 1})
    path = Path(path)
    Location.of(path.parent).write(path.name, picture.getbuffer())
