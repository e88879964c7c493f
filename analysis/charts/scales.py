"""Value axes that can hold a bad start, and axes of the levels of a hyperparameter."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from hq_ray.analysis.words import format_number

# A range this many times that of what matters is drawn on a compressed scale.
MUCH_WIDER = 8.0
LEAST_SHARE = 1e-3
N_TICKS = 7
# So many levels stand at equal distances; more are numbers on an axis.
MOST_STEPS = 12
UNITS = {
    "eps_shift": "reward units",
    "eps_decay_episodes": "episodes",
    "alpha_decay_episodes": "episodes",
}
MOSTLY_LINEAR_WORDS = "Score axis: linear where most of it is, logarithmic beyond, to show all."
COMPRESSED_WORDS = (
    "Value axis: linear over the second half of training, logarithmic beyond, to show all of it."
)


def padded(values: Sequence[float], share: float = 0.05) -> tuple[float, float]:
    """Limits around values with a little room; constant or no values get some, too."""
    finite = np.asarray(values, dtype=float)
    finite = finite[np.isfinite(finite)]
    if not finite.size:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    pad = share * (high - low)
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        pad = max(share * abs(high), 0.5)
    return low - pad, high + pad


def write_numbers(axis: Axis) -> None:
    """Tick labels as numbers for a reader; between powers of ten, too, where these are few."""
    if axis.get_scale() == "log":
        low, high = axis.get_view_interval()
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 100 * low else (1.0,)))
        axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda value, _: format_number(value)))


def needs_compression(values: np.ndarray, settled: np.ndarray) -> bool:
    """Whether a linear axis of all values would dwarf the settled ones."""
    scale = max(map(abs, (np.nanmin(values), np.nanmax(values)))) if len(values) else 0.0
    wide = np.nanmax(values) - np.nanmin(values)
    return bool(wide > MUCH_WIDER * max(np.nanmax(settled) - np.nanmin(settled), 1e-9 * scale))


def fit_values(axes: Axes, values: np.ndarray, settled: np.ndarray, side: str = "y") -> None:
    """Limits of a value axis for all values, and a compressed scale where it takes one.

    The scale is asinh((value - centre) / half), with the middle and half the range of the settled
    values: linear among these, logarithmic beyond.

    Args:
        axes: the panel.
        values: all that is drawn.
        settled: those of them that matter most.
        side: `x` or `y`.
    """
    if not needs_compression(values, settled):
        axes.set(**{f"{side}lim": padded(values)})
        return
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    least, most = float(np.nanmin(settled)), float(np.nanmax(settled))
    centre = (least + most) / 2
    half = max((most - least) / 2, LEAST_SHARE * (high - low))

    def forward(value: np.ndarray) -> np.ndarray:
        return np.arcsinh((np.asarray(value) - centre) / half)

    def backward(place: np.ndarray) -> np.ndarray:
        return centre + half * np.sinh(place)

    places = padded([forward(low), forward(high)])
    axis = axes.yaxis if side == "y" else axes.xaxis
    (axes.set_yscale if side == "y" else axes.set_xscale)("function", functions=(forward, backward))
    axes.set(**{f"{side}lim": backward(np.array(places))})
    write_numbers(axis)
    ticks = {_rounded(at, centre, half) for at in backward(np.linspace(*places, N_TICKS))}
    axis.set_major_locator(FixedLocator(sorted(t for t in ticks if low <= t <= high)))


def _rounded(value: float, centre: float, half: float) -> float:
    """A round number near a value, the rounder the further it is from the centre."""
    grain = 10.0 ** math.floor(math.log10(max(abs(value - centre), half)))
    return round(value / grain) * grain


def fit_episodes(axes: Axes, n_episodes: int) -> None:
    """Limits and ticks of an axis of episodes 1 to n."""
    pad = 0.5 if n_episodes == 1 else (n_episodes - 1) * (0.06 if n_episodes < 9 else 0.012)
    found = MaxNLocator(nbins=6, integer=True).tick_values(1, n_episodes)
    ticks = [1, *(int(tick) for tick in found if 1 + 0.05 * n_episodes < tick <= n_episodes)]
    axes.set_xticks(ticks, [format_number(tick) for tick in ticks])
    axes.set_xlim(1 - pad, n_episodes + pad)
    axes.set_xlabel("episode")


def hyperparameter_label(name: str) -> str:
    """Name and unit of a hyperparameter."""
    unit = UNITS.get(name)
    return f"{name} [{unit}]" if unit else name


def level_text(level: object) -> str:
    """A level of a hyperparameter for a reader."""
    return level if isinstance(level, str) else format_number(float(level))


def fit_levels(axes: Axes, levels: Sequence) -> dict:
    """Ticks of an axis of levels, at equal distances where they are few or words.

    Returns:
        Where on the axis each level is.
    """
    words = any(isinstance(level, str) for level in levels)
    if words or len(levels) <= MOST_STEPS:
        every = -(-len(levels) // MOST_STEPS)
        texts = [level_text(level) for level in levels[::every]]
        turned = {"rotation": 30, "ha": "right"} if sum(map(len, texts)) > 44 else {}
        axes.set_xticks(range(0, len(levels), every), texts, **turned)
        axes.set_xlim(-0.5, len(levels) - 0.5)
        return {level: place for place, level in enumerate(levels)}
    if min(levels) > 0 and max(levels) >= 10 * min(levels):
        axes.set_xscale("log")
        axes.set_xlim(*10 ** np.array(padded(np.log10(levels))))
    else:
        axes.set_xlim(*padded(levels))
    write_numbers(axes.xaxis)
    return {level: level for level in levels}
