"""Entries of score figures: read from what was given, stacked, and put into words."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from hq_ray.analysis.drawing.captions import round_number
from hq_ray.analysis.drawing.panels import padded
from hq_ray.errors import InputError, near_miss

Entry = Mapping[str, object]


Columns = Mapping[str, np.ndarray]


# An axis leaves the far away out when that would take this many times the room of the rest.
FOCUS = 3.0


MOST_NAMED = 3


def variants_of(rows: Mapping[str, Mapping]) -> list[str]:
    """All variants of all panels, in order of appearance."""
    return list(dict.fromkeys(name for row in rows.values() for name in row))


def required(rows: Mapping[str, Mapping], what: str) -> None:
    """Refuse no panels, and panels without variants."""
    if not rows:
        raise InputError(f"{what} needs at least one environment; given none")
    bare = [panel for panel, row in rows.items() if not row]
    if bare:
        raise InputError(f"{what} needs at least one variant in every panel; none in {bare[0]!r}")


def read(
    rows: Mapping[str, Mapping[str, Entry]],
    what: str,
    needed: Sequence[str],
    optional: Sequence[str] = (),
) -> dict[str, dict[str, Columns]]:
    """The entries' columns as float64 arrays of one length; None is NaN, absent optional ones too.

    Raises:
        InputError: no panel or variant, a column is missing, or lengths differ.
    """
    required(rows, what)
    found: dict[str, dict[str, Columns]] = {panel: {} for panel in rows}
    for panel, row in rows.items():
        for variant, entry in row.items():
            missing = [name for name in needed if entry.get(name) is None]
            if missing:
                hint = near_miss(missing[0], entry)
                raise InputError(f"{variant} in {panel!r} has no {missing[0]!r}{hint}")
            n = np.size(entry[needed[0]])
            given = {name: entry.get(name) for name in (*needed, *optional)}
            arrays = {
                name: np.full(n, np.nan) if values is None else np.asarray(values, float).ravel()
                for name, values in given.items()
            }
            if n == 0 or {array.size for array in arrays.values()} != {n}:
                sizes = ", ".join(f"{name} {array.size}" for name, array in arrays.items())
                raise InputError(
                    f"columns must have one length, at least 1; {variant} in {panel!r} has {sizes}"
                )
            found[panel][variant] = arrays
    return found


def label_of(score_label: str | Mapping[str, str], panel: str) -> str:
    """The label of a panel, where they may differ."""
    if isinstance(score_label, str):
        return score_label
    if panel not in score_label:
        raise InputError(f"every panel needs a score label; {panel!r} has none")
    return score_label[panel]


def stacked(entries: Iterable[Columns], *names: str) -> np.ndarray:
    """All values of some columns of several entries, one after the other."""
    return np.concatenate([entry[name] for entry in entries for name in names])


def paragraphs(caption: str | Sequence[str]) -> list[str]:
    """A caption as a list of paragraphs."""
    return [caption] if isinstance(caption, str) else list(caption)


def sentences(*words: str) -> str:
    """Those that say something, one after the other."""
    return ". ".join(filter(None, words))


def named_words(what: str, names: Mapping[str, Sequence[str]]) -> str:
    """`what: CliffWalking-v1 (standard, harmonic); ...`; empty where nobody is named."""
    parts = [f"{panel} ({', '.join(some)})" for panel, some in names.items() if some]
    if len(parts) > MOST_NAMED:
        parts = [*parts[:MOST_NAMED], f"and {len(parts) - MOST_NAMED} more"]
    return f"{what}: {'; '.join(parts)}" if parts else ""


def missing_words(
    what: str, rows: Mapping[str, Mapping[str, Columns]], names: Sequence[str]
) -> str:
    """Who has no point at which all of these columns are known."""
    none = {
        panel: [
            variant
            for variant, entry in row.items()
            if not np.all([np.isfinite(entry[name]) for name in names], axis=0).any()
        ]
        for panel, row in rows.items()
    }
    return named_words(what, none)


def off_scale(
    rows: Mapping[str, Mapping[str, Columns]],
    name: str,
    limits: Mapping[str, tuple[float, float]],
) -> dict[str, list[str]]:
    """By panel, how far the values of a column go beyond the limits, where they do."""
    found: dict[str, list[str]] = {}
    for panel, row in rows.items():
        low, high = limits[panel]
        values = stacked(row.values(), name)
        beyond = values[(values < low) | (values > high)]
        furthest = np.abs(beyond - (low + high) / 2).argmax() if beyond.size else None
        found[panel] = [] if furthest is None else [f"to {round_number(beyond[furthest])}"]
    return found


def focused(inner: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """Limits around all values, or those near the inner ones when the others are far away."""
    inner, values = inner[np.isfinite(inner)], values[np.isfinite(values)]
    span = float(np.ptp(inner)) if inner.size else 0.0
    if not span or np.ptp(values) <= FOCUS * 3 * span:
        return padded(values)
    low, high = inner.min() - span, inner.max() + span
    return padded([max(low, values.min()), min(high, values.max())])
