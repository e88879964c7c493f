"""Scores of variants and how they compare: intervals, chances of improvement, paired seeds."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hq_ray.analysis.drawing.captions import format_number
from hq_ray.analysis.drawing.figure_keys import draw_intervals, marker_look
from hq_ray.analysis.drawing.figure_rows import dress_rows, row_panels
from hq_ray.analysis.drawing.page import shorten, size_in_points, text_width
from hq_ray.analysis.drawing.panels import padded
from hq_ray.analysis.drawing.score_entries import (
    Entry,
    label_of,
    named_words,
    required,
    sentences,
    variants_of,
)
from hq_ray.analysis.drawing.style import (
    INK,
    LABEL_SIZE,
    MUTED,
    TICK_SIZE,
    LineStyle,
    variant_styles,
)
from hq_ray.errors import InputError, near_miss

STATISTICS = {"mean": "mean", "median": "median", "iqm": "IQM"}
OVERALL = "overall"
WIDEST_ENV = 220.0
GOLDEN = (5**0.5 - 1) / 2


def intervals_figure(
    *,
    scores: Mapping[str, Mapping[str, Entry]],
    score_label: str | Mapping[str, str],
    title: str,
    caption: str | Sequence[str] = "",
) -> Figure:
    """Draw mean, median and IQM of each variant with intervals, and its seeds as dots above them.

    Optimality gaps, for which less is better, have panels of their own.

    Args:
        scores: by environment (and `overall`) and variant: any of `mean`, `median`, `iqm` and
            `gap`, each `{"estimate", "low", "high"}` with None for limits that there are not, and
            `seeds`, the score of each.
        score_label: of the score axis with its unit, one for all or one per panel, as an overall
            score is a normalised one.
        title, caption: above and below the panels.

    Raises:
        InputError: when there is no environment or variant, or a statistic is unknown.
    """
    required(scores, "a figure of intervals")
    styles = variant_styles(variants_of(scores))
    rows = {env: _score_rows(row) for env, row in scores.items()}
    labels = {env: label_of(score_label, env) for env in scores}
    for env, row in scores.items():
        gaps = [(name, name, limits_of(e["gap"])) for name, e in row.items() if e.get("gap")]
        if gaps:
            rows[f"{env}: optimality gap"] = gaps
            labels[f"{env}: optimality gap"] = "mean shortfall (lower is better)"
    alone = {
        env: [name for name, entry in row.items() if not _has_interval(entry)]
        for env, row in scores.items()
    }
    texts = {panel: [(text, name) for text, name, _ in lines] for panel, lines in rows.items()}
    note = named_words("no interval", alone)
    figure, frames = row_panels(title, note, caption, texts, labels=[*labels.values()])
    for axes, (panel, lines) in zip(frames, rows.items(), strict=True):
        drawn = np.concatenate([values for *_, values in lines])
        limits = padded(drawn, 0.06)
        dress_rows(axes, panel, texts[panel], styles, labels[panel], limits)
        _draw_scores(axes, lines, styles, with_seeds=panel in scores)
    return figure


def _score_rows(row: Mapping[str, Entry]) -> list[tuple[str, str, np.ndarray]]:
    """Of each row its text, the variant that it is the head of, and what is drawn in it."""
    rows = []
    for variant, entry in row.items():
        unknown = [name for name in entry if name not in (*STATISTICS, "gap", "seeds")]
        if unknown:
            hint = near_miss(unknown[0], (*STATISTICS, "gap", "seeds"))
            raise InputError(f"unknown statistic {unknown[0]!r}{hint}")
        seeds = numbers(entry.get("seeds", ()))
        count = f" (n = {format_number(int(np.isfinite(seeds).sum()))})" if seeds.size else ""
        rows.append((f"{variant}{count}", variant, seeds))
        shown = [name for name in STATISTICS if entry.get(name) is not None]
        rows += [(STATISTICS[name], "", limits_of(entry[name])) for name in shown]
    return rows


def _draw_scores(axes: Axes, rows: Sequence, styles: Mapping, with_seeds: bool) -> None:
    """Seeds in the rows of heads, where there are such, and intervals in the others."""
    owner = ""
    for level, (_, name, values) in enumerate(rows):
        owner = name or owner
        draw = _draw_seeds if name and with_seeds else draw_row
        draw(axes, level, values, styles[owner])


def _has_interval(entry: Entry) -> bool:
    names = (*STATISTICS, "gap")
    given = [limits_of(entry[name]) for name in names if entry.get(name) is not None]
    return any(np.isfinite(values).all() for values in given)


def _draw_seeds(axes: Axes, level: float, seeds: np.ndarray, style: LineStyle) -> None:
    """Small dots in a row, moved up and down so that equal ones show."""
    heights = level + 0.5 * (np.arange(len(seeds)) * GOLDEN % 1 - 0.5)
    look = {"markersize": 3, "alpha": 0.55, "markeredgewidth": 0, "linestyle": ""}
    axes.add_line(Line2D(seeds, heights, marker="o", color=style.color, **look))


def improvement_figure(
    *,
    improvements: Mapping[str, Entry],
    title: str,
    caption: str | Sequence[str] = "",
    variant: str = "harmonic",
    baseline: str = "standard",
    interval: str = "95 %",
) -> Figure:
    """Draw the probability that a run of one variant is better than one of another, with intervals.

    P = mean over pairs of [Y_variant > Y_baseline] + 0.5 [=]; Agarwal et al., NeurIPS 2021. Filled
    where the interval excludes 0.5.

    Args:
        improvements: by environment, and `overall`: `estimate`, `low`, `high`; with `one_sided`, or
            with one limit None, the other limit is a bound, drawn as an arrow.
        title, caption: above and below the panel.
        variant, baseline: who is compared.
        interval: what the limits are, as the head of their column.

    Raises:
        InputError: when there is no environment, or a number is outside [0, 1].
    """
    if not improvements:
        raise InputError("a figure of improvement needs at least one environment; given none")
    found = {env: limits_of(entry) for env, entry in improvements.items()}
    for env, values in found.items():
        if ((values < 0) | (values > 1)).any():
            raise InputError(f"probabilities must lie in [0, 1]; {env!r} has {values.tolist()}")
    sides = {env: _bound_side(entry, found[env]) for env, entry in improvements.items()}
    words = {env: _improvement_words(values, sides[env]) for env, values in found.items()}
    last = [name for name in found if name == OVERALL]
    order = [name for name in found if name != OVERALL] + last
    head = f"P [{interval}]"
    right = max(text_width(text, TICK_SIZE, "bold") for text in (*words.values(), head)) + 30
    nothing = [env for env in order if np.isnan(found[env][0])]
    bare = [env for env in order if np.isnan(found[env][1:]).all() and env not in nothing]
    note = sentences(_listed("no estimate", nothing), _listed("no interval", bare))
    rows = {"": [(shorten(env, WIDEST_ENV, TICK_SIZE, "bold"), "") for env in order]}
    figure, (axes,) = row_panels(title, note, caption, rows, right=right, pitch=22.0)
    xlabel = f"probability that {variant} is better than {baseline} (ties count half)"
    dress_rows(axes, "", rows[""], {}, xlabel, (-0.02, 1.02), heads=last)
    axes.axvline(0.5, color=INK, linewidth=1.0, zorder=1.5)
    _write_directions(axes, variant, baseline, head)
    styles = variant_styles([variant, baseline])
    for level, env in enumerate(order):
        values = found[env]
        style = styles[variant if values[0] > 0.5 else baseline]
        _draw_improvement(axes, level, values, sides[env], style)
        _write_beside(axes, level, words[env], bold=env == OVERALL)
    return figure


def _listed(what: str, names: Sequence[str]) -> str:
    return f"{what}: {', '.join(names)}" if names else ""


def _bound_side(entry: Entry, values: np.ndarray) -> str:
    """Which limit is a one-sided bound: `low`, `high`, or none."""
    estimate, low, high = values
    if np.isfinite(low) != np.isfinite(high):
        return "low" if np.isfinite(low) else "high"
    if entry.get("one_sided") and np.isfinite(low):
        return "low" if estimate >= 0.5 else "high"
    return ""


def _improvement_words(values: np.ndarray, side: str) -> str:
    estimate, low, high = (f"{value:.2f}" for value in values)
    if np.isnan(values[0]):
        return "missing"
    if side:
        return f"{estimate} [≥ {low}]" if side == "low" else f"{estimate} [≤ {high}]"
    return (
        f"{estimate} [{low}, {high}]" if np.isfinite(values).all() else f"{estimate}, no interval"
    )


def _draw_improvement(
    axes: Axes, level: float, values: np.ndarray, side: str, style: LineStyle
) -> None:
    """Point and interval; an arrow from a one-sided bound to the end of the axis."""
    estimate, low, high = values
    if side:
        start, end = (low, 1.0) if side == "low" else (high, 0.0)
        look = {
            "arrowstyle": "-|>",
            "color": style.color,
            "linewidth": 2,
            "shrinkA": 0,
            "shrinkB": 5,
        }
        axes.annotate("", xy=(end, level), xytext=(start, level), arrowprops=look, zorder=2)
        cap = Line2D([start], [level], marker="|", markersize=11, color=style.color, linestyle="")
        axes.add_line(cap)
        values = np.array([estimate, np.nan, np.nan])
    excluded = low > 0.5 or high < 0.5
    draw_row(axes, level, values, style, filled=bool(excluded))


def _write_directions(axes: Axes, variant: str, baseline: str, head: str) -> None:
    """Who is better on which side, above the panel, and the head of the numbers beside it."""
    width, height = size_in_points(axes)
    look = {"size": LABEL_SIZE, "va": "bottom", "parse_math": False, "transform": axes.transAxes}
    above, half = 1 + 7 / height, width / 2 - 8
    for x, side, text in (
        (0.0, "left", f"← {baseline} better"),
        (1.0, "right", f"{variant} better →"),
    ):
        axes.text(x, above, shorten(text, half, LABEL_SIZE), ha=side, color=INK, **look)
    axes.text(1 + 12 / width, above, head, color=MUTED, **look)


def _write_beside(axes: Axes, level: float, text: str, bold: bool) -> None:
    look = {"size": TICK_SIZE, "weight": "bold" if bold else "normal", "va": "center_baseline"}
    left = 1 + 12 / size_in_points(axes)[0]
    place = axes.get_yaxis_transform()
    axes.text(left, level, text, transform=place, color=INK, parse_math=False, **look)


def numbers(values: object) -> np.ndarray:
    """A flat float64 array; None is NaN."""
    return np.atleast_1d(np.asarray(values, dtype=float)).ravel()


def limits_of(entry: Entry) -> np.ndarray:
    """Estimate, low and high of an interval; NaN for what is None or absent."""
    return np.array([entry.get(name) for name in ("estimate", "low", "high")], dtype=float)


def draw_row(
    axes: Axes, level: float, values: np.ndarray, style: LineStyle, filled: bool = True
) -> None:
    """A point, and its interval with caps where there is one."""
    estimate, low, high = values
    draw_intervals(axes, np.array([level]), *np.array([[low], [high]]), "x", color=style.color)
    face = style.color if filled else "white"
    look = marker_look(style) | {"markersize": 5, "markerfacecolor": face}
    axes.add_line(Line2D([estimate], [level], zorder=3, **look))
