"""Which hyperparameters matter: exact shares of the variance of a score over a grid."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hq_ray.analysis.charts.page import MARGIN, shorten, size_in_points, text_width
from hq_ray.analysis.charts.panels import dress, panels
from hq_ray.analysis.charts.style import (
    FIGURE_INCHES,
    INK,
    LABEL_SIZE,
    TICK_SIZE,
    LineStyle,
    variant_styles,
)

SHARE_LABEL = "share of the variance of the score over the grid [%]"
REMAINDER = "higher orders and noise"
FURTHER = "further terms together"
MAX_TERMS = 12
BAR, BETWEEN = 11.0, 9.0
HEAD_INCHES, FRAME = 1.3, 84.0
HATCHES = {"standard": "", "harmonic": "////", "minimum": "....", "asymmetric": "xxxx"}
FIRST_WORDS = "share that one hyperparameter, or a pair beyond its two, explains alone"
LEFT_MOST = 260.0
FURTHER_HATCHES = ("\\\\\\\\", "----", "||||", "++++", "oooo")

Shares = Mapping[str, Mapping[str, float]]


def importance_figure(
    shares: Mapping[str, Shares], *, title: str, caption: Sequence[str]
) -> Figure:
    """Draw the variance share of each hyperparameter and pair as bars, grouped by variant.

    Terms are sorted by their largest share; what they leave of 1 is the last group. Shares that
    are corrected for noise may be negative.

    Args:
        shares: by environment and variant, a share for each term, such as `alpha` or
            `alpha × eps_shift`; a term that is absent has no bar.
        title: of the figure.
        caption: n, how noise was taken off and the like.
    """
    tables = {env: complete_shares(by) for env, by in shares.items()}
    variants = list(dict.fromkeys(variant for table in tables.values() for variant in table))
    terms = {env: list(next(iter(table.values()), {})) for env, table in tables.items()}
    room = max(text_width(term, TICK_SIZE) for of in terms.values() for term in of) + 10 + MARGIN
    n_columns = 2 if len(tables) > 1 and room <= 150 else 1
    n_rows = math.ceil(len(tables) / n_columns)
    group = len(variants) * BAR + BETWEEN
    height = max(map(len, terms.values())) * group
    right = max(text_width(f"100 % {variant}", TICK_SIZE) for variant in variants) + 8 + MARGIN
    figure, grid = panels(
        title,
        "",
        [_key_words(tables), *caption],
        n_rows=n_rows,
        n_columns=n_columns,
        inches=(FIGURE_INCHES[0], HEAD_INCHES + n_rows * (FRAME + height) / 72),
        left=min(room, LEFT_MOST),
        right=right,
        titled=True,
    )
    styles = variant_styles(variants)
    for axes, (env, table) in zip(grid.flat, tables.items(), strict=False):
        name = shorten(env, size_in_points(axes)[0] + right - MARGIN, LABEL_SIZE, "bold")
        _dress(axes, name, table, terms[env], group, height)
        for rank, variant in enumerate(variants):
            _draw_bars(axes, table.get(variant, {}), variant, styles[variant], rank, group)
    for axes in grid.flat[len(tables) :]:
        axes.remove()
    return figure


def complete_shares(by_variant: Shares) -> dict[str, dict[str, float]]:
    """The same terms for each variant, sorted, with what they leave of 1; NaN where missing.

    Terms beyond the twelve largest are added up.
    """
    names = list(dict.fromkeys(term for of in by_variant.values() for term in of))
    names.sort(key=lambda name: -max(of.get(name, -math.inf) for of in by_variant.values()))
    return {variant: _complete(of, names) for variant, of in by_variant.items()}


def _complete(of: Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    shown = {name: of.get(name, math.nan) for name in names[:MAX_TERMS]}
    further = [of[name] for name in names[MAX_TERMS:] if name in of]
    if len(names) > MAX_TERMS:
        shown[FURTHER] = sum(further) if further else math.nan
    return shown | {REMAINDER: 1 - sum(of.values()) if of else math.nan}


def _dress(
    axes: Axes,
    title: str,
    table: Mapping[str, Mapping[str, float]],
    terms: Sequence[str],
    group: float,
    height: float,
) -> None:
    shares = [100 * share for of in table.values() for share in of.values()]
    finite = [share for share in shares if math.isfinite(share)]
    limits = min([0.0, *finite]) * 1.15, max([*finite, 1.0])
    middles = [(i + 0.5) * group for i in range(len(terms))]
    texts = [shorten(term, LEFT_MOST - 10 - MARGIN, TICK_SIZE) for term in terms]
    look = {"title": title, "yticks": (middles, texts), "grid": "x"}
    dress(axes, SHARE_LABEL, "", limits, (height, 0.0), **look)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.axvline(0.0, color=INK, linewidth=0.9)


def _draw_bars(
    axes: Axes, of: Mapping[str, float], variant: str, style: LineStyle, rank: int, group: float
) -> None:
    """A variant's bars, a number at each end, and its name at the first."""
    hatch = HATCHES.get(variant, FURTHER_HATCHES[rank % len(FURTHER_HATCHES)])
    named = False
    for i, share in enumerate(of.values()):
        if not math.isfinite(share):
            continue
        y = i * group + BETWEEN / 2 + (rank + 0.5) * BAR
        look = {"color": style.color, "hatch": hatch, "edgecolor": "white", "linewidth": 0.0}
        axes.barh(y, 100 * share, 0.86 * BAR, **look)
        text = share_text(share) if named else f"{share_text(share)} {variant}"
        axes.annotate(
            text,
            (max(100 * share, 0.0), y),
            (4, 0),
            textcoords="offset points",
            va="center_baseline",
            size=TICK_SIZE,
            color=style.color,
            parse_math=False,
        )
        named = True


def share_text(share: float) -> str:
    """A share in percent: `42 %`, `3.1 %`."""
    decimals = 0 if abs(share) >= 0.095 else 1
    return f"{100 * share + 0.0:.{decimals}f} %"


def _key_words(tables: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """What bars stand for, and which are missing."""
    words = f"Bars: {FIRST_WORDS}; {REMAINDER}: what they leave of 100 %."
    shares = [share for table in tables.values() for of in table.values() for share in of.values()]
    if any(math.isnan(share) for share in shares):
        return f"{words} No bar: missing, or not a hyperparameter of the variant."
    return words
