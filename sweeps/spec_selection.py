"""What a spec records of a selection that its configurations come from; a sweep only keeps it."""

import itertools
import math
from collections.abc import Iterator, Mapping
from numbers import Integral

import numpy as np

from hq_ray.errors import InputError
from hq_ray.store_uri import refuse_credentials
from hq_ray.sweeps.distributions import is_huge, listed
from hq_ray.sweeps.spec_entries import as_mapping
from hq_ray.sweeps.spec_text import place_of, shown

# Aliases of aliases make a short text mean millions of values.
MOST_VALUES = 1_000_000
DEEPEST = 20


def read_selection(value: object) -> dict:
    """A mapping of plain JSON values: text keys, finite numbers, arrays as lists.

    Raises:
        InputError: with the path in the spec of what is none.
    """
    return _plain("selection", as_mapping("selection", value), itertools.count(1), 0)


def _plain(path: str, value: object, counted: Iterator[int], depth: int) -> object:
    if next(counted) > MOST_VALUES or depth > DEEPEST:
        raise InputError(
            f"selection: must be at most {MOST_VALUES:,} values, nested at most {DEEPEST} deep"
        )
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise InputError(f"{path}: must have text as keys, got {shown(key)}")
        return {
            str(key): _plain(place_of(path, key), item, counted, depth + 1)
            for key, item in value.items()
        }
    items = listed(value)
    if items is not None:
        return [
            _plain(f"{path}[{index}]", item, counted, depth + 1) for index, item in enumerate(items)
        ]
    return _scalar(path, value)


def _scalar(path: str, value: object) -> object:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        refuse_credentials(value)  # of the results that the configurations were chosen from
        return str(value)
    if isinstance(value, Integral) and not is_huge(value):
        return int(value)
    if isinstance(value, float | np.floating) and math.isfinite(float(value)):
        return float(value)
    raise InputError(
        f"{path}: must be a plain JSON value (text, a finite number, true, false, null, a list or "
        f"a mapping), got {shown(value)}"
    )
