"""Words that say what lines and bands stand for."""

from collections.abc import Iterable, Mapping

# Chance [%] that mean ± 1 SE of n normal values holds the true mean, P(|t| < 1) with n - 1 degrees.
SE_COVERAGE = {2: 50, 3: 58, 4: 61, 5: 63, 6: 64, 7: 64, 8: 65, 9: 65}
INTERVALS = {"se": "±1 standard error", "t": "95 % t interval of each episode alone"}


def smoothing_caption(window: int, n_episodes: int) -> str:
    """How a curve was smoothed."""
    if window == 1:
        return "window 1: not smoothed"
    if window > n_episodes:
        return f"window {window} > {n_episodes} episodes: running mean"
    points = "point averages" if window == 2 else f"{window - 1} points average"
    return f"trailing mean over {window} episodes; first {points} what there is (drawn lighter)"


def interval_caption(counts: Mapping[str, int], interval: str) -> str:
    """What line and band stand for, given the number of seeds of each variant.

    Args:
        counts: number of seeds by variant.
        interval: `se` or `t`.
    """
    several = {variant: n for variant, n in counts.items() if n > 1}
    alone = [variant for variant, n in counts.items() if n == 1]
    sentences = []
    if several:
        ns = sorted(set(several.values()))
        each = ", ".join(f"{variant} {n}" for variant, n in several.items())
        seeds = f"n = {ns[0]} seeds" if len(ns) == 1 else f"n seeds ({each})"
        few = ", ".join(f"{SE_COVERAGE[n]} % at n = {n}" for n in ns if n in SE_COVERAGE)
        coverage = f", about 68 %{f' for many seeds, {few}' if few else ''}"
        coverage = coverage if interval == "se" else ""
        sentences.append(f"Line: mean; band: {INTERVALS[interval]} over {seeds}{coverage}.")
    if alone:
        who = f" for {', '.join(alone)}" if several else ""
        sentences.append(f"n = 1: no interval{who}.")
    return " ".join(sentences)


def seed_counts(counts: Iterable[int]) -> str:
    """Numbers of seeds: `n = 10 seeds.`, `n = 4 to 10 seeds.`"""
    least, most = min(counts), max(counts)
    return f"n = {least} seeds." if least == most else f"n = {least} to {most} seeds."
