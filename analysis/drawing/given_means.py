"""Means over seeds as a figure is given them: mappings of lists, read into curves, and their words.

A curve is given as a mapping with

    mean     (n_points,), smoothed; None and NaN are points that are not known
    se       (n_points,) or None, the standard error over seeds
    n        number of seeds
    variant  the update rule; the curve's label when left out
    planned  number of seeds planned, where it is known
    low, high  (n_points,), edges of the band in place of those that follow from se and n
    seeds    (n_lines, n_points), smoothed, drawn thin when there are 2 to 4
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from hq_ray.analysis.drawing.captions import MAX_SINGLE_SEEDS, interval_words, window_words
from hq_ray.analysis.statistics.means import MeanAndSE, SmoothedSeeds
from hq_ray.errors import InputError, near_miss

INTERVALS = ("se", "ci95")

Given = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class MeanAndBand(MeanAndSE):
    """A mean whose band is given by its edges, such as those of a 95 % interval.

    Attributes:
        edges: `(2, n_points)`, low and high; None where there is no band.
    """

    edges: np.ndarray | None = None

    @property
    def low(self) -> np.ndarray:
        """Lower edge; the mean itself without a band."""
        return self.mean if self.edges is None else self.edges[0]

    @property
    def high(self) -> np.ndarray:
        """Upper edge; the mean itself without a band."""
        return self.mean if self.edges is None else self.edges[1]


def floats(values: object) -> np.ndarray:
    """Float64 array of at least one axis; None becomes NaN."""
    return np.atleast_1d(np.asarray(values, dtype=np.float64))


def paragraphs(caption: str | Sequence[str]) -> list[str]:
    """A caption as its paragraphs."""
    return [caption] if isinstance(caption, str) else list(caption)


def read_curves(
    curves: Mapping[str, Given], interval: str, window: int, share: bool = False
) -> dict[str, SmoothedSeeds]:
    """The curves by label, without those of which no value is known.

    Args:
        curves: as given.
        interval: what the band is: `se` or `ci95`.
        window: that the curves were smoothed with, in episodes.
        share: whether values are shares, whose bands end at 0 and 1.

    Raises:
        InputError: arrays of a curve differ in length, or the interval is unknown.
    """
    if interval not in INTERVALS:
        raise InputError(f"unknown interval {interval!r}{near_miss(interval, INTERVALS)}")
    known = {label: given for label, given in curves.items() if is_known(given)}
    bounds = (0.0, 1.0) if share else (-np.inf, np.inf)
    return {label: _read(label, given, interval, window, bounds) for label, given in known.items()}


def is_known(given: Given | None) -> bool:
    """Whether a curve has any value."""
    return given is not None and bool(np.isfinite(floats(given.get("mean"))).any())


def _read(
    label: str, given: Given, interval: str, window: int, bounds: tuple[float, float]
) -> SmoothedSeeds:
    mean, n = floats(given["mean"]), int(given["n"])
    edges = _edges(given, mean, n, interval)
    seeds = np.empty((0, len(mean)))
    if given.get("seeds") is not None and len(given["seeds"]):
        seeds = np.atleast_2d(floats(given["seeds"]))
    for name, length in (("band", np.shape(edges)[-1:]), ("seeds", seeds.shape[-1:])):
        if length not in ((), mean.shape):
            raise InputError(
                f"the {name} of {label!r} must have as many points as its mean, {len(mean)}; "
                f"given {length[0]}"
            )
    half = None if edges is None else (edges[1] - edges[0]) / 2
    edges = None if edges is None else np.clip(edges, *bounds)
    return SmoothedSeeds(seeds, MeanAndBand(mean, half, n, edges), window)


def _edges(given: Given, mean: np.ndarray, n: int, interval: str) -> np.ndarray | None:
    """Low and high, as given or as mean ± SE or mean ± t SE; None where neither is given.

    t is the 97.5 % point of Student's distribution with n - 1 degrees of freedom.
    """
    if given.get("low") is not None and given.get("high") is not None:
        low, high = floats(given["low"]), floats(given["high"])
        return np.stack([low, high]) if low.shape == high.shape else np.empty((2, 0))
    if given.get("se") is None or n < 2:
        return None
    se = floats(given["se"])
    if se.shape != mean.shape:
        return np.stack([se, se])
    half = se if interval == "se" else float(stdtrit(n - 1, 0.975)) * se
    return np.stack([mean - half, mean + half])


def absent_words(panels: Mapping[str, Mapping[str, Given]]) -> str:
    """Which curves have no values, in words; empty when all have some."""
    absent = [
        f"{label} in {name}" if name else label
        for name, curves in panels.items()
        for label, given in curves.items()
        if not is_known(given)
    ]
    return f"no values: {', '.join(absent)}" if absent else ""


def band_words(counts: Mapping[str, int], interval: str, seeds_drawn: bool) -> str:
    """What line and band stand for, given the number of seeds of each curve."""
    if interval == "se":
        words = interval_words(counts)
        return words if seeds_drawn else words.replace(" Thin lines: single seeds.", "")
    several = {name: n for name, n in counts.items() if n > 1}
    alone = [name for name, n in counts.items() if n == 1]
    sentences = []
    if several:
        ns = sorted(set(several.values()))
        each = ", ".join(f"{name} {n}" for name, n in several.items())
        seeds = f"n = {ns[0]} seeds" if len(ns) == 1 else f"n seeds ({each})"
        sentences.append(f"Line: mean; band: 95 % t interval of the mean over {seeds}.")
    if seeds_drawn:
        sentences.append("Thin lines: single seeds.")
    if alone:
        who = f" for {', '.join(alone)}" if several else ""
        sentences.append(f"n = 1: no interval{who}.")
    return " ".join(sentences)


def curve_words(
    panels: Mapping[str, Mapping[str, Given]],
    interval: str,
    window: int,
    n_points: int,
    of_episodes: bool = True,
    share: bool = False,
) -> str:
    """The first paragraph of a caption: smoothing, line, band, missing seeds.

    Args:
        panels: curves by panel and label.
        interval: what the band is.
        window: of the smoothing, in episodes.
        n_points: of the longest curve.
        of_episodes: whether the points are episodes, rather than environment steps.
        share: whether bands end at 0 and 1.
    """
    named = {
        f"{label} in {name}" if name else label: given
        for name, curves in panels.items()
        for label, given in curves.items()
        if is_known(given)
    }
    counts = {name: int(given["n"]) for name, given in named.items()}
    singles = [len(given["seeds"]) for given in named.values() if given.get("seeds") is not None]
    seeds_drawn = any(1 < n <= MAX_SINGLE_SEEDS for n in singles)
    smoothing = window_words(window, n_points)
    if not of_episodes:
        smoothing = f"trailing mean over {window} episodes, held from episode end to episode end"
    words = [f"Each seed: {smoothing}.", band_words(counts, interval, seeds_drawn)]
    if share and max(counts.values()) > 1:
        words.append("Bands end at 0 and 1.")
    short = [
        f"{name} {counts[name]} of {given['planned']}"
        for name, given in named.items()
        if given.get("planned") not in (None, counts[name])
    ]
    return " ".join([*words, *([f"Seeds missing: {', '.join(short)}."] if short else [])])
