"""Scores of variants and how they compare: intervals, chances of improvement, paired seeds."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.captions import format_number
from analysis.figure_facets import facets
from analysis.figure_profiles import (
    Entry,
    draw_intervals,
    key_room,
    label_of,
    marker_look,
    named_words,
    paragraphs,
    read,
    required,
    sentences,
    variants_of,
    write_key,
)
from analysis.level_axis import shorten
from analysis.page import MARGIN, size_in_points, text_width, write_page
from analysis.panels import NAME_ROOM, TICK_ROOM, dress, padded
from analysis.style import (
    FIGURE_INCHES,
    GRID,
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
ROW_HEIGHT, WIDEST_ROW_NAME, WIDEST_ENV, NARROWEST = 15.0, 330.0, 220.0, 120.0
MANY_PAIRS = 60
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
            labels[f"{env}: optimality gap"] = "mean shortfall from the goal (lower is better)"
    rows = {panel: lines for panel, lines in rows.items() if lines}
    alone = {
        env: [name for name, entry in row.items() if not _has_interval(entry)]
        for env, row in scores.items()
    }
    texts = {panel: [(text, name) for text, name, _ in lines] for panel, lines in rows.items()}
    note = named_words("no interval", alone)
    figure, frames = row_panels(title, note, caption, texts)
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


def pairs_figure(
    *,
    pairs: Mapping[str, Mapping[str, Sequence[float]]],
    score_label: str | Mapping[str, str],
    title: str,
    caption: str | Sequence[str] = "",
    variant: str = "harmonic",
    baseline: str = "standard",
    higher_is_better: bool = True,
) -> Figure:
    """Draw a line per seed from its score with the baseline to that with the variant.

    Args:
        pairs: by environment, the scores of both by name, in the same order of seeds; a seed that
            lacks one of them is left out, and the note says so.
        score_label: of the value axis with its unit, one for all or one per environment.
        title, caption: above and below the panels.
        variant, baseline: who is compared; the baseline stands on the left.
        higher_is_better: which way a line of a win goes.

    Raises:
        InputError: when there is no environment, or one lacks a score list or has unequal ones.
    """
    entries = {env: {"pair": row} for env, row in pairs.items()}
    given = read(entries, "a figure of pairs", (baseline, variant))
    styles = variant_styles([baseline, variant])
    looks = {
        "win": {"color": styles[variant].color, "linestyle": "-"},
        "tie": {"color": MUTED, "linestyle": (0, (1, 1.6))},
        "loss": {"color": styles[baseline].color, "linestyle": (0, (5, 2))},
    }
    scores, dropped = {}, {}
    for env, row in given.items():
        both = np.stack([row["pair"][baseline], row["pair"][variant]])
        known = np.isfinite(both).all(axis=0)
        scores[env] = both[:, known]
        dropped[env] = [f"{(~known).sum()} of {known.size}"] if not known.all() else []
    note = sentences(
        f"a win: {variant} better than {baseline}",
        named_words("seeds without both scores", dropped),
    )
    n_most = max(both.shape[1] for both in scores.values())
    room = key_room([f"losses {format_number(n_most)}"])
    figure, frames = facets(title, note, paragraphs(caption), [*scores], room)
    for axes, (env, both) in zip(frames, scores.items(), strict=True):
        label = label_of(score_label, env)
        ticks = ((0.0, 1.0), (baseline, variant))
        dress(axes, "", label, (-0.15, 1.15), padded(both, 0.06), title=env, xticks=ticks)
        signs = np.sign(both[1] - both[0]) * (1 if higher_is_better else -1)
        kinds = np.array(["loss", "tie", "win"])[signs.astype(int) + 1]
        _draw_pairs(axes, both, kinds, looks)
        _write_counts(axes, kinds, looks)
    return figure


def _draw_pairs(axes: Axes, both: np.ndarray, kinds: np.ndarray, looks: Mapping) -> None:
    """Lines with a dot at each end, thin where there are many; losses, often fewer, on top."""
    many = both.shape[1] > MANY_PAIRS
    look = {"linewidth": 0.5, "alpha": 0.45} if many else {"linewidth": 1.3, "alpha": 0.75}
    look |= {"marker": "o", "markersize": 2 if many else 3.5}
    for kind in ("tie", "win", "loss"):
        for ends in both[:, kinds == kind].T:
            axes.add_line(Line2D([0, 1], ends, gid=kind, **(look | looks[kind])))


def _write_counts(axes: Axes, kinds: np.ndarray, looks: Mapping) -> None:
    words = {"win": "wins", "tie": "ties", "loss": "losses"}
    counts = {kind: format_number(int((kinds == kind).sum())) for kind in words}
    entries = [
        (f"{words[kind]} {counts[kind]}", looks[kind] | {"linewidth": 1.6}) for kind in words
    ]
    write_key(axes, entries)


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
    look = marker_look(style) | {"markersize": 6, "markerfacecolor": face}
    axes.add_line(Line2D([estimate], [level], zorder=3, **look))


def row_panels(
    title: str,
    note: str,
    caption: str | Sequence[str],
    rows: Mapping[str, Sequence[tuple[str, str]]],
    *,
    n_columns: int = 2,
    right: float = MARGIN,
    pitch: float = ROW_HEIGHT,
) -> tuple[Figure, list[Axes]]:
    """A page whose panels hold rows of text, each row equally high.

    Args:
        title, note, caption: see `analysis.page.write_page`.
        rows: by panel, the text of each row and the variant that it is the name of, or "".
        n_columns: at most; fewer where a panel's name does not fit.
        right: room right of each panel, in points.
        pitch: least height of a row, in points.
    """
    texts = [_row_name(text) for row in rows.values() for text, _ in row]
    left = max(text_width(text, TICK_SIZE, "bold") for text in texts) + 12 + MARGIN
    width, height = FIGURE_INCHES
    span = 72 * width / 2 - left - right
    widest = max(text_width(name, LABEL_SIZE, "bold") for name in rows)
    n_columns = min(n_columns if max(NARROWEST, widest - right) <= span else 1, len(rows))
    counts = [len(row) for row in rows.values()]
    lines = [counts[start : start + n_columns] for start in range(0, len(counts), n_columns)]
    page = write_page(title, note, paragraphs(caption))
    texts_height = page.height - page.top + page.bottom + len(lines) * (NAME_ROOM + TICK_ROOM)
    n_rows = sum(map(max, lines))
    inches = (width, max(height, (texts_height + pitch * n_rows) / 72))
    pitch = (72 * inches[1] - texts_height) / n_rows
    page = write_page(title, note, paragraphs(caption), inches)
    frames, top = [], page.top
    for line in lines:
        for column, count in enumerate(line):
            start, end = (page.width * (column + side) / n_columns for side in (0, 1))
            frame_top = top - NAME_ROOM
            edges = (start + left, frame_top - pitch * count, end - right, frame_top)
            frames.append(page.add_axes(*edges))
        top -= NAME_ROOM + TICK_ROOM + pitch * max(line)
    return page.figure, frames


def _row_name(text: str) -> str:
    return shorten(text, WIDEST_ROW_NAME, TICK_SIZE, "bold")


def dress_rows(
    axes: Axes,
    name: str,
    rows: Sequence[tuple[str, str]],
    styles: Mapping[str, LineStyle],
    xlabel: str,
    xlimits: tuple[float, float],
    heads: Sequence[str] = (),
) -> None:
    """Dress one panel of `row_panels`: names left of its rows, heads bold, lines between blocks.

    Args:
        axes: the frame.
        name: of the panel.
        rows: its rows, as `row_panels` was given them.
        styles: by variant; the head of a variant's rows has its colour.
        xlabel, xlimits: of the horizontal axis.
        heads: texts of further rows to set off as heads.
    """
    ticks = (range(len(rows)), [_row_name(text) for text, _ in rows])
    dress(axes, xlabel, name, xlimits, (len(rows) - 0.5, -0.5), yticks=ticks, grid="x")
    axes.yaxis.label.set_weight("bold")
    axes.tick_params(axis="y", length=0)
    for level, ((text, variant), tick) in enumerate(zip(rows, axes.get_yticklabels(), strict=True)):
        if variant or text in heads:
            tick.set(weight="bold", color=styles[variant].color if variant else INK)
            if level:
                axes.axhline(level - 0.5, color=GRID, linewidth=1.2, zorder=0.5)
