"""Curves over episodes: every seed, the mean and its band; of variants, or of their differences."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from hq_ray.analysis.charts.captions import interval_caption, smoothing_caption
from hq_ray.analysis.charts.page import PANEL_HEIGHT, chart, name_ends, page
from hq_ray.analysis.charts.scales import (
    COMPRESSED_WORDS,
    fit_episodes,
    fit_values,
    needs_compression,
)
from hq_ray.analysis.charts.style import MUTED, REFERENCE_STYLE, LineStyle, variant_styles
from hq_ray.analysis.smoothing import thin_indices
from hq_ray.analysis.statistics.means import mean_and_se, t_interval
from hq_ray.analysis.words import round_number
from hq_ray.errors import InputError, near_miss

LABELS = {
    "returns": "episode return [reward units]",
    "steps": "steps per episode [steps]",
    "success": "episodes that succeed [share]",
}
MOST_POINTS = 1000
N_MARKERS = 7
N_BINS = 600
WARM_UP_ALPHA, RAW_ALPHA = 0.5, 0.35
# A line's end takes so much height for its name.
ROOM_FOR_NAME = 0.19


def curve_frame(curves: Mapping[str, tuple[Sequence, np.ndarray]]) -> pd.DataFrame:
    """The frame that `curves_chart` draws: variant, seed, episode, value.

    Of long curves some thousand episodes stay, at equal distances.

    Args:
        curves: by variant, its seeds and their smoothed values `(n_seeds, n_episodes)`.
    """
    frames = []
    for variant, (seeds, values) in curves.items():
        n_episodes = values.shape[1]
        shown = np.linspace(0, n_episodes - 1, min(n_episodes, MOST_POINTS)).round().astype(int)
        columns = {
            "variant": np.repeat([variant], len(seeds) * len(shown)),
            "seed": np.repeat(np.asarray(seeds), len(shown)),
            "episode": np.tile(shown + 1, len(seeds)),
            "value": values[:, shown].astype(float).ravel(),
        }
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


@chart
def curves_chart(
    frame: pd.DataFrame,
    *,
    title: str,
    caption: Sequence[str],
    label: str,
    window: int,
    optimum: float | None = None,
    share: bool = False,
    difference: bool = False,
    raw: np.ndarray | None = None,
    names: Mapping[str, str] | None = None,
) -> Figure:
    """Draw the mean of each variant with its band, and every seed thin.

    Args:
        frame: variant, seed, episode and value; a value is NaN where it is not known.
        title, caption: above and below the panel.
        label: of the value axis, with its unit.
        window: that the values were smoothed with, in episodes.
        optimum: level of a reference line.
        share: the values are shares, so the axis shows 0 to 1.
        difference: the values are differences: the band is a 95 % t interval, seeds are not drawn.
        raw: `(n_episodes,)`, drawn faint behind all else.
        names: what stands at a line's end instead of the variant.
    """
    curves = {
        variant: part.pivot(index="seed", columns="episode", values="value")
        for variant, part in frame.groupby("variant", sort=False, observed=True)
    }
    interval = "t" if difference else "se"
    bands = {v: _band(table.to_numpy(), interval, share) for v, table in curves.items()}
    levels = [0.0] if difference else [] if optimum is None else [optimum]
    values, settled = _drawn(curves, bands, levels, raw, with_seeds=not difference)
    longest, counts = int(frame["episode"].max()), {v: len(of) for v, of in curves.items()}
    words = f"Each seed: {smoothing_caption(window, longest)}. {interval_caption(counts, interval)}"
    words += "" if difference or max(counts.values()) == 1 else " Thin: single seeds."
    words += "" if raw is None else " Faint: raw values of each episode."
    scale_caption = COMPRESSED_WORDS if not share and needs_compression(values, settled) else ""
    height = max(PANEL_HEIGHT, 0.9 + ROOM_FOR_NAME * (len(curves) + len(levels)))
    caption = [words, scale_caption, *caption]
    figure, (axes,) = page(title, caption, [label], panel_height=height)
    fit_episodes(axes, longest)
    if share:
        axes.set_ylim(-0.03, 1.03)
    else:
        fit_values(axes, values, settled)
    styles = variant_styles(curves)
    ends = {}
    for number, (variant, table) in enumerate(curves.items()):
        mean = bands[variant][0]
        if not difference and len(table) > 1:
            _draw_seeds(axes, table, styles[variant], sum(counts.values()))
        _draw_band(axes, table.columns, bands[variant], styles[variant])
        _draw_mean(axes, table.columns, mean, styles[variant], window, number / len(curves))
        known = np.flatnonzero(np.isfinite(mean))
        if known.size:
            last = known[-1]
            name = (names or {}).get(variant, variant)
            ends[name] = (table.columns[last], mean[last], styles[variant])
    if raw is not None:
        _draw_raw(axes, raw, next(iter(styles.values())))
    if difference:
        axes.axhline(0.0, color=MUTED, linewidth=0.9, zorder=1.5)
    elif optimum is not None:
        look = {"color": REFERENCE_STYLE.color, "linestyle": REFERENCE_STYLE.linestyle}
        axes.axhline(optimum, linewidth=1.0, zorder=1.5, **look)
        ends[f"optimum {round_number(optimum)}"] = (longest, optimum, REFERENCE_STYLE)
    name_ends(axes, ends)
    return figure


def _band(seeds: np.ndarray, interval: str, share: bool) -> np.ndarray:
    """Mean, low and high by episode, `(3, n)`; NaN where a seed's value is not known."""
    found = np.full((3, seeds.shape[1]), np.nan)
    known = np.isfinite(seeds).all(axis=0)
    if interval == "t":
        found[:, known] = t_interval(seeds[:, known], axis=0)
    else:
        mean, se = mean_and_se(seeds[:, known])
        found[:, known] = mean, mean - se, mean + se
    return found.clip(0.0, 1.0) if share else found


def _drawn(
    curves: Mapping[str, pd.DataFrame],
    bands: Mapping[str, np.ndarray],
    levels: Sequence[float],
    raw: np.ndarray | None,
    with_seeds: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """All values of a panel, and those of the second half of training."""
    parts = [(curves[variant].columns.to_numpy(), of) for variant, of in bands.items()]
    if with_seeds:
        parts += [(table.columns.to_numpy(), table.to_numpy()) for table in curves.values()]
    if raw is not None:
        parts.append((np.arange(1, len(raw) + 1), raw[None]))
    late = [values[:, episodes > episodes[-1] / 2].ravel() for episodes, values in parts]
    return (
        np.concatenate([*(values.ravel() for _, values in parts), levels]),
        np.concatenate([*late, levels]),
    )


def _draw_seeds(axes: Axes, table: pd.DataFrame, style: LineStyle, n_lines: int) -> None:
    """Thin lines behind the mean, the fainter the more of them there are in all."""
    alpha = min(0.5, max(0.12, 5 / n_lines))
    lines = [np.column_stack([table.columns, seed]) for seed in table.to_numpy()]
    if table.shape[1] == 1:
        look = {"marker": "_", "linestyle": "", "alpha": alpha, "color": style.color}
        axes.plot(*np.concatenate(lines).T, **look)
    look = {"colors": style.color, "linewidths": 0.6, "alpha": alpha, "zorder": 1.4}
    axes.add_collection(LineCollection(lines, **look), autolim=False)


def _draw_band(axes: Axes, episodes: pd.Index, band: np.ndarray, style: LineStyle) -> None:
    _, low, high = band
    if len(episodes) == 1:
        axes.vlines(episodes, low, high, color=style.color, alpha=0.4, linewidth=6)
    else:
        look = {"color": style.color, "alpha": 0.28, "linewidth": 0, "zorder": 1.3}
        axes.fill_between(episodes, low, high, **look)


def _draw_mean(
    axes: Axes, episodes: pd.Index, mean: np.ndarray, style: LineStyle, window: int, shift: float
) -> None:
    """The mean with a few markers, lighter before the first full window."""
    full = int(np.searchsorted(episodes, min(window, episodes[-1])))
    look = {"color": style.color, "linestyle": style.linestyle}
    axes.plot(episodes[: full + 1], mean[: full + 1], alpha=WARM_UP_ALPHA, **look)
    every = max(1, len(mean) // N_MARKERS)
    start = int((0.25 + 0.5 * shift) * every)
    look |= {"marker": style.marker, "markevery": range(start, len(mean), every)}
    axes.plot(episodes, np.where(np.arange(len(mean)) < full, np.nan, mean), **look)


def _draw_raw(axes: Axes, raw: np.ndarray, style: LineStyle) -> None:
    shown = thin_indices(raw, N_BINS)
    look = {"color": style.color, "alpha": RAW_ALPHA, "linewidth": 0.5, "zorder": 1.1}
    axes.plot(1 + shown, raw[shown], marker="_" if len(raw) == 1 else "", **look)


def axis_label(quantity: str) -> str:
    """What stands at the value axis of a quantity, with its unit."""
    if quantity not in LABELS:
        raise InputError(f"unknown quantity {quantity!r}{near_miss(quantity, LABELS)}")
    return LABELS[quantity]
