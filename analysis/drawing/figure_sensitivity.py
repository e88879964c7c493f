"""How much a score depends on its hyperparameters: over levels, in a plane, by number tuned."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator
from matplotlib.transforms import Bbox

from hq_ray.analysis.drawing.captions import format_number
from hq_ray.analysis.drawing.figure_level_panel import DODGE, draw_line
from hq_ray.analysis.drawing.figure_levels import Quantity, levels_figure
from hq_ray.analysis.drawing.figure_point_labels import REACH, cross_boxes, write_beside
from hq_ray.analysis.drawing.labels import LineLabel, label_room, write_labels
from hq_ray.analysis.drawing.level_lines import LevelLine, Series
from hq_ray.analysis.drawing.page import size_in_points
from hq_ray.analysis.drawing.panels import decades, dress, padded, panels, round_numbers
from hq_ray.analysis.drawing.style import MUTED, TICK_SIZE, variant_styles
from hq_ray.errors import InputError

LIMITS = {"standard": "standard, limit \N{INFINITY}", "minimum": "minimum, limit 0"}
HEAD = 30.0
PLANE_WORDS = "Best: upper left. Bars: intervals of both."
EFFORT_WORDS = (
    "Bars: interval. Dotted: 95 % of the score with all tuned; ring: fewest that reach it."
)
TUNED_LABEL = "hyperparameters tuned in each environment [number]"


def sensitivity_figure(
    *,
    scores: Mapping[str, Mapping[str, Series]],
    hyperparameter: str,
    score_label: str,
    title: str,
    caption: str | Sequence[str] = "",
) -> Figure:
    """Draw the score over the levels of a hyperparameter, one line per variant.

    Args:
        scores: series by environment and variant, see `drawing.level_lines`; a variant without the
            hyperparameter has levels None and is drawn as a level line.
        hyperparameter: its name.
        score_label: of the value axis, with its unit.
        title: of the figure.
        caption: n, interval type, and whether the rest is fixed (slice), averaged over (marginal)
            or chosen anew at each level (profile).

    Raises:
        InputError: when there is nothing to draw, or a series has arrays of different lengths.
    """
    rows = [Quantity(score_label, scores)]
    return levels_figure(rows, hyperparameter=hyperparameter, title=title, caption=caption)[0]


def eps_shift_figure(
    *,
    scores: Mapping[str, Mapping[str, Series]],
    bias: Mapping[str, Mapping[str, Series]],
    score_label: str,
    title: str,
    bias_label: str = "value bias, mean of Q - Q* [reward units]",
    median_abs_error: Mapping[str, float | None] | None = None,
    caption: str | Sequence[str] = "",
) -> Figure:
    """Draw score and value bias over eps_shift, between the limits of the harmonic update.

    Level lines are its limits: `standard` for a great eps_shift, `minimum` for a small one where
    values are not positive.

    Args:
        scores, bias: series by environment and variant; standard and minimum have levels None.
        score_label, bias_label: of the value axes, with units.
        title: of the figure.
        median_abs_error: of the TD error, by environment, in units of return; given, an axis above
            shows eps_shift divided by it.
        caption: n, interval type and the like.

    Raises:
        InputError: when there is nothing to draw, or a series has arrays of different lengths.
    """
    given = (median_abs_error or {}) if any(scores.values()) else {}
    medians = {env: median for env, median in given.items() if median and median > 0}
    above = HEAD if medians else 0.0
    rows = [Quantity(score_label, scores, head=above), Quantity(bias_label, bias, zero=True)]
    look = {"hyperparameter": "eps_shift", "title": title, "names": LIMITS}
    figure, panels_of = levels_figure(rows, caption=caption, **look)
    for env, median in medians.items():
        if env in panels_of and panels_of[env][0].get_xscale() == "log":
            _draw_ratio_axis(panels_of[env][0], median)
    return figure


def _draw_ratio_axis(axes: Axes, median: float) -> None:
    """An axis above the panel: eps_shift in units of the median TD error."""
    width, height = size_in_points(axes)
    above = axes.secondary_xaxis("top", functions=(lambda x: x / median, lambda x: x * median))
    low, high = (edge / median for edge in axes.get_xlim())
    found = decades(low, high, max(2, int(width / 45)))
    # A text at the left end would touch the top one of the value axis.
    ticks = [tick for tick in found if math.log(tick / low) > 18 / width * math.log(high / low)]
    above.xaxis.set_major_locator(FixedLocator(ticks))
    above.xaxis.set_major_formatter(FixedFormatter([format_number(tick) for tick in ticks]))
    above.xaxis.set_minor_locator(NullLocator())
    above.tick_params(labelsize=TICK_SIZE, color=MUTED, labelcolor=MUTED, pad=2)
    above.spines["top"].set_color(MUTED)
    name = "eps_shift / median |TD error|"
    look = {"size": TICK_SIZE, "color": MUTED, "ha": "center", "va": "bottom", "parse_math": False}
    axes.text(0.5, 1 + (HEAD - TICK_SIZE) / height, name, transform=axes.transAxes, **look)


def sensitivity_plane_figure(
    *,
    points: Mapping[str, Mapping[str, float | None]],
    score_label: str,
    title: str,
    phi_label: str = "sensitivity Phi to hyperparameters [as the score]",
    caption: str | Sequence[str] = "",
) -> Figure:
    """Draw each variant's tuned score against its hyperparameter sensitivity.

    Phi is what tuning in each environment gains over one setting for all of them. Upper left is
    best: a high score that needs little tuning. Adkins, Bowling and White 2024 (NeurIPS), "A
    method for evaluating hyperparameter sensitivity in reinforcement learning".

    Args:
        points: by variant `phi` and `score`, and their intervals `phi_low`, `phi_high`, `score_low`
            and `score_high` where there are any.
        score_label, phi_label: of the axes, with units.
        title: of the figure.
        caption: n, interval type and the like.

    Raises:
        InputError: when there is no variant.
    """
    if not points:
        raise InputError("a sensitivity plane needs at least one variant; given none")
    x, y = ({v: _interval(of, name) for v, of in points.items()} for name in ("phi", "score"))
    shown = [v for v in points if np.isfinite([x[v][0], y[v][0]]).all()]
    hidden = [v for v in points if v not in shown]
    note = f"Missing: {', '.join(hidden)}." if hidden else ""
    styles = variant_styles(points)
    figure, ((axes,),) = panels(title, note, _paragraphs(PLANE_WORDS, caption))
    limits = [padded([side[v] for v in shown], 0.12) for side in (x, y)]
    dress(axes, phi_label, score_label, *limits, grid="xy")
    taken = [axes.transData.transform((x[v][0], y[v][0])) for v in shown]
    boxes = [Bbox.from_extents(*(at - REACH), *(at + REACH)) for at in taken]
    boxes += [box for v in shown for box in cross_boxes(axes, x[v], y[v])]
    for v in shown:
        look = {"color": styles[v].color, "linewidth": 1.4, "zorder": 2}
        axes.add_line(Line2D(x[v][1:], [y[v][0]] * 2, **look))
        axes.add_line(Line2D([x[v][0]] * 2, y[v][1:], **look))
        spot = {"marker": styles[v].marker, "markersize": 8, "color": styles[v].color}
        axes.add_line(Line2D([x[v][0]], [y[v][0]], linestyle="", zorder=3, **spot))
        boxes.append(write_beside(axes, v, (x[v][0], y[v][0]), styles[v].color, boxes))
    return figure


def dimensionality_figure(
    *,
    curves: Mapping[str, Mapping[str, object]],
    score_label: str,
    title: str,
    caption: str | Sequence[str] = "",
) -> Figure:
    """Draw the score reached by the number of hyperparameters tuned in each environment.

    The others stay at the best setting across environments. A ring marks the effective
    dimensionality: the fewest that reach 95 % of what tuning all of them reaches (Adkins,
    Bowling and White 2024).

    Args:
        curves: by variant `n_tuned` and `score`, one number each per step, `low` and `high` where
            there is an interval, and `target`, the 95 % level.
        score_label: of the value axis, with its unit.
        title: of the figure.
        caption: n, interval type and the like.

    Raises:
        InputError: when there is no variant, or arrays have different lengths.
    """
    if not curves:
        raise InputError("a dimensionality figure needs at least one variant; given none")
    lines = {variant: _read_effort(variant, of) for variant, of in curves.items()}
    targets = {v: of.get("target") for v, of in curves.items() if of.get("target") is not None}
    styles = variant_styles(lines)
    flat = [side for line in lines.values() for side in (line.mean, line.low, line.high)]
    limits = padded(np.concatenate([*flat, np.array(list(targets.values()), dtype=float)]), 0.07)
    labels = [
        LineLabel(variant, float(line.positions[-1]), float(line.mean[-1]), styles[variant])
        for variant, line in lines.items()
        if np.isfinite(line.mean[-1:]).any()
    ]
    missing = [v for v, line in lines.items() if not np.isfinite(line.mean).all()]
    note = f"Missing in part: {', '.join(missing)}." if missing else ""
    words = _paragraphs(EFFORT_WORDS, caption)
    figure, ((axes,),) = panels(title, note, words, right=label_room(labels))
    most = max(float(line.positions.max()) for line in lines.values())
    ticks = round_numbers(0, most, 10, integer=True)
    look = {"xticks": (ticks, [format_number(tick) for tick in ticks])}
    dress(axes, TUNED_LABEL, score_label, (-0.25, most + 0.25), limits, **look)
    for rank, (variant, line) in enumerate(lines.items()):
        draw_line(axes, line, styles[variant], DODGE * (rank - (len(lines) - 1) / 2))
        if variant in targets:
            look = {"color": styles[variant].color, "linestyle": (0, (1, 3)), "linewidth": 1.1}
            axes.axhline(targets[variant], zorder=1.5, **look)
            spot = {"marker": styles[variant].marker, "color": styles[variant].color}
            axes.add_line(Line2D([-0.2], [targets[variant]], markersize=4, zorder=2, **spot))
    write_labels(axes, labels)
    return figure


def _read_effort(variant: str, given: Mapping[str, object]) -> LevelLine:
    """A line over the number tuned, its ring where it first reaches the target."""
    n_tuned = np.asarray(given["n_tuned"], dtype=float)
    score = np.asarray(given["score"], dtype=float)
    missing = np.full(score.shape, np.nan)
    sides = (given.get(k) for k in ("low", "high"))
    low, high = (missing if side is None else np.asarray(side, dtype=float) for side in sides)
    if len({n_tuned.shape, score.shape, low.shape, high.shape}) > 1 or not score.size:
        raise InputError(
            "score, low and high need one number per n_tuned, at least one; given "
            f"{score.size}, {low.size} and {high.size} for {n_tuned.size} of variant {variant!r}"
        )
    target = given.get("target")
    reached = np.flatnonzero(score >= (np.inf if target is None else target))
    ring = float(n_tuned[reached[0]]) if reached.size else None
    texts = tuple(map(format_number, n_tuned))
    return LevelLine(variant, n_tuned, texts, score, low, high, ring)


def _interval(given: Mapping[str, float | None], name: str) -> tuple[float, float, float]:
    """Value, low and high; an interval that is missing has no length."""
    value = given.get(name)
    value = math.nan if value is None else float(value)
    ends = (given.get(f"{name}_{end}") for end in ("low", "high"))
    return value, *(value if end is None or end != end else float(end) for end in ends)


def _paragraphs(first: str, caption: str | Sequence[str]) -> list[str]:
    given = [caption] if isinstance(caption, str) else caption
    return [text for text in (first, *given) if text]
