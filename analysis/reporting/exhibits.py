"""A figure of a report as data: which function draws it, from what, and what it tells.

What a figure shows is in the arguments of one call; `figures.json` holds these calls, and `draw`
makes the same figure from them again, next year too.
"""

import hashlib
import importlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

import numpy as np

from hq_ray.analysis.reporting.thinned import restored
from hq_ray.errors import InputError, near_miss

# Longer file names than this are cut, and a digest keeps them apart.
LONGEST_STEM = 100

# name: module and function
FIGURES = {
    "budget": "hq_ray.analysis.drawing.figure_profiles:budget_figure",
    "curve": "hq_ray.analysis.drawing.figures:curve_figure",
    "difference": "hq_ray.analysis.drawing.figure_difference:difference_figure",
    "dimensionality": "hq_ray.analysis.drawing.figure_sensitivity:dimensionality_figure",
    "eps_shift": "hq_ray.analysis.drawing.figure_sensitivity:eps_shift_figure",
    "health": "hq_ray.analysis.drawing.figure_health:health_figure",
    "heat": "hq_ray.analysis.drawing.figure_heat:heat_figure",
    "importance": "hq_ray.analysis.drawing.figure_importance:importance_figure",
    "improvement": "hq_ray.analysis.drawing.figure_scores:improvement_figure",
    "intervals": "hq_ray.analysis.drawing.figure_scores:intervals_figure",
    "mean_se": "hq_ray.analysis.drawing.figure_curves:mean_se_figure",
    "mean_se_panels": "hq_ray.analysis.drawing.figure_curves:mean_se_panels_figure",
    "optimism": "hq_ray.analysis.drawing.figure_selection:optimism_figure",
    "pairs": "hq_ray.analysis.drawing.figure_pairs:pairs_figure",
    "profile": "hq_ray.analysis.drawing.figure_profiles:profile_figure",
    "rates": "hq_ray.analysis.drawing.figure_rates:rates_figure",
    "seeds": "hq_ray.analysis.drawing.figure_curves:seeds_figure",
    "selection": "hq_ray.analysis.drawing.figure_selection:selection_figure",
    "sensitivity": "hq_ray.analysis.drawing.figure_sensitivity:sensitivity_figure",
    "sensitivity_plane": "hq_ray.analysis.drawing.figure_sensitivity:sensitivity_plane_figure",
    "value": "hq_ray.analysis.drawing.figure_values:value_figure",
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
    """The matplotlib Figure of an exhibit, from itself or from what `from_json` read.

    Raises:
        InputError: there is no such kind of figure.
    """
    if exhibit.figure not in FIGURES:
        hint = near_miss(exhibit.figure, FIGURES)
        raise InputError(f"unknown figure {exhibit.figure!r}{hint}")
    module, _, function = FIGURES[exhibit.figure].partition(":")
    return getattr(importlib.import_module(module), function)(**restored(exhibit.arguments))


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
        entries = json.loads(text)
        if not isinstance(entries, list):
            raise TypeError("it holds no list")
        return [Exhibit(**entry) for entry in entries]
    except (ValueError, TypeError) as problem:
        raise InputError(f"figures.json must be one that a report wrote: {problem}") from None


def file_stem(text: str) -> str:
    """Text as a file name: no other signs than letters, digits, `.`, `-`, `_`, and not too long."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("_")
    if len(plain) <= LONGEST_STEM:
        return plain
    return f"{plain[: LONGEST_STEM - 9]}_{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            value = np.where(np.isfinite(value), value.astype(object), None)
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
