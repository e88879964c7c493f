"""Learning curves of one trial, and comparisons of variants over seeds.

Functions from arrays to a Figure. All curves are smoothed; the raw ones are never drawn.
"""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon

from analysis.smoothing import checked_window, thin_indices, trailing_mean
from analysis.statistics import MeanAndSE, informative_low, mean_and_se, se_coverage
from analysis.style import (
    HEIGHT,
    INK,
    LABEL_SIZE,
    MARGIN,
    MUTED,
    VariantStyle,
    blank_page,
    format_number,
    set_axes,
    text_width,
    variant_styles,
)
from hq_ray.errors import InputError, near_miss

AXIS_LABELS = {
    "returns": "episode return [reward units]",
    "steps": "steps per episode [steps]",
}
MAX_SINGLE_SEEDS = 4
MAX_DIRECT_LABELS = 3
N_BINS = 600
N_MARKERS = 7
WARM_UP_ALPHA = 0.5


@dataclass(frozen=True, eq=False)
class SmoothedCurve:
    """What a figure draws of one variant.

    Attributes:
        variant: its name.
        seeds: `(n_seeds, n_episodes)`, each seed smoothed.
        over_seeds: mean and standard error over the smoothed seeds.
    """

    variant: str
    seeds: np.ndarray
    over_seeds: MeanAndSE

    @property
    def drawn(self) -> list[np.ndarray]:
        """Every curve that is drawn: the mean, the edges of the band, few seeds also one by one."""
        band = [self.over_seeds.mean, self.over_seeds.low, self.over_seeds.high]
        return [*band, *self.seeds] if 1 < len(self.seeds) <= MAX_SINGLE_SEEDS else band


def smooth_seeds(variant: str, values: np.ndarray, window: int) -> SmoothedCurve:
    """Smooth each seed, then average: the band is the standard error over smoothed seeds.

    The mean would be the same in either order. The band would not: a moving average of the standard
    error takes no account of what smoothing does to the noise of one seed.
    """
    try:
        seeds = np.atleast_2d(trailing_mean(values, window))
        return SmoothedCurve(variant, seeds, mean_and_se(seeds))
    except InputError as error:
        raise InputError(f"variant {variant!r}: {error}") from None
