"""Scales, ticks and labels of axes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter

from hq_ray.analysis.cells import level_text
from hq_ray.analysis.words import format_number, round_number
from hq_ray.hyperparameters import HYPERPARAMETERS

# A range this many times that of what matters most is compressed.
MUCH_WIDER = 8.0
LEAST_SHARE = 1e-3
N_TICKS = {"x": 4, "y": 7}
# So many letters of a tick's name take an inch.
LETTERS = 10
# More levels than these are not all named.
MOST_NAMED = 12


def write_numbers(axis: Axis) -> None:
    """Tick labels as numbers for a reader; between powers of ten, too, where these are few."""
    if axis.get_scale() == "log":
        low, high = axis.get_view_interval()
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 100 * low else (1.0,)))
        axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda value, _: format_number(value)))


def compress(axes: Axes, settled: np.ndarray, side: str = "y") -> None:
    """Compresses an axis whose data are much wider than what matters most, and says so above it.

    The scale is asinh((value - centre) / half), with the middle and half the range of the settled
    values: linear among these, logarithmic beyond.

    Args:
        axes: a panel in which all is drawn.
        settled: those of its values that matter most; NaN where one is not known.
        side: `x` or `y`.
    """
    low, high = axes.dataLim.intervaly if side == "y" else axes.dataLim.intervalx
    if not np.isfinite([low, high]).all() or not np.isfinite(settled).any():
        return
    least, most = float(np.nanmin(settled)), float(np.nanmax(settled))
    if high - low <= MUCH_WIDER * (most - least) or high - low <= 1e-9 * max(abs(low), abs(high)):
        return
    centre = (least + most) / 2
    half = max((most - least) / 2, LEAST_SHARE * (high - low))

    def forward(value: np.ndarray) -> np.ndarray:
        return np.arcsinh((np.asarray(value) - centre) / half)

    def backward(place: np.ndarray) -> np.ndarray:
        return centre + half * np.sinh(place)

    ends = forward(np.array([low, high]))
    places = ends + 0.05 * np.ptp(ends) * np.array([-1, 1])
    axis = axes.yaxis if side == "y" else axes.xaxis
    set_scale = axes.set_yscale if side == "y" else axes.set_xscale
    set_scale("function", functions=(forward, backward))
    axes.set(**{f"{side}lim": backward(places)})
    write_numbers(axis)
    # Round numbers, the rounder the further they are from the centre.
    values = backward(np.linspace(places[0], places[1], N_TICKS[side]))
    grains = 10.0 ** np.floor(np.log10(np.maximum(np.abs(values - centre), half)))
    ticks = np.unique(np.round(values / grains) * grains)
    axis.set_major_locator(FixedLocator(ticks[(low <= ticks) & (ticks <= high)]))
    axes.set_title(f"{axes.get_title(loc='left')}, asinh scale")


def hyperparameter_label(name: str) -> str:
    """Name and unit of a hyperparameter; its summary ends in the unit, if it has one."""
    summary = HYPERPARAMETERS[name].summary if name in HYPERPARAMETERS else ""
    _, bracket, unit = summary.partition(" [")
    return name + bracket + unit


def name_levels(axis: Any, levels: Sequence, inches: float) -> None:
    """Ticks of an axis of levels, which are at equal distances; of many only some are named.

    Names that would be longer side by side than an axis of so many inches stand upright.
    """
    every = -(-len(levels) // MOST_NAMED)
    named = range(0, len(levels), every)
    texts = [(level_text if every == 1 else round_number)(levels[place]) for place in named]
    axis.set_ticks(named, texts)
    if axis.axis_name == "x" and sum(map(len, texts)) > LETTERS * inches:
        axis.set_tick_params(labelrotation=90)
