"""Performance profiles and tuning-budget curves: one panel per environment, a line per variant.

Also how all figures of scores read their entries and name what is not named at a line's end.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hq_ray.analysis.drawing.captions import format_number, round_number
from hq_ray.analysis.drawing.figure_bands import draw_band, marker_positions
from hq_ray.analysis.drawing.figure_facets import facets
from hq_ray.analysis.drawing.figure_keys import (
    corner,
    draw_intervals,
    key_room,
    line_look,
    marker_look,
    write_key,
)
from hq_ray.analysis.drawing.labels import MAX_DIRECT_LABELS, LineLabel, label_room, write_labels
from hq_ray.analysis.drawing.page import size_in_points, text_width
from hq_ray.analysis.drawing.panels import dress
from hq_ray.analysis.drawing.score_entries import (
    Columns,
    Entry,
    focused,
    label_of,
    missing_words,
    named_words,
    off_scale,
    paragraphs,
    read,
    sentences,
    stacked,
    variants_of,
)
from hq_ray.analysis.drawing.style import INK, LABEL_SIZE, LineStyle, variant_styles
from hq_ray.errors import InputError


def profile_figure(
    *,
    profiles: Mapping[str, Mapping[str, Entry]],
    score_label: str | Mapping[str, str],
    title: str,
    caption: str | Sequence[str] = "",
    runs: str = "runs",
) -> Figure:
    """Draw the share of runs that score above each tau, a step line with a band per variant.

    F(tau) = mean over runs of [score > tau]; Agarwal et al., NeurIPS 2021, section 4.

    Args:
        profiles: by panel, which is an environment or a kind of run, and variant: `tau`
            `(n_points,)` ascending, best the scores themselves, at which the shares change,
            `share` in [0, 1], and where there is a band `low` and `high`.
        score_label: of the tau axis with its unit, one for all or one per panel.
        title, caption: above and below the panels.
        runs: what is counted, such as `runs` or `configurations`.

    Raises:
        InputError: when there is no panel or variant, or arrays are missing or unequal in length.
    """
    lines = read(profiles, "a performance profile", ("tau", "share"), ("low", "high"))
    styles = variant_styles(variants_of(lines))
    limits = {panel: _tau_limits(row) for panel, row in lines.items()}
    note = sentences(
        missing_words("nothing to draw", lines, ("tau", "share")),
        missing_words("no band", lines, ("low", "high")),
        named_words("off scale", off_scale(lines, "tau", limits)),
    )
    figure, frames = facets(title, note, paragraphs(caption), [*lines], key_room(styles), True)
    for axes, (panel, row) in zip(frames, lines.items(), strict=True):
        label = label_of(score_label, panel)
        ylabel = f"{runs} above tau [share]"
        dress(axes, f"tau: {label}", ylabel, limits[panel], (-0.03, 1.03), title=panel)
        for rank, (variant, line) in enumerate(row.items()):
            _draw_profile(axes, line, styles[variant], rank / len(row))
    write_key(corner(frames), [(name, line_look(style)) for name, style in styles.items()])
    return figure


def _draw_profile(axes: Axes, line: Columns, style: LineStyle, shift: float) -> None:
    """A step line that falls right of each tau, its band and a few markers."""
    tau, share = line["tau"], line["share"]
    edges = (np.repeat(line[side], 2)[:-1] for side in ("low", "high"))
    draw_band(axes, *edges, np.repeat(tau, 2)[1:], color=style.color, alpha=0.2)
    look = {"color": style.color, "linestyle": style.linestyle, "linewidth": 1.8}
    axes.add_line(Line2D(tau, share, drawstyle="steps-post", **look))
    shown = np.flatnonzero((tau >= axes.get_xlim()[0]) & (tau <= axes.get_xlim()[1]))
    at = shown[marker_positions(len(shown), shift)]
    axes.add_line(Line2D(tau[at], share[at], **marker_look(style)))


def _tau_limits(row: Mapping[str, Columns]) -> tuple[float, float]:
    """All taus, or those around the middle half of the runs where few lie far away."""
    inner = [
        line["tau"][(line["share"] >= 0.25) & (line["share"] <= 0.75)] for line in row.values()
    ]
    return focused(np.concatenate(inner), stacked(row.values(), "tau"))


def budget_figure(
    *,
    budgets: Mapping[str, Mapping[str, Entry]],
    score_label: str,
    title: str,
    caption: str | Sequence[str] = "",
    equal_budget: float | Mapping[str, float | None] | None = None,
) -> Figure:
    """Draw what the best of k configurations is expected to score on fresh seeds, over log k.

    Each line ends where its variant has no more configurations. Terrible scores of the first few
    leave the axis where they would dwarf the rest; the note says so.

    Args:
        budgets: by environment and variant: `n_tried` `(n_points,)` ascending from 1, `score`, and
            where there is an interval `low` and `high`.
        score_label: of the value axis, with its unit.
        title, caption: above and below the panels.
        equal_budget: how many configurations each variant was held to, for all or by environment.

    Raises:
        InputError: when there is no panel or variant, arrays are missing or unequal in length, or a
            number of configurations is below 1.
    """
    lines = read(budgets, "a budget curve", ("n_tried", "score"), ("low", "high"))
    counts = stacked([line for row in lines.values() for line in row.values()], "n_tried")
    if not (counts >= 1).all():
        raise InputError(
            f"numbers of configurations tried must be 1 or more; given {round_number(counts.min())}"
        )
    styles = variant_styles(variants_of(lines))
    labels = [_budget_ends(row, styles) for row in lines.values()]
    direct = all(_meet(ends) for ends in labels)
    room = max(map(label_room, labels)) if direct else key_room(styles)
    limits = {env: _budget_limits(row) for env, row in lines.items()}
    held = equal_budget if isinstance(equal_budget, Mapping) else dict.fromkeys(lines, equal_budget)
    alone = {e: [v for v, x in row.items() if len(x["n_tried"]) == 1] for e, row in lines.items()}
    note = sentences(
        missing_words("nothing to draw", lines, ("n_tried", "score")),
        missing_words("no interval", lines, ("low", "high")),
        named_words("one point only", alone),
        _budget_words(held),
        named_words("off scale", off_scale(lines, "score", limits)),
    )
    figure, frames = facets(title, note, paragraphs(caption), [*lines], room, not direct)
    for axes, (env, row), ends in zip(frames, lines.items(), labels, strict=True):
        _dress_budget(axes, env, row, score_label, limits[env])
        if held.get(env) is not None:
            axes.axvline(held[env], color=INK, linewidth=1.0, linestyle=(0, (1, 3)), zorder=1.5)
        for variant, line in row.items():
            _draw_budget(axes, line, styles[variant])
        if direct:
            write_labels(axes, ends)
    if not direct:
        write_key(corner(frames), [(name, line_look(style)) for name, style in styles.items()])
    return figure


def _budget_ends(row: Mapping[str, Columns], styles: Mapping[str, LineStyle]) -> list[LineLabel]:
    """A label where each line was last known."""
    ends = []
    for variant, line in row.items():
        known = np.flatnonzero(np.isfinite(line["score"]))
        if known.size:
            x, value = (float(line[name][known[-1]]) for name in ("n_tried", "score"))
            ends.append(LineLabel(variant, x, value, styles[variant]))
    return ends


def _meet(ends: Sequence[LineLabel]) -> bool:
    """Whether few lines end at one place; beside others, a name would need a leader across them."""
    return len(ends) <= MAX_DIRECT_LABELS and len({end.x for end in ends}) <= 1


def _budget_limits(row: Mapping[str, Columns]) -> tuple[float, float]:
    """All values, or those around the right half of the log axis where the left is far away."""
    inner = [
        line[name][line["n_tried"] >= math.sqrt(line["n_tried"].max())]
        for line in row.values()
        for name in ("score", "low", "high")
    ]
    return focused(np.concatenate(inner), stacked(row.values(), "score", "low", "high"))


def _dress_budget(
    axes: Axes,
    env: str,
    row: Mapping[str, Columns],
    score_label: str,
    limits: tuple[float, float],
) -> None:
    most = max(float(line["n_tried"].max()) for line in row.values())
    span = (0.5, 2.0) if most == 1 else (most**-0.04, most**1.04)
    ticks = count_ticks(most, size_in_points(axes)[0])
    texts = [format_number(tick) for tick in ticks]
    xlabel, look = "configurations tried [number]", {"xscale": "log", "title": env}
    dress(axes, xlabel, score_label, span, limits, xticks=(ticks, texts), **look)


def count_ticks(most: float, width: float) -> list[float]:
    """1, 2, 5, 10, ... up to `most` on a log axis of `width` points, or powers of 10 only."""
    decade = width / max(1e-9, 1.08 * math.log10(most)) if most > 1 else width
    powers = [10.0**power for power in range(int(math.log10(most) + 1e-9) + 1)]
    if 0.3 * decade > 12 + text_width(format_number(most), LABEL_SIZE):
        ticks = [m * power for power in powers for m in (1, 2, 5)]
        return [tick for tick in ticks if tick <= most]
    step = math.ceil((12 + text_width(format_number(powers[-1]), LABEL_SIZE)) / decade)
    return powers[::step]


def _budget_words(held: Mapping[str, float | None]) -> str:
    """What the vertical lines stand for."""
    known = {env: round_number(budget) for env, budget in held.items() if budget is not None}
    if len(set(known.values())) == 1:
        return f"vertical line: equal budget of {next(iter(known.values()))}"
    return named_words("vertical line: equal budget", {env: [text] for env, text in known.items()})


def _draw_budget(axes: Axes, line: Columns, style: LineStyle) -> None:
    x, score = line["n_tried"], line["score"]
    if len(x) == 1:
        draw_intervals(axes, x, line["low"], line["high"], "y", color=style.color)
    else:
        draw_band(axes, line["low"], line["high"], x, color=style.color, alpha=0.2)
    axes.add_line(Line2D(x, score, **(line_look(style) | {"marker": ""})))
    # Markers stand evenly on the log axis; the ends have one each.
    at = np.searchsorted(x, np.geomspace(x[0], x[-1], 6) * (1 - 1e-9)).clip(max=len(x) - 1)
    at = np.unique(at)
    axes.add_line(Line2D(x[at], score[at], **marker_look(style)))
