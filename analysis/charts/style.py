"""One look per variant, and the settings that all figures share."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import cycle

import matplotlib.style

DPI = 150
TITLE_SIZE, LABEL_SIZE, TICK_SIZE, CAPTION_SIZE = 10.0, 9.0, 8.5, 7.5
INK, MUTED, GRID = "#1a1a1a", "#555555", "#e4e4e4"

# A `$` in a name stays one.
RC_PARAMS = {
    "text.parse_math": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.labelsize": LABEL_SIZE,
    "axes.titlesize": LABEL_SIZE,
    "axes.titlelocation": "left",
    "axes.titlepad": 7.0,
    "axes.xmargin": 0.04,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "lines.linewidth": 1.8,
    "lines.markersize": 5.0,
    "xtick.labelsize": TICK_SIZE,
    "ytick.labelsize": TICK_SIZE,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "hatch.linewidth": 0.8,
    "svg.hashsalt": "hq_ray",
}


def our_settings() -> AbstractContextManager[None]:
    """For a block, matplotlib's own defaults and our RC_PARAMS, whatever a matplotlibrc says."""
    return matplotlib.style.context(RC_PARAMS, after_reset=True)


Dashes = str | tuple[float, tuple[float, ...]]


@dataclass(frozen=True)
class LineStyle:
    """Colour, dash pattern and marker; the last two tell lines apart without the first."""

    color: str
    linestyle: Dashes
    marker: str


KNOWN_STYLES = {
    "standard": LineStyle("#0072B2", "-", "o"),
    "harmonic": LineStyle("#D55E00", (0, (5, 2)), "s"),
    "minimum": LineStyle("#2b2b2b", (0, (1, 1.6)), "^"),
    "asymmetric": LineStyle("#767676", (0, (7, 2, 1.5, 2)), "D"),
    "sarsa": LineStyle("#00795a", (0, (3, 1.5, 1, 1.5, 1, 1.5)), "v"),
    "expected_sarsa": LineStyle("#8f3f97", (0, (10, 2)), "P"),
    "double_q": LineStyle("#806600", (0, (2, 2)), "X"),
    "harmonic_sarsa": LineStyle("#4a5a00", (0, (9, 2, 3, 2)), "<"),
    "harmonic_expected_sarsa": LineStyle("#9c2f5f", (0, (1, 4)), ">"),
    "harmonic_double_q": LineStyle("#3f5f9c", (0, (6, 1, 1, 1, 1, 1)), "*"),
}
REFERENCE_STYLE = LineStyle(INK, (0, (1, 3)), "")
FURTHER_STYLES = (
    LineStyle("#006d77", (0, (4, 1)), "p"),
    LineStyle("#7a3b2e", (0, (8, 1.5, 1, 1.5, 1, 1.5)), "h"),
    LineStyle("#4b2e83", (0, (3, 3)), "d"),
    LineStyle("#b0006d", (0, (12, 3, 2, 3)), "8"),
    LineStyle("#5c5c5c", (0, (2, 1, 1, 1)), "H"),
    LineStyle("#a34700", (0, (5, 4)), "."),
)


def variant_styles(variants: Iterable[str]) -> dict[str, LineStyle]:
    """One style per variant of a figure.

    Those that are not in KNOWN_STYLES take FURTHER_STYLES, in alphabetical order.
    """
    names = list(variants)
    further = sorted(set(names) - KNOWN_STYLES.keys())
    styles = KNOWN_STYLES | dict(zip(further, cycle(FURTHER_STYLES), strict=False))
    return {name: styles[name] for name in names}
