"""One look per variant, the same in every figure, and the sizes all figures share."""

import math
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

FIGURE_INCHES = (9.0, 5.0)
DPI = 150
TITLE_SIZE, LABEL_SIZE, TICK_SIZE, CAPTION_SIZE = 12.0, 9.5, 9.0, 8.0
INK, MUTED, GRID = "#1a1a1a", "#555555", "#e4e4e4"

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
FURTHER_COLORS = ("#4d4d4d", "#6a6a6a", "#3a3a3a", "#5c5c5c")
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
