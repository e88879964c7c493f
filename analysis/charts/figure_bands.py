"""Means with their bands: how one is drawn, and what its value axis shows, in all figures.

A curve is a `SmoothedSeeds`, whether its seeds are at hand or only their mean and band are.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon

from hq_ray.analysis.charts.captions import single_seeds
from hq_ray.analysis.charts.style import LineStyle
from hq_ray.analysis.reading.smoothing import thin_indices
from hq_ray.analysis.statistics.means import SmoothedSeeds
from hq_ray.errors import InputError, near_miss

AXIS_LABELS = {
    "returns": "episode return [reward units]",
    "steps": "steps per episode [steps]",
    "success": "episodes that succeed [share]",
    "truncated": "episodes cut off by the step limit [share]",
    "falls": "falls per 1,000 steps [falls]",
    "failures": "episodes that fail per 1,000 steps [episodes]",
}
SHARES = frozenset({"success", "truncated"})
RATES = frozenset({"falls", "failures"})
BAD_IS_HIGH = frozenset({"steps"}) | RATES
N_BINS = 600
CLIP_FACTOR = 10.0
N_MARKERS = 7
WARM_UP_ALPHA = 0.5


def axis_label(quantity: str) -> str:
    """What stands at the value axis of a quantity, with its unit."""
    if quantity not in AXIS_LABELS:
        raise InputError(f"unknown quantity {quantity!r}{near_miss(quantity, AXIS_LABELS)}")
    return AXIS_LABELS[quantity]


def limits_of(
    drawn: Sequence[np.ndarray], quantity: str, levels: Sequence[float] = ()
) -> tuple[float, float]:
    """All that is drawn, without a bad start that would dwarf the rest.

    Bad is low for returns and high for steps; see `informative_low`. Shares always have 0 to 1, and
    rates begin at 0.

    Args:
        drawn: arrays `(n_points,)` of what is drawn; NaN is not.
        quantity: what the values are.
        levels: that must be on the axis.
    """
    if quantity in SHARES:
        return -0.03, 1.03
    sign = -1.0 if quantity in BAD_IS_HIGH else 1.0
    finite = [sign * values[np.isfinite(values)] for values in drawn]
    finite = [values for values in finite if values.size]
    goals = [sign * level for level in levels]
    if not finite:
        return 0.0, 1.0
    if quantity in RATES:
        goals.append(0.0)
    highest = max([*(float(values.max()) for values in finite), *goals])
    low, high = sorted((sign * informative_low(finite, goals), sign * highest))
    if quantity in RATES:
        return -0.03 * (high or 1.0), 1.05 * (high or 1.0)
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        pad = max(0.05 * abs(high), 0.5)
    else:
        pad = 0.05 * (high - low)
    return low - pad, high + pad


def informative_low(curves: Sequence[np.ndarray], levels: Sequence[float] = ()) -> float:
    """The lowest value an axis needs to show, when what is far below it is an early transient.

    The second half of every curve, and every level, is always above the result. Let `scale` be the
    larger of their range and their median's magnitude. The first half is shown whole unless it lies
    more than CLIP_FACTOR * scale below; then the axis ends one scale below the second half, so that
    one sees the curve come in. What lies above is never cut: only a bad start may leave the axis.

    Args:
        curves: arrays `(..., n_episodes)` of everything that is drawn.
        levels: horizontal lines of the figure.
    """
    whole = min(float(curve.min()) for curve in curves)
    tails = [curve[..., curve.shape[-1] // 2 :].ravel() for curve in curves]
    settled = np.concatenate([*tails, np.asarray(levels, dtype=float)])
    low = float(settled.min())
    scale = max(float(settled.max()) - low, abs(float(np.median(settled))))
    if scale == 0 or low - whole <= CLIP_FACTOR * scale:
        return min(whole, low)
    return low - scale


def draw_band(axes: Axes, low: np.ndarray, high: np.ndarray, **look: object) -> None:
    """Fill between two edges `(n_episodes,)`, wherever both are known.

    Args:
        axes: dressed, with its limits set.
        low, high: edges; NaN leaves a gap.
        look: of the polygon: colour, alpha, hatch.
    """
    known = np.flatnonzero(np.isfinite(low) & np.isfinite(high))
    for run in np.split(known, np.flatnonzero(np.diff(known) > 1) + 1):
        if not run.size:
            continue
        start, end = run[0], run[-1] + 1
        corners = _corners(axes, np.arange(start + 1, end + 1), low[start:end], high[start:end])
        # add_patch would measure every corner as a curve to grow limits that are already set.
        axes.add_artist(Polygon(corners, **({"linewidth": 0, "zorder": 1.2} | look)))


def _corners(axes: Axes, x: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The outline of a band, along its lower edge and back along its upper one."""
    if len(x) == 1:
        # A band over a single point has no width: give it some.
        half = 0.02 * np.ptp(axes.get_xlim())
        across = x[0] + half * np.array([-1, 1, 1, -1])
        return np.column_stack([across, [low[0], low[0], high[0], high[0]]])
    below, above = thin_indices(low, N_BINS), thin_indices(high, N_BINS)[::-1]
    edges = np.concatenate([low[below], high[above]])
    return np.column_stack([x[np.concatenate([below, above])], edges])


def draw_curve(axes: Axes, curve: SmoothedSeeds, style: LineStyle, shift: float = 0.0) -> None:
    """Draw the band, single seeds thin, then the mean with markers, lighter before a full window.

    Args:
        axes: dressed, with its limits set.
        curve: what to draw.
        style: colour, dashes and marker.
        shift: in [0, 1), keeps the markers of two curves apart.
    """
    mean, n_points = curve.over_seeds.mean, curve.n_episodes
    if curve.over_seeds.se is not None:
        low, high = curve.over_seeds.low, curve.over_seeds.high
        draw_band(axes, low, high, color=style.color, alpha=0.2)
    for seed in single_seeds(curve):
        point = "_" if n_points == 1 else ""
        draw_line(axes, seed, style, linewidth=0.7, alpha=0.5, marker=point)
    first = min(curve.window, n_points) - 1
    if first > 0:
        draw_line(axes, mean[: first + 1], style, linewidth=1.8, alpha=WARM_UP_ALPHA)
    if curve.window <= n_points:
        draw_line(axes, mean[first:], style, start=first + 1, linewidth=1.8)
    at = marker_positions(n_points, shift)
    look = {"linestyle": "", "marker": style.marker, "markersize": 5.5}
    axes.add_line(Line2D(1 + at, mean[at], color=style.color, **look))


def draw_line(
    axes: Axes, values: np.ndarray, style: LineStyle, start: int = 1, **look: object
) -> None:
    """Draw a line over episodes from `start`, thinned to what a screen can show."""
    shown = thin_indices(values, N_BINS)
    look = {"linestyle": style.linestyle, "color": style.color} | look
    axes.add_line(Line2D(start + shown, values[shown], **look))


def marker_positions(n_points: int, shift: float) -> np.ndarray:
    """Where a curve has its few markers; `shift` in [0, 1) keeps those of two curves apart."""
    if n_points <= N_MARKERS:
        return np.arange(n_points)
    return ((np.arange(N_MARKERS) + 0.25 + 0.5 * shift) / N_MARKERS * n_points).astype(int)
