"""How often episodes succeed, fall and are cut off, over episodes: one row each on one page."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from hq_ray.analysis.drawing.captions import drawn_curves, variant_words
from hq_ray.analysis.drawing.figure_bands import axis_label, limits_of
from hq_ray.analysis.drawing.figure_facets import Panel, draw_panels, off_scale_note
from hq_ray.analysis.drawing.figures import band_words
from hq_ray.analysis.statistics.means import SmoothedSeeds


def rates_figure(
    rates: Mapping[str, Mapping[str, SmoothedSeeds]],
    *,
    title: str,
    planned: Mapping[str, int],
    caption: Sequence[str],
) -> Figure:
    """Draw the shares and rates of one problem with their bands, stacked over one episode axis.

    Args:
        rates: by quantity, `success`, `falls` or `failures` (per 1,000 steps) and `truncated`,
            curves by variant; those that are not known are not there.
        title: above all.
        planned: number of seeds by variant.
        caption: paragraphs below what the figure itself says of lines, bands and window.
    """
    parts = []
    for quantity, of in rates.items():
        texts = {v: variant_words(v, len(curve.seeds), planned[v]) for v, curve in of.items()}
        drawn = [values for curve in of.values() for values in drawn_curves(curve)]
        limits = limits_of(drawn, quantity)
        parts.append(Panel("", of, texts, axis_label(quantity), limits))
    unknown = [name for name in ("success", "truncated") if name not in rates]
    notes = [f"not recorded, so left out: {', '.join(unknown)}"] if unknown else []
    note = ". ".join(filter(None, [*notes, *(off_scale_note([part]) for part in parts)]))
    words = [band_words({"": next(iter(rates.values()))}), *caption]
    return draw_panels(parts, title, note, words, n_columns=1)[0]
