"""The cells of a heat map, and their numbers written so that they fit."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hq_ray.analysis.charts.level_axis import Level, LevelAxis, level_axis
from hq_ray.analysis.charts.level_lines import informative_ends
from hq_ray.analysis.charts.page import text_width

MAX_NUMBERED = 12
SIZES = (8.0, 7.0, 6.0)


@dataclass(frozen=True, eq=False)
class Cells:
    """Two variants over two hyperparameters, on one problem: arrays `(n_y, n_x)`, NaN is missing.

    Attributes:
        x_levels, y_levels: in order.
        first, second: scores of the two variants.
        significant: whether a cell is dotted.
    """

    x_levels: Sequence[Level]
    y_levels: Sequence[Level]
    first: np.ndarray
    second: np.ndarray
    significant: np.ndarray

    @property
    def difference(self) -> np.ndarray:
        """Second minus first."""
        return self.second - self.first

    @cached_property
    def x(self) -> LevelAxis:
        """The columns."""
        return level_axis(self.x_levels, evenly=True)

    @cached_property
    def y(self) -> LevelAxis:
        """The rows."""
        return level_axis(self.y_levels, evenly=True)

    @property
    def score_limits(self) -> tuple[float, float]:
        """Limits of the colours of both scores; a far collapse may lie beyond."""
        return _limits(np.concatenate([self.first.ravel(), self.second.ravel()]))

    @property
    def difference_limits(self) -> tuple[float, float]:
        """Limits of the colours of the difference, 0 in the middle."""
        sizes = np.abs(self.difference.ravel())
        most = max(informative_ends(sizes, sizes) or (0.0,)) or 1.0
        return -most, most


@dataclass(frozen=True)
class Print:
    """How numbers are written into cells."""

    decimals: int
    difference_decimals: int
    size: float
    rotation: float


def _limits(values: np.ndarray) -> tuple[float, float]:
    low, high = informative_ends(values, values) or (0.0, 1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def fitting_print(cells: Cells, width: float, height: float) -> Print | None:
    """The most exact and largest way to write all numbers into cells of this size.

    Args:
        cells: of one environment.
        width, height: of a cell, in points.

    Returns:
        None where no way fits, or there are more than 12 levels along an axis.
    """
    if max(cells.first.shape) > MAX_NUMBERED:
        return None
    scores = _decimals(*cells.score_limits)
    differences = _decimals(*cells.difference_limits)
    for fewer in (0, 1, 2):
        decimals = max(scores - fewer, 0), max(differences - fewer, 0)
        texts = _all_texts(cells, *decimals)
        for rotation, across, up in ((0.0, width, height), (90.0, height, width)):
            for size in SIZES:
                widest = max((text_width(text, size) for text in texts), default=0.0)
                if widest <= across - 4 and size * 1.2 <= up:
                    return Print(*decimals, size, rotation)
    return None


def _decimals(low: float, high: float) -> int:
    """So many that the limits are some dozens of steps apart."""
    return min(max(math.ceil(1.3 - math.log10(high - low)), 0), 5)


def _all_texts(cells: Cells, decimals: int, difference_decimals: int) -> list[str]:
    scores = np.concatenate([cells.first.ravel(), cells.second.ravel()])
    differences = cells.difference.ravel()
    return [cell_text(value, decimals) for value in scores] + [
        cell_text(value, difference_decimals, signed=True) for value in differences
    ]


def cell_text(value: float, decimals: int, signed: bool = False) -> str:
    """A number of few characters: `-13.4`, `+0.2`, `-48k`; nothing where it is missing."""
    if not math.isfinite(value):
        return ""
    sign = "+" if signed else ""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= max(unit, 1e4):
            return f"{value / unit:{sign}.0f}{name}"
    text = f"{value:{sign}.{decimals}f}"
    return text if float(text) else f"{0:.{decimals}f}"


def key_words(cells: Sequence[Cells], numbered: bool, score_label: str) -> str:
    """What colours and marks stand for."""
    words = [f"{'Numbers and colours' if numbered else 'Colours'}: {score_label}, dark to bright"]
    words.append("the same colours for both variants of a row")
    words.append("difference: orange below 0, violet above")
    if not numbered and any((of.difference < 0).any() for of in cells):
        words.append("dash: below 0")
    if any(of.significant.any() for of in cells):
        words.append("dot: significant")
    if any(np.isnan([of.first, of.second, of.difference]).any() for of in cells):
        words.append("hatched: missing")
    return "; ".join(words) + "."
