"""A figure of a report as data: which function draws it, from what, and what it tells.

What a figure shows is in the arguments of one call; `figures.json` holds these calls, and `draw`
makes the same figure from them again, next year too.
"""

import importlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np

from hq_ray.errors import InputError, near_miss

DIGITS = 6

# name: module and function
FIGURES = {
    "budget": "analysis.figure_profiles:budget_figure",
    "curve": "analysis.figures:curve_figure",
    "difference": "analysis.figure_difference:difference_figure",
    "dimensionality": "analysis.figure_sensitivity:dimensionality_figure",
    "eps_shift": "analysis.figure_sensitivity:eps_shift_figure",
    "health": "analysis.figure_health:health_figure",
    "heat": "analysis.figure_heat:heat_figure",
    "importance": "analysis.figure_importance:importance_figure",
    "improvement": "analysis.figure_scores:improvement_figure",
    "intervals": "analysis.figure_scores:intervals_figure",
    "mean_se": "analysis.figure_curves:mean_se_figure",
    "mean_se_panels": "analysis.figure_curves:mean_se_panels_figure",
    "optimism": "analysis.figure_selection:optimism_figure",
    "pairs": "analysis.figure_pairs:pairs_figure",
    "profile": "analysis.figure_profiles:profile_figure",
    "rates": "analysis.figure_rates:rates_figure",
    "seeds": "analysis.figure_curves:seeds_figure",
    "selection": "analysis.figure_selection:selection_figure",
    "sensitivity": "analysis.figure_sensitivity:sensitivity_figure",
    "sensitivity_plane": "analysis.figure_sensitivity:sensitivity_plane_figure",
    "value": "analysis.figure_values:value_figure",
}


@dataclass(frozen=True)
class Exhibit:
    """One figure.

    Attributes:
        stem: of its file, unique in a report.
        section: of the report that it belongs to.
        figure: a name of FIGURES.
        arguments: of that function, by keyword.
        shows, shows_not: a sentence each.
    """

    stem: str
    section: str
    figure: str
    arguments: Mapping[str, object]
    shows: str
    shows_not: str


def draw(exhibit: Exhibit) -> object:
    """The matplotlib Figure of an exhibit.

    Raises:
        InputError: there is no such kind of figure.
    """
    if exhibit.figure not in FIGURES:
        hint = near_miss(exhibit.figure, FIGURES)
        raise InputError(f"unknown figure {exhibit.figure!r}{hint}")
    module, _, function = FIGURES[exhibit.figure].partition(":")
    return getattr(importlib.import_module(module), function)(**exhibit.arguments)


def to_json(exhibits: Iterable[Exhibit]) -> str:
    """The exhibits as text; numbers keep every bit, what is not a number becomes null."""
    content = [_plain(asdict(exhibit)) for exhibit in exhibits]
    return json.dumps(content, allow_nan=False, separators=(",", ":"))


def from_json(text: str) -> list[Exhibit]:
    """The exhibits that `to_json` wrote.

    Raises:
        InputError: the text is no such list.
    """
    try:
        return [Exhibit(**entry) for entry in json.loads(text)]
    except (ValueError, TypeError) as problem:
        raise InputError(f"figures.json must be one that a report wrote: {problem}") from None


def shortened(exhibit: Exhibit) -> Exhibit:
    """The exhibit with numbers of DIGITS significant digits, more than any screen can show.

    A report draws from these, so that what is drawn and what `figures.json` holds is the same.
    """
    return replace(exhibit, arguments=_short(exhibit.arguments))


def _short(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _short(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_short(one) for one in value]
    array = np.asarray(value)
    if array.dtype != np.float64 or not array.size:
        return value
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        scale = 10.0 ** (DIGITS - 1 - np.floor(np.log10(np.abs(array))))
        rounded = np.rint(array * scale) / scale
    rounded = np.where(np.isfinite(rounded), rounded, array)
    return rounded if array.ndim else float(rounded)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
