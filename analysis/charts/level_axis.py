"""The axis of a hyperparameter: where its levels lie, on what scale, and how they are written."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Real

import numpy as np

from hq_ray.analysis.charts.page import shorten, text_width
from hq_ray.analysis.charts.style import TICK_SIZE
from hq_ray.analysis.words import format_number, round_number
from hq_ray.hyperparameters import HYPERPARAMETERS

Level = float | int | str | bool | None
LOG_FROM_RATIO = 20.0


@dataclass(frozen=True)
class LevelAxis:
    """Levels in order, with a position and a text each.

    Attributes:
        levels: without repetition; numbers ascending, else in the order given.
        positions: the numbers themselves, or 0, 1, ... for categories.
        texts: one per level, all different.
        scale: `linear` or `log`.
        is_categorical: whether the levels are evenly spaced, whatever their values.
    """

    levels: tuple[Level, ...]
    positions: np.ndarray
    texts: tuple[str, ...]
    scale: str
    is_categorical: bool = False

    def at(self, levels: Iterable[Level]) -> np.ndarray:
        """Positions of some of the levels."""
        places = {
            _key(level): place for level, place in zip(self.levels, self.positions, strict=True)
        }
        return np.array([places[_key(level)] for level in levels], dtype=float)

    def text_at(self, position: float) -> str:
        """The text of the level there."""
        return self.texts[int(np.flatnonzero(self.positions == position)[0])]

    def ticks(self, limits: tuple[float, float], width: float) -> tuple[list[float], list[str]]:
        """A tick at each level; of texts that would touch, only some are written.

        Args:
            limits: what the axis shows.
            width: of the axis, in points.
        """
        low, high = self._scaled(np.asarray(limits, dtype=float))
        points = (self._scaled(self.positions) - low) / (high - low) * width
        written, texts = self._written(points, self.texts), self.texts
        if len(written) < len(texts) and not _all_numbers(self.levels):
            slot = max(width / len(texts) - 6, 24.0)
            texts = [shorten(text, slot, TICK_SIZE) for text in texts]
            written = self._written(points, texts)
        shown = [text if index in written else "" for index, text in enumerate(texts)]
        return self.positions.tolist(), shown

    def _written(self, points: np.ndarray, texts: Sequence[str]) -> list[int]:
        """Indices of texts that do not touch, taken greedily."""
        written: list[int] = []
        for index in self._by_rank():
            if all(_apart(index, other, points, texts) for other in written):
                written.append(index)
        return written

    def _scaled(self, positions: np.ndarray) -> np.ndarray:
        return np.log10(positions) if self.scale == "log" else positions

    def _by_rank(self) -> list[int]:
        """On a log scale powers of ten first, so that these keep their texts."""
        if self.scale != "log":
            return list(range(len(self.levels)))
        powers = np.log10(self.positions)
        off = np.abs(powers - np.round(powers)) > 1e-9
        return np.argsort(off, kind="stable").tolist()


def level_axis(levels: Iterable[Level], evenly: bool = False) -> LevelAxis:
    """The axis for all levels of a figure.

    Numbers lie at their values, on a log scale when all are positive and the greatest is 20 times
    the least or more. Where 0 or negative ones stand among numbers of such a spread, and for
    strings, the levels are evenly spaced categories: numbers first, ascending, then the others.

    Args:
        levels: may repeat.
        evenly: whether to space numbers evenly, too.
    """
    unique = list({_key(level): level for level in levels}.values())
    numbers = sorted(filter(_is_number, unique))
    ordered = (*numbers, *(level for level in unique if not _is_number(level)))
    values = np.array(numbers, dtype=float)
    sizes = np.abs(values[values != 0])
    spread = sizes.size > 0 and sizes.max() >= LOG_FROM_RATIO * sizes.min()
    mixed = spread and values[0] <= 0 and len(values) > 2
    if evenly or mixed or len(numbers) < len(ordered):
        places = np.arange(len(ordered), dtype=float)
        return LevelAxis(ordered, places, _texts(ordered), "linear", is_categorical=True)
    log = spread and values[0] > 0
    return LevelAxis(ordered, values, _texts(ordered), "log" if log else "linear")


def hyperparameter_label(name: str) -> str:
    """Name and unit of a hyperparameter, as an axis has them: `eps_shift [reward units]`."""
    row = HYPERPARAMETERS.get(name)
    unit = re.search(r"\[[^]]+\]$", row.summary) if row else None
    return f"{name} {unit.group()}" if unit else name


def _texts(levels: Sequence[Level]) -> tuple[str, ...]:
    """Three digits where these tell the levels apart, else all."""
    short = [round_number(level) if _is_number(level) else _word(level) for level in levels]
    if len(set(short)) == len(short):
        return tuple(short)
    return tuple(format_number(level) if _is_number(level) else _word(level) for level in levels)


def _word(level: Level) -> str:
    return "none" if level is None else str(level)


def _is_number(level: Level) -> bool:
    return isinstance(level, Real) and not isinstance(level, bool | np.bool_) and level == level


def _all_numbers(levels: Iterable[Level]) -> bool:
    return all(map(_is_number, levels))


def _key(level: Level) -> float | str:
    """One key for a level, whatever its type: 1 and 1.0 are the same, True and NaN are words."""
    return float(level) if _is_number(level) else _word(level)


def _apart(index: int, other: int, points: np.ndarray, texts: Sequence[str]) -> bool:
    widths = [text_width(texts[i], TICK_SIZE) for i in (index, other)]
    return abs(points[index] - points[other]) >= sum(widths) / 2 + 6
