"""Series over the levels of a hyperparameter: sorted along its axis, with limits and words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hq_ray.analysis.charts.captions import variant_words
from hq_ray.analysis.charts.figure_bands import CLIP_FACTOR
from hq_ray.analysis.charts.level_axis import Level, LevelAxis
from hq_ray.analysis.charts.panels import padded
from hq_ray.analysis.words import round_number

MAX_WORDS = 4
MAX_BARS = 12


@dataclass(frozen=True, eq=False)
class Series:
    """A score over the levels of a hyperparameter.

    Attributes:
        levels: of the hyperparameter; None for a variant that does not have it, drawn level.
        mean, low, high: `(n_levels,)`, one number without levels; NaN is missing.
        n: number of seeds.
        tuned: the level to ring, among the levels.
    """

    levels: Sequence[Level] | None
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: int
    tuned: Level = None


@dataclass(frozen=True, eq=False)
class LevelLine:
    """A series as arrays, sorted along the axis.

    Attributes:
        variant: the update rule.
        positions: on the axis; None for a level line.
        texts: of the levels.
        mean, low, high: one value per level; NaN is missing.
        tuned: position of the ring.
        n: number of seeds.
    """

    variant: str
    positions: np.ndarray | None
    texts: tuple[str, ...]
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    tuned: float | None
    n: int

    @property
    def has_bars(self) -> bool:
        """Whether intervals are bars, not a band: there are few levels."""
        return 0 < len(self.texts) <= MAX_BARS

    @property
    def has_interval(self) -> bool:
        """Whether there is any interval to draw."""
        return bool((np.isfinite(self.low) & np.isfinite(self.high)).any())


@dataclass(frozen=True, eq=False)
class LevelPanel:
    """What one panel shows: lines in one environment, between limits."""

    env: str
    lines: Sequence[LevelLine]
    limits: tuple[float, float]


def read_line(variant: str, series: Series, axis: LevelAxis) -> LevelLine:
    """One series as a line along the axis."""
    arrays = (series.mean, series.low, series.high)
    if series.levels is None:
        return LevelLine(variant, None, (), *arrays, None, series.n)
    positions = axis.at(series.levels)
    order = np.argsort(positions, kind="stable")
    texts = tuple(axis.text_at(positions[i]) for i in order)
    tuned = series.tuned in series.levels and series.tuned is not None
    ring = float(axis.at([series.tuned])[0]) if tuned else None
    return LevelLine(
        variant, positions[order], texts, *(array[order] for array in arrays), ring, series.n
    )


def informative_limits(lines: Sequence[LevelLine], zero: bool = False) -> tuple[float, float]:
    """Limits of a value axis that show means and intervals, without a far collapse.

    Args:
        lines: of the panel.
        zero: whether 0 must be in sight.
    """
    means = np.concatenate([line.mean for line in lines] or [np.empty(0)])
    sides = [side for line in lines for side in (line.mean, line.low, line.high)]
    values = np.concatenate([*sides, [0.0] if zero else []])
    return padded(informative_ends(means, values), 0.07)


def informative_ends(means: np.ndarray, values: np.ndarray) -> tuple[float, ...]:
    """The least and the greatest of values to show; nothing where there are none.

    Of the means the outer quarter may be left out, on either side, where it lies more than ten
    times as far off as the others spread, or as their median is large.

    Args:
        means: scores, NaN where missing.
        values: these and all else that is drawn, such as ends of intervals.
    """
    means, values = np.sort(means[np.isfinite(means)]), values[np.isfinite(values)]
    if not means.size:
        return ()
    return -_upper_end(-means[::-1], -values), _upper_end(means, values)


def _upper_end(means: np.ndarray, values: np.ndarray) -> float:
    """Where an axis over `values` ends, given the sorted means."""
    kept = means[: len(means) - len(means) // 4]
    scale = max(kept[-1] - kept[0], abs(float(np.median(kept))))
    allowed = kept[-1] + CLIP_FACTOR * scale
    if scale <= 1e-6 * np.abs(means).max() or values.max() <= allowed:
        return float(values.max())
    return float(kept[-1] + scale if means[-1] > allowed else allowed)


def line_names(panels: Sequence[LevelPanel], names: Mapping[str, str]) -> dict[str, str]:
    """A label per variant; it tells n where that is one number in all panels."""
    counts: dict[str, set[int]] = {}
    for panel in panels:
        for line in panel.lines:
            counts.setdefault(line.variant, set()).add(line.n)
    shown = {variant: names.get(variant, variant) for variant in counts}
    return {
        v: shown[v] if len(of) > 1 else variant_words(shown[v], *of) for v, of in counts.items()
    }


def mark_words(panels: Sequence[LevelPanel]) -> str:
    """What the marks stand for, as far as they occur, and what is uneven or missing."""
    lines = [line for panel in panels for line in panel.lines]
    words = ["markers: levels tried"] if any(line.texts for line in lines) else []
    words += ["ring: tuned level"] if any(line.tuned is not None for line in lines) else []
    shown = [line for line in lines if line.has_interval]
    marks = ["bars"] if any(line.has_bars for line in shown) else []
    marks += ["bands"] if any(not line.has_bars for line in shown) else []
    words += [f"{' and '.join(marks)}: interval"] if marks else []
    text = "; ".join(words)
    marks_text = f"{text[:1].upper()}{text[1:]}." if text else ""
    return " ".join(filter(None, [marks_text, *_gap_words(panels), *_uneven_words(panels)]))


def note_words(panels: Sequence[LevelPanel]) -> str:
    """What a reader must know first: what has no interval, or is off scale."""
    lines = [line for panel in panels for line in panel.lines]
    alone = dict.fromkeys(line.variant for line in lines if line.n == 1)
    single = [f"n = 1: no interval for {', '.join(alone)}."] if alone else []
    return " ".join([*single, *_off_words(panels)])


def _uneven_words(panels: Sequence[LevelPanel]) -> list[str]:
    """The numbers of seeds where they are not one number per variant."""
    counts = {(line.variant, panel.env): line.n for panel in panels for line in panel.lines}
    of = {variant: {n for (v, _), n in counts.items() if v == variant} for variant, _ in counts}
    uneven = [f"{v} {n} in {env}" for (v, env), n in counts.items() if len(of[v]) > 1]
    return [f"Seeds: {', '.join(uneven)}."] if uneven else []


def _gap_words(panels: Sequence[LevelPanel]) -> list[str]:
    gaps = {
        f"{line.variant} in {panel.env} at {n_missing} of {line.mean.size}": None
        for panel in panels
        for line in panel.lines
        if (n_missing := int(np.isnan(line.mean).sum()))
    }
    return [f"Missing: {_some(list(gaps))}."] if gaps else []


def _off_words(panels: Sequence[LevelPanel]) -> list[str]:
    beyond = []
    for panel in panels:
        for line in panel.lines:
            for i in off_scale(line, panel.limits):
                at = f" at {line.texts[i]}" if line.texts else ""
                beyond.append(f"{line.variant}{at} in {panel.env} {round_number(line.mean[i])}")
    return [f"Off scale (triangles): {_some(beyond)}."] if beyond else []


def off_scale(line: LevelLine, limits: tuple[float, float]) -> np.ndarray:
    """Indices of the means that lie beyond the limits."""
    return np.flatnonzero((line.mean < limits[0]) | (line.mean > limits[1]))


def _some(words: Sequence[str]) -> str:
    more = len(words) - MAX_WORDS
    return ", ".join([*words[:MAX_WORDS], *([f"{more} more"] if more > 0 else [])])
