"""The text of a spec: YAML 1.2 as plain Python values, and error messages of one sentence."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode
from ruamel.yaml.reader import ReaderError

from hq_ray.errors import InputError, did_you_mean, near_miss, one_line, short_repr, shortened

# Aliases of aliases make a short text mean billions of values.
MOST_VALUES = 10**6
# What pydantic says in words of its own.
PLAIN = {
    "tuple_type": "must be a list",
    "too_short": "must hold at least one value",
    "model_type": "must be a mapping",
    "invalid_key": "must be text, as every key is",
}


def listed(value: object) -> list | None:
    """A list, tuple, range or array as a list; None for anything else."""
    if isinstance(value, np.ndarray):
        return value.tolist() if value.ndim else None
    return list(value) if isinstance(value, list | tuple | range) else None


def placed(place: str, problem: object) -> InputError:
    """The error with its place before it; a message may itself begin with the rest of the place."""
    text = str(problem)
    colon = ": " if place and not text.startswith((".", "[")) else ""
    return InputError(f"{place}{colon}{shortened(text, 500)}")


@contextmanager
def placing(place: str) -> Iterator[None]:
    """Puts a place before the message of an error that is raised in the block; see `placed`."""
    try:
        yield
    except ValueError as problem:
        raise placed(place, problem) from None


def known_keys(given: object, known: Iterable[str]) -> dict:
    """A mapping as a dict; an unknown key is refused with the near miss."""
    if not isinstance(given, Mapping):
        raise ValueError("must be a mapping")
    for key in given:
        if not isinstance(key, str) or key not in known:
            raise InputError(f"unknown key {short_repr(key)}{near_miss(key, known)}")
    return dict(given)


def sentence(problem: ValidationError, given: object) -> InputError:
    """The first of pydantic's errors as one sentence; it starts with its place in what was given,
    such as `.variant[1].parameters.alpha: `, where that is no root.

    A validator raises a ValueError to say what must hold; what was given is added here. An
    InputError says both itself, and may start with the rest of the place.
    """
    error = problem.errors(include_url=False)[0]
    steps, value = error["loc"], error["input"]
    got = f", got {short_repr(value)}"
    if error["type"] == "missing":
        text = f".{steps[-1]}: must be given"
    elif error["type"] == "literal_error":
        known = error["ctx"]["expected"].replace(" or ", ", ").replace("'", "")
        text = f"must be one of {known}{got}{did_you_mean(value, known.split(', '))}"
    elif error["type"] == "value_error":
        cause = error["ctx"]["error"]
        text = str(cause) if isinstance(cause, InputError) else f"{cause}{got}"
    else:
        text = PLAIN.get(error["type"], error["msg"].replace("Input should", "must"))
        text = text.replace("greater than or equal to", "at least")
        text = text.replace("less than or equal to", "at most") + got
    return placed(_place(steps, given), text)


def _place(steps: Iterable[str | int], given: object) -> str:
    """Such as `.variant[1].parameters.alpha`; steps that the text does not have are left out."""
    place = ""
    for step in steps:
        items = listed(given)
        if isinstance(given, Mapping) and step in given:
            place, given = f"{place}.{step}", given[step]
        elif items is not None and isinstance(step, int) and step < len(items):
            place, given = f"{place}[{step}]", items[step]
    return place


class _Constructor(SafeConstructor):
    """Plain values only: a date and `=` are text."""

    def construct_document(self, node: Node) -> object:
        if _size(node, {}) > MOST_VALUES:
            problem = f"its aliases mean more than {MOST_VALUES:,} values"
            raise ConstructorError(None, None, problem, node.start_mark)
        return super().construct_document(node)


def _size(node: Node, sizes: dict[int, int]) -> int:
    """The number of values that a node means once its aliases are written out."""
    if id(node) not in sizes:
        sizes[id(node)] = MOST_VALUES + 1  # of an alias within its own anchor
        inside = node.value if isinstance(node, SequenceNode) else ()
        if isinstance(node, MappingNode):
            inside = [part for pair in node.value for part in pair]
        sizes[id(node)] = 1 + sum(_size(part, sizes) for part in inside)
    return sizes[id(node)]


for _kind in ("timestamp", "value"):
    _Constructor.add_constructor(f"tag:yaml.org,2002:{_kind}", SafeConstructor.construct_yaml_str)


def read_yaml(text: str) -> object:
    """The one document in the text, read as YAML 1.2.

    Raises:
        InputError: not YAML; the message names the line where there is one.
    """
    reader = YAML(typ="safe", pure=True)
    reader.Constructor = _Constructor
    try:
        return reader.load(text)
    except MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        place = f"line {mark.line + 1}" if mark else ""
        what = one_line(problem.problem or problem.context).removeprefix("but ")
        raise placed(place, f"must be YAML, but {what}") from None
    except ReaderError as problem:
        line = text.count("\n", 0, problem.position) + 1
        raise InputError(f"line {line}: must be YAML, but {problem.reason}") from None
    except RecursionError:
        raise InputError("the spec must be YAML, but is nested too deeply") from None
    except Exception as problem:
        # ruamel.yaml lets many kinds of error through where a tag does not fit its text.
        reason = one_line(problem)[:200]
        raise InputError(f"the spec must be YAML, but has an impossible value: {reason}") from None
