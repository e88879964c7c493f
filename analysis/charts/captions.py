"""What captions say: the numbers of seeds, what lines and bands are, how a choice was made."""

from collections.abc import Iterable

import pandas as pd
from scipy import stats

# Long curves are drawn by so many of their episodes.
MOST_POINTS = 1000

CHOSEN = "Each configuration was chosen by some of these seeds, which flatters all of them."
FRESH = "Fresh seeds, none of which had a part in the choice."
SUCCESSES = (
    "Successful episodes only, from the first episode at which every seed has one in its window."
)
SCORES = "Small dots: seeds. Below them their mean and its 95 % t interval."
LEVELS = (
    "At each value the best of the other hyperparameters, chosen on the first half of the seeds "
    "and scored on the other half. Bars: 95 % t intervals over seeds. Ring: the value of the "
    "chosen configuration; dotted where it is at an edge of its grid, so that a better one may lie "
    "beyond."
)
SHIFT = (
    "Where the update turns from the minimum into the standard one, and its price. Lines: these "
    "limits, of a small and of a great eps_shift."
)
HEAT = (
    "Means over seeds. The other hyperparameters are those of each variant's chosen "
    "configuration; one that the baseline does not read counts for nothing in it."
)
PAIRS = (
    "Each variant's configurations against the baseline's with the same hyperparameters, paired "
    "by seed where these are shared. Bars: 95 % t intervals, of one comparison alone. Filled: "
    "significant at 5 % after Holm's correction over the panel."
)
IMPORTANCE = (
    "Shares of the variance over the grid's configurations, exact for a full factorial, less the "
    "noise of few seeds; what is left of 100 % belongs to more than two together."
)
NOISE = "(noise): no more than noise; an F test of equal configurations does not reject at 5 %."
HEALTH = (
    "Trials done, failed and missing, and the seconds that each took. "
    "Bars: trials done (filled), failed (red crosses) and missing (dots). "
    "Times: median, and the middle nine tenths of the trials."
)


def seed_counts(counts: Iterable[int]) -> str:
    """Numbers of seeds: `n = 10 seeds`, `n = 4 to 10 seeds`."""
    least, most = min(counts), max(counts)
    if most == 1:
        return "n = 1 seed, no interval"
    return f"n = {least} seeds" if least == most else f"n = {least} to {most} seeds"


def curve_caption(frame: pd.DataFrame, window: int, difference: bool = False) -> str:
    """What the lines and bands of `charts.curves.curves_chart` are.

    Args:
        frame: variant, seed, episode and value.
        window: that the values were smoothed with, in episodes.
        difference: whether they are differences to the baseline.
    """
    counts = frame.groupby("variant", observed=True)["seed"].nunique()
    least, most = counts[counts > 1].min(), counts.max()
    if most == 1:
        lines = f"{seed_counts(counts)}."
    elif difference:
        lines = f"Line: mean; band: 95 % t interval of each episode alone; {seed_counts(counts)}."
    else:
        # Chance that mean ± 1 SE of n normal values holds the true mean.
        coverage = 2 * stats.t.cdf(1, least - 1) - 1
        lines = (
            f"Line: mean; band: ±1 standard error, a {100 * coverage:.0f} % interval at "
            f"n = {least}; thin: single seeds; {seed_counts(counts)}."
        )
    smoothing = "Not smoothed."
    if window > 1:
        smoothing = f"Trailing mean over {window:,} episodes, at first over those there are."
    episodes = frame["episode"].max()
    thinned = f" {MOST_POINTS:,} of {episodes:,} episodes drawn." if episodes > MOST_POINTS else ""
    return f"{lines} {smoothing}{thinned}"
