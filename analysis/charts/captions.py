"""What a figure draws of each variant, and the words that say what it shows and leaves out."""

from collections.abc import Mapping, Sequence

import numpy as np

from hq_ray.analysis.statistics.means import SmoothedSeeds
from hq_ray.analysis.words import format_number, round_number

MAX_SINGLE_SEEDS = 4
# Chance [%] that mean ± 1 SE of n normal values holds the true mean, P(|t| < 1) with n - 1 degrees.
SE_COVERAGE = {2: 50, 3: 58, 4: 61, 5: 63, 6: 64, 7: 64, 8: 65, 9: 65}


def single_seeds(curve: SmoothedSeeds) -> np.ndarray:
    """The seeds that are drawn one by one: all, when there are 2 to 4, else none."""
    return curve.seeds if 1 < len(curve.seeds) <= MAX_SINGLE_SEEDS else curve.seeds[:0]


def drawn_curves(curve: SmoothedSeeds) -> list[np.ndarray]:
    """All that is drawn of a variant: the mean, the edges of its band, the single seeds."""
    summary = curve.over_seeds
    return [summary.mean, summary.low, summary.high, *single_seeds(curve)]


def window_words(window: int, n_episodes: int) -> str:
    """How a curve was smoothed."""
    if window == 1:
        return "window 1: not smoothed"
    if window > n_episodes:
        return f"window {window} > {n_episodes} episodes: running mean"
    points = "point averages" if window == 2 else f"{window - 1} points average"
    return f"trailing mean over {window} episodes; first {points} what there is (drawn lighter)"


def interval_words(counts: Mapping[str, int]) -> str:
    """What line and band stand for, given the number of seeds of each variant."""
    several = {variant: n for variant, n in counts.items() if n > 1}
    alone = [variant for variant, n in counts.items() if n == 1]
    sentences = []
    if several:
        ns = sorted(set(several.values()))
        each = ", ".join(f"{variant} {n}" for variant, n in several.items())
        seeds = f"n = {ns[0]} seeds" if len(ns) == 1 else f"n seeds ({each})"
        sentences.append(
            f"Line: mean; band: ±1 standard error over {seeds}, about 68 %{_few_seeds_words(ns)}."
        )
    if any(n <= MAX_SINGLE_SEEDS for n in several.values()):
        sentences.append("Thin lines: single seeds.")
    if alone:
        who = f" for {', '.join(alone)}" if several else ""
        sentences.append(f"n = 1: no interval{who}.")
    return " ".join(sentences)


def _few_seeds_words(ns: Sequence[int]) -> str:
    """The coverage of one standard error where few seeds make it less than about 68 %."""
    each = ", ".join(f"{SE_COVERAGE[n]} % at n = {n}" for n in ns if n in SE_COVERAGE)
    return f" for many seeds, {each}" if each else ""


def variant_words(variant: str, n_used: int, n_planned: int | None = None) -> str:
    """A line's label: `harmonic (n = 5)`, or `harmonic (n = 4 of 5)` when seeds are missing."""
    of_planned = "" if n_planned in (None, n_used) else f" of {n_planned}"
    return f"{variant} (n = {n_used}{of_planned})"


def off_scale_words(curves: Mapping[str, SmoothedSeeds], limits: tuple[float, float]) -> str:
    """One sentence on what lies beyond the limits of the value axis; empty when nothing does."""
    parts = []
    for variant, curve in curves.items():
        words = _excursion_words(curve, limits)
        if words:
            parts.append(f"{variant} {words}" if len(curves) > 1 else words)
    return f"off scale: {'; '.join(parts)}" if parts else ""


def _excursion_words(curve: SmoothedSeeds, limits: tuple[float, float]) -> str:
    """Where the mean leaves the limits, else where its band or a single seed does."""
    words = _beyond(curve.over_seeds.mean, limits)
    if words:
        return words
    others = np.stack(drawn_curves(curve))
    furthest = np.abs(others - sum(limits) / 2).argmax(axis=0)
    words = _beyond(others[furthest, np.arange(curve.n_episodes)], limits)
    return f"(band or single seed) {words}" if words else ""


def _beyond(values: np.ndarray, limits: tuple[float, float]) -> str:
    outside = np.flatnonzero((values < limits[0]) | (values > limits[1]))
    if not outside.size:
        return ""
    extreme = outside[np.abs(values[outside] - sum(limits) / 2).argmax()]
    verb = "starts at" if extreme == 0 else "reaches"
    return (
        f"{verb} {round_number(float(values[extreme]))}"
        f" (on scale from episode {format_number(int(outside[-1]) + 2)})"
    )
