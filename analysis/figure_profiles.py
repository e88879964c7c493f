"""Performance profiles and tuning-budget curves: one panel per environment, a line per variant.

Also how all figures of scores read their entries and name what is not named at a line's end.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.captions import format_number, round_number
from analysis.figure_bands import draw_band, marker_positions
from analysis.figure_facets import facets
from analysis.labels import MAX_DIRECT_LABELS, LineLabel, label_room, write_labels
from analysis.page import MARGIN, size_in_points, text_width
from analysis.panels import dress, padded
from analysis.style import INK, LABEL_SIZE, LineStyle, variant_styles
from hq_ray.errors import InputError, near_miss

Entry = Mapping[str, object]
Columns = Mapping[str, np.ndarray]
KEY_START, KEY_HANDLE, KEY_GAP = 12.0, 30.0, 6.0
# An axis leaves the far away out when that would take this many times the room of the rest.
FOCUS = 3.0
MOST_NAMED = 3


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
            `(n_points,)` ascending, `share` in [0, 1], and where there is a band `low` and `high`.
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


def variants_of(rows: Mapping[str, Mapping]) -> list[str]:
    """All variants of all panels, in order of appearance."""
    return list(dict.fromkeys(name for row in rows.values() for name in row))


def required(rows: Mapping[str, Mapping], what: str) -> None:
    """Refuse no panels, and panels without variants."""
    if not rows:
        raise InputError(f"{what} needs at least one environment; given none")
    bare = [panel for panel, row in rows.items() if not row]
    if bare:
        raise InputError(f"{what} needs at least one variant in every panel; none in {bare[0]!r}")


def read(
    rows: Mapping[str, Mapping[str, Entry]],
    what: str,
    needed: Sequence[str],
    optional: Sequence[str] = (),
) -> dict[str, dict[str, Columns]]:
    """The entries' columns as float64 arrays of one length; None is NaN, absent optional ones too.

    Raises:
        InputError: no panel or variant, a column is missing, or lengths differ.
    """
    required(rows, what)
    found: dict[str, dict[str, Columns]] = {panel: {} for panel in rows}
    for panel, row in rows.items():
        for variant, entry in row.items():
            missing = [name for name in needed if entry.get(name) is None]
            if missing:
                hint = near_miss(missing[0], entry)
                raise InputError(f"{variant} in {panel!r} has no {missing[0]!r}{hint}")
            n = np.size(entry[needed[0]])
            given = {name: entry.get(name) for name in (*needed, *optional)}
            arrays = {
                name: np.full(n, np.nan) if values is None else np.asarray(values, float).ravel()
                for name, values in given.items()
            }
            if n == 0 or {array.size for array in arrays.values()} != {n}:
                sizes = ", ".join(f"{name} {array.size}" for name, array in arrays.items())
                raise InputError(
                    f"columns must have one length, at least 1; {variant} in {panel!r} has {sizes}"
                )
            found[panel][variant] = arrays
    return found


def label_of(score_label: str | Mapping[str, str], panel: str) -> str:
    """The label of a panel, where they may differ."""
    if isinstance(score_label, str):
        return score_label
    if panel not in score_label:
        raise InputError(f"every panel needs a score label; {panel!r} has none")
    return score_label[panel]


def stacked(entries: Iterable[Columns], *names: str) -> np.ndarray:
    """All values of some columns of several entries, one after the other."""
    return np.concatenate([entry[name] for entry in entries for name in names])


def paragraphs(caption: str | Sequence[str]) -> list[str]:
    """A caption as a list of paragraphs."""
    return [caption] if isinstance(caption, str) else list(caption)


def sentences(*words: str) -> str:
    """Those that say something, one after the other."""
    return ". ".join(filter(None, words))


def named_words(what: str, names: Mapping[str, Sequence[str]]) -> str:
    """`what: CliffWalking-v1 (standard, harmonic); ...`; empty where nobody is named."""
    parts = [f"{panel} ({', '.join(some)})" for panel, some in names.items() if some]
    if len(parts) > MOST_NAMED:
        parts = [*parts[:MOST_NAMED], f"and {len(parts) - MOST_NAMED} more"]
    return f"{what}: {'; '.join(parts)}" if parts else ""


def missing_words(
    what: str, rows: Mapping[str, Mapping[str, Columns]], names: Sequence[str]
) -> str:
    """Who has no point at which all of these columns are known."""
    none = {
        panel: [
            variant
            for variant, entry in row.items()
            if not np.all([np.isfinite(entry[name]) for name in names], axis=0).any()
        ]
        for panel, row in rows.items()
    }
    return named_words(what, none)


def off_scale(
    rows: Mapping[str, Mapping[str, Columns]],
    name: str,
    limits: Mapping[str, tuple[float, float]],
) -> dict[str, list[str]]:
    """By panel, how far the values of a column go beyond the limits, where they do."""
    found: dict[str, list[str]] = {}
    for panel, row in rows.items():
        low, high = limits[panel]
        values = stacked(row.values(), name)
        beyond = values[(values < low) | (values > high)]
        furthest = np.abs(beyond - (low + high) / 2).argmax() if beyond.size else None
        found[panel] = [] if furthest is None else [f"to {round_number(beyond[furthest])}"]
    return found


def focused(inner: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """Limits around all values, or those near the inner ones when the others are far away."""
    inner, values = inner[np.isfinite(inner)], values[np.isfinite(values)]
    span = float(np.ptp(inner)) if inner.size else 0.0
    if not span or np.ptp(values) <= FOCUS * 3 * span:
        return padded(values)
    low, high = inner.min() - span, inner.max() + span
    return padded([max(low, values.min()), min(high, values.max())])


def line_look(style: LineStyle) -> dict[str, object]:
    """How a line of a variant looks, with its marker."""
    look = {"color": style.color, "linestyle": style.linestyle, "linewidth": 1.8}
    return look | {"marker": style.marker, "markersize": 5.5}


def marker_look(style: LineStyle) -> dict[str, object]:
    """How its markers look where they stand alone."""
    return line_look(style) | {"linestyle": ""}


def key_room(names: Iterable[str]) -> float:
    """Room on the right of a panel for a key with these names."""
    width = max(text_width(name, LABEL_SIZE) for name in names)
    return KEY_START + KEY_HANDLE + KEY_GAP + width + MARGIN


def write_key(axes: Axes, entries: Sequence[tuple[str, Mapping[str, object]]]) -> None:
    """Write names beside a panel, from its top down, each with a piece of its line."""
    width, height = size_in_points(axes)
    for rank, (name, look) in enumerate(entries):
        row = 1 - (rank + 0.5) * LABEL_SIZE * 1.8 / height
        across = [1 + (KEY_START + part * KEY_HANDLE) / width for part in (0, 0.5, 1)]
        place = {"transform": axes.transAxes, "clip_on": False, "markevery": [1]}
        axes.add_line(Line2D(across, [row] * 3, **(dict(look) | place)))
        left = 1 + (KEY_START + KEY_HANDLE + KEY_GAP) / width
        text = {"size": LABEL_SIZE, "color": look["color"], "va": "center_baseline"}
        axes.text(left, row, name, transform=axes.transAxes, parse_math=False, **text)


def corner(frames: Sequence[Axes]) -> Axes:
    """The panel in the upper right."""
    top = max(round(frame.get_position().y1, 6) for frame in frames)
    first = [frame for frame in frames if round(frame.get_position().y1, 6) == top]
    return max(first, key=lambda frame: frame.get_position().x1)


def draw_intervals(
    axes: Axes, places: np.ndarray, low: np.ndarray, high: np.ndarray, along: str, **look: object
) -> None:
    """Bars with caps from low to high along `x` or `y`, at places on the other axis."""
    look = {"linewidth": 2.0, "solid_capstyle": "butt", "zorder": 2} | look
    look |= {"marker": "|" if along == "x" else "_", "markersize": 7}
    for place, *ends in zip(places, low, high, strict=True):
        if np.isfinite(ends).all():
            across = (ends, [place] * 2) if along == "x" else ([place] * 2, ends)
            axes.add_line(Line2D(*across, **look))
