"""How often episodes succeed, fall and are cut off, over episodes: one row each on one page."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from hq_ray.analysis.drawing.captions import variant_words
from hq_ray.analysis.drawing.figure_bands import SHARES, axis_label, value_limits
from hq_ray.analysis.drawing.figure_curves import styles_of
from hq_ray.analysis.drawing.figure_facets import Panel, draw_panels, off_scale_note
from hq_ray.analysis.drawing.given_means import (
    Given,
    absent_words,
    curve_words,
    paragraphs,
    read_curves,
)
from hq_ray.errors import InputError, near_miss

ROWS = ("success", "falls", "failures", "truncated")


def rates_figure(
    *,
    rates: Mapping[str, Mapping[str, Given] | None],
    title: str,
    window: int,
    interval: str = "se",
    caption: str | Sequence[str] = "",
) -> Figure:
    """Draw the shares and rates of one environment with their bands, stacked over one episode axis.

    Args:
        rates: by quantity, `success`, `falls` or `failures` (per 1,000 steps) and `truncated`,
            curves by label as `drawing.figure_curves.mean_se_figure` takes them. A row that is
            None, empty, without values or not there is left out, with a note.
        title: above all.
        window: of the trailing mean that each seed was smoothed with, in episodes.
        interval: `se` or `ci95`.
        caption: paragraphs below what the figure itself says of lines, bands and window.

    Raises:
        InputError: no row has values, lengths differ, or a quantity or interval is unknown.
    """
    for quantity in rates:
        if quantity not in ROWS:
            raise InputError(f"unknown rate {quantity!r}{near_miss(quantity, ROWS)}")
    curves = {row: rates.get(row) or {} for row in ROWS}
    parts = {}
    for row, given in curves.items():
        part = _panel(row, given, interval, window)
        if part is not None:
            parts[row] = part
    if not parts:
        raise InputError("a figure of rates needs at least one row with values; given none")
    shown = {row: curves[row] for row in parts}
    notes = [_left_out_words(parts), absent_words(shown)]
    notes += [off_scale_note([part]) for part in parts.values()]
    longest = max(part.n_points for part in parts.values())
    words = curve_words(
        _counted_once(shown), interval, window, longest, share=bool(SHARES & set(parts))
    )
    note, lines = ". ".join(filter(None, notes)), [words, *paragraphs(caption)]
    styles = styles_of(shown)
    return draw_panels(list(parts.values()), styles, title, note, lines, window, n_columns=1)[0]


def _panel(row: str, given: Mapping[str, Given], interval: str, window: int) -> Panel | None:
    known = read_curves(given, interval, window, row in SHARES)
    if not known:
        return None
    texts = {
        label: variant_words(label, int(given[label]["n"]), given[label].get("planned"))
        for label in known
    }
    return Panel("", known, texts, axis_label(row), value_limits(list(known.values()), row))


def _left_out_words(shown: Mapping[str, Panel]) -> str:
    """Which rows are not there for want of values."""
    falls = {"falls", "failures"}
    expected = ["success", "truncated", *([] if falls & set(shown) else ["falls"])]
    absent = [row for row in expected if row not in shown]
    return f"not recorded, so left out: {', '.join(absent)}" if absent else ""


def _counted_once(shown: Mapping[str, Mapping[str, Given]]) -> Mapping[str, Mapping[str, Given]]:
    """The first row for all, where all count the same seeds."""
    counts = [
        {label: (given or {}).get("n") for label, given in curves.items()}
        for curves in shown.values()
    ]
    if any(other != counts[0] for other in counts):
        return shown
    return {"": next(iter(shown.values()))}
