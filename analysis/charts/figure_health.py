"""Whether a sweep is whole and sound: trials planned, done and failed, seeds, seconds, truncation.

Above stand bars and numbers of trials, below the times and truncations of those that are done; a
line per environment and variant.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from hq_ray.analysis.charts.figure_facets import texts_height
from hq_ray.analysis.charts.page import MARGIN, size_in_points, text_width, wrap_text
from hq_ray.analysis.charts.panels import NAME_ROOM, TICK_ROOM, dress, padded, panels
from hq_ray.analysis.charts.style import (
    FIGURE_INCHES,
    INK,
    LABEL_SIZE,
    MUTED,
    TICK_SIZE,
    variant_styles,
)
from hq_ray.analysis.words import format_number, round_number

N_DOTS = 20
LINE_POINTS = 18.0
WIDEST_NAME, NUMBER_ROOM, GAP = 120.0, 58.0, 34.0
FAILED = {"facecolor": "white", "edgecolor": INK, "hatch": "xxxxx"}
MISSING = {"facecolor": "white", "edgecolor": MUTED, "hatch": "....."}
TABLE = ("done", "failed", "missing", "configs", "seeds each")
SHARES = ((0.0, 0.25, 0.5, 0.75, 1.0), ("0 %", "25 %", "50 %", "75 %", "100 %"))

Row = Mapping[str, Any]
# What stands on a line: an environment's name alone, or a variant with its row.
Line = tuple[str, Row | None]


def health_figure(rows: Sequence[Row], *, title: str, caption: Sequence[str]) -> Figure:
    """Draw how much of a sweep is there and how its trials went, by environment and variant.

    Args:
        rows: mappings with `env`, `variant`, `done`, `failed` and `planned` (numbers of trials, the
            last one None where it is not known), `seeds` (how many seeds of each configuration are
            done, a number each), `seconds` (training times of trials; more than 20 are shown as 20
            quantiles, which may be given instead) and `truncated` (share of episodes that the step
            limit ended, or None).
        title: above all.
        caption: paragraphs below what the figure itself says of its marks.
    """
    lines = _lines(rows)
    below = any(len(row["seconds"]) or row["truncated"] is not None for row in rows)
    words, text = [_mark_words(below), *caption], _unknown_words(rows)
    names = [text_width(name, LABEL_SIZE) for name, row in lines if row is not None]
    left = min(WIDEST_NAME, max(names)) + 18 + MARGIN
    n_panel_rows = 2 if below else 1
    frame = (NAME_ROOM + TICK_ROOM + len(lines) * LINE_POINTS) / 72
    inches = (FIGURE_INCHES[0], texts_height(title, text, words) + n_panel_rows * frame)
    sides = {"left": (left, GAP), "right": (NUMBER_ROOM, NUMBER_ROOM)}
    shape = {"n_rows": n_panel_rows, "n_columns": 2, "inches": inches}
    figure, axes = panels(title, text, words, **shape, **sides)
    _draw_trials(axes[0, 0], lines)
    _write_table(axes[0, 1], lines)
    if below:
        _draw_seconds(axes[1, 0], lines)
        _draw_truncation(axes[1, 1], lines)
    for panel in axes[:, 0]:
        _write_names(panel, lines, left - MARGIN)
    return figure


def _lines(rows: Sequence[Row]) -> list[Line]:
    """Environments in the order in which they first come, each above its variants."""
    lines: list[Line] = []
    for env in dict.fromkeys(row["env"] for row in rows):
        lines.append((env, None))
        lines.extend((row["variant"], row) for row in rows if row["env"] == env)
    return lines


def _on_lines(lines: Sequence[Line]) -> list[tuple[int, Row]]:
    return [(i, row) for i, (_, row) in enumerate(lines) if row is not None]


def _counts(row: Row) -> tuple[int, int, int | None]:
    """Trials done, failed and missing; the last is None where no plan is known."""
    done, failed, planned = row["done"], row["failed"], row["planned"]
    return done, failed, None if planned is None else max(0, planned - done - failed)


def _draw_trials(axes: Axes, lines: Sequence[Line]) -> None:
    """Bars of what is done, failed and missing, as shares, with the share done in print."""
    _dress_lines(axes, "trials [% of those planned]", (0.0, 1.0), lines, SHARES)
    styles = variant_styles(row["variant"] for _, row in _on_lines(lines))
    for i, row in _on_lines(lines):
        done, failed, missing = _counts(row)
        total = max(1, done + failed + (missing or 0))
        known = 0.85 if missing is not None else 0.3
        looks = (
            (done, {"facecolor": styles[row["variant"]].color, "alpha": known}),
            (failed, FAILED),
            (missing or 0, MISSING),
        )
        start = 0.0
        for count, look in looks:
            if count:
                box = Rectangle((start, i - 0.32), count / total, 0.64, linewidth=0.6, **look)
                axes.add_artist(box)
            start += count / total
        _write_number(axes, i, "of ?" if missing is None else _percent(done / total))


def _percent(share: float) -> str:
    """Never `100 %` of what is not whole, nor `0 %` of what is not nothing."""
    if 0 < share < 0.001:
        return "< 0.1 %"
    return "> 99.9 %" if 0.999 < share < 1 else f"{100 * share:.3g} %"


def _write_table(axes: Axes, lines: Sequence[Line]) -> None:
    """The numbers themselves, in the room of a panel whose frame is not drawn."""
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(len(lines) - 0.5, -0.5)
    width, height = size_in_points(axes)
    cells = {i: _cells(row) for i, row in _on_lines(lines)}
    columns = [[name, *(cell[name] for cell in cells.values())] for name in TABLE]
    widths = [max(text_width(text, LABEL_SIZE, "bold") for text in texts) for texts in columns]
    # The last column ends at the margin of the page, the others before it.
    look = {"ha": "right", "size": LABEL_SIZE, "color": INK, "parse_math": False}
    edge = width + NUMBER_ROOM - MARGIN
    for name, room in zip(TABLE[::-1], widths[::-1], strict=True):
        at, top = edge / width, 1 + 7 / height
        axes.text(at, top, name, va="bottom", transform=axes.transAxes, **look)
        for i, cell in cells.items():
            alarm = name in ("failed", "missing") and cell[name] not in ("0", "?")
            weight = "bold" if alarm else "normal"
            axes.text(at, i, cell[name], va="center_baseline", weight=weight, **look)
        edge -= room + 10


def _cells(row: Row) -> dict[str, str]:
    done, failed, missing = _counts(row)
    seeds = [int(n) for n in row["seeds"]]
    spread = dict.fromkeys([min(seeds), max(seeds)]) if seeds else {}
    return {
        "done": format_number(done),
        "failed": format_number(failed),
        "missing": "?" if missing is None else format_number(missing),
        "configs": format_number(len(seeds)) if seeds else "?",
        "seeds each": " to ".join(format_number(n) for n in spread) or "?",
    }


def _draw_seconds(axes: Axes, lines: Sequence[Line]) -> None:
    """Twenty quantiles of the training times of each line's trials, and their median in print."""
    every = np.concatenate([row["seconds"] for _, row in _on_lines(lines)])
    scale = "log" if every.size and every.min() > 0 else "linear"
    limits = padded(every, scale=scale)
    _dress_lines(axes, "training time of a trial [s]", limits, lines, scale=scale)
    styles = variant_styles(row["variant"] for _, row in _on_lines(lines))
    for i, row in _on_lines(lines):
        seconds, style = row["seconds"], styles[row["variant"]]
        if not seconds.size:
            _write_number(axes, i, "none")
            continue
        dots = seconds
        if len(seconds) > N_DOTS:
            dots = np.quantile(seconds, (np.arange(N_DOTS) + 0.5) / N_DOTS)
        look = {"linestyle": "", "marker": "o", "markersize": 5, "markerfacecolor": "none"}
        axes.add_line(Line2D(dots, np.full(len(dots), i), color=style.color, alpha=0.8, **look))
        median = float(np.median(dots))
        axes.add_line(Line2D([median, median], [i - 0.34, i + 0.34], color=INK, linewidth=2))
        _write_number(axes, i, f"{round_number(median)} s")


def _draw_truncation(axes: Axes, lines: Sequence[Line]) -> None:
    """The share of episodes that the step limit ended, from 0 to 1, and in print."""
    _dress_lines(axes, "episodes cut off by the step limit [%]", (0.0, 1.0), lines, SHARES)
    styles = variant_styles(row["variant"] for _, row in _on_lines(lines))
    for i, row in _on_lines(lines):
        if row["truncated"] is None:
            _write_number(axes, i, "unknown")
            continue
        share, style = row["truncated"], styles[row["variant"]]
        look = {"color": style.color, "clip_on": False}
        axes.add_line(Line2D([0, share], [i, i], linewidth=2, solid_capstyle="butt", **look))
        axes.add_line(Line2D([share], [i], linestyle="", marker=style.marker, **look))
        _write_number(axes, i, _percent(share))


def _dress_lines(
    axes: Axes,
    label: str,
    limits: tuple[float, float],
    lines: Sequence[Line],
    ticks: tuple | None = None,
    scale: str = "linear",
) -> None:
    """A panel whose value axis is horizontal, with a line for each row below the one before."""
    over = (len(lines) - 0.5, -0.5)
    dress(axes, "", label, limits, over, xscale=scale, xticks=ticks, yticks=([], []), grid="x")
    axes.spines["left"].set_visible(False)


def _write_number(axes: Axes, i: int, text: str) -> None:
    width, _ = size_in_points(axes)
    look = {"size": TICK_SIZE, "color": INK, "va": "center_baseline", "parse_math": False}
    axes.text(1 + 10 / width, i, text, transform=axes.get_yaxis_transform(), **look)


def _write_names(axes: Axes, lines: Sequence[Line], room: float) -> None:
    """Environments flush left in bold, over the whole page; their variants indented below them."""
    width, _ = size_in_points(axes)
    page = 72 * FIGURE_INCHES[0] - 2 * MARGIN
    look = {"size": LABEL_SIZE, "va": "center_baseline", "parse_math": False}
    look |= {"transform": axes.get_yaxis_transform(), "color": INK, "zorder": 5}
    for i, (text, row) in enumerate(lines):
        indent, most = (0.0, page) if row is None else (10.0, room - 16)
        weight = "bold" if row is None else "normal"
        shown = wrap_text(text, most, LABEL_SIZE, weight, max_lines=1)[0]
        axes.text((indent - room) / width, i, shown, weight=weight, **look)


def _unknown_words(rows: Sequence[Row]) -> str:
    """For how many rows no plan is known; empty when all have one."""
    n_unplanned = sum(row["planned"] is None for row in rows)
    which = "" if n_unplanned == len(rows) else f" for {n_unplanned} of {len(rows)} lines"
    words = f"number of planned trials unknown{which}: what is missing cannot be told"
    return words if n_unplanned else ""


def _mark_words(below: bool) -> str:
    """The first paragraph of the caption."""
    bars = "Bars: filled done, crossed failed, dotted missing. Configs: configurations with trials."
    if not below:
        return bars
    dots = f"Circles: trials, or {N_DOTS} quantiles of theirs; thick mark and number: median."
    return f"{bars} {dots} Cut off: share of all episodes of the trials that are done."
