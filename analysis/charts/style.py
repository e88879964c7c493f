"""One look per variant, the same in every figure, and the settings that all figures share."""

import math
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import matplotlib

DPI = 150
TITLE_SIZE, LABEL_SIZE, TICK_SIZE, CAPTION_SIZE = 11.0, 9.5, 9.0, 8.0
INK, MUTED, GRID = "#1a1a1a", "#555555", "#e4e4e4"

# Matplotlib's own defaults and these, whatever a matplotlibrc says. A `$` in a name stays one.
NOT_OURS = ("backend", "interactive", "toolbar", "webagg", "tk", "macosx", "docstring", "date")
SETTINGS = {
    name: value
    for name, value in matplotlib.rcParamsDefault.items()
    if not name.startswith(NOT_OURS)
} | {
    "text.parse_math": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.labelsize": LABEL_SIZE,
    "axes.titlesize": LABEL_SIZE,
    "axes.titlelocation": "left",
    "axes.titlepad": 7.0,
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
}
REFERENCE_STYLE = LineStyle(INK, (0, (1, 3)), "")
FURTHER_COLORS = ("#00795a", "#8f3f97", "#806600", "#5c5c5c")
FURTHER_DASHES = (
    (3, 1.5, 1, 1.5, 1, 1.5),
    (10, 2),
    (2, 2),
    (9, 2, 3, 2),
    (1, 4),
    (6, 1, 1, 1, 1, 1),
)
FURTHER_MARKERS = ("v", "P", "X", "<", ">", "*", "p")


def variant_styles(variants: Iterable[str]) -> dict[str, LineStyle]:
    """One style per variant of a figure.

    A variant that is not in KNOWN_STYLES takes a further style by a digest of its name, so that a
    name looks the same in every figure. Where two of one figure would look alike, the later in the
    alphabet moves on; up to six further variants differ in both dash pattern and marker.
    """
    names = list(variants)
    n_styles = math.lcm(len(FURTHER_DASHES), len(FURTHER_MARKERS))
    taken: dict[str, int] = {}
    for name in sorted(set(names) - KNOWN_STYLES.keys()):
        first = zlib.crc32(name.encode()) % n_styles
        following = [(first + step) % n_styles for step in range(n_styles)]
        free = (index for index in following if not _resembles(index, taken.values()))
        taken[name] = next(free, first)
    styles = KNOWN_STYLES | {name: _further_style(index) for name, index in taken.items()}
    return {name: styles[name] for name in names}


def _resembles(index: int, taken: Iterable[int]) -> bool:
    """Whether a taken style has the same dash pattern or the same marker."""
    periods = (len(FURTHER_DASHES), len(FURTHER_MARKERS))
    return any((index - other) % period == 0 for other in taken for period in periods)


def _further_style(index: int) -> LineStyle:
    return LineStyle(
        FURTHER_COLORS[index % len(FURTHER_COLORS)],
        (0, FURTHER_DASHES[index % len(FURTHER_DASHES)]),
        FURTHER_MARKERS[index % len(FURTHER_MARKERS)],
    )
