"""YAML text as plain Python values: the part of YAML that a spec needs, without its traps.

A key given twice is an error, `1e-6` is a number, a date is text, `010` is ten, keys are text, and
tags make no objects. Booleans are those of YAML 1.1, `yes` and `off` included.
"""

import re

import yaml

from hq_ray.errors import InputError
from sweeps.spec_errors import shown

NUMBER = re.compile(r"[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?")
WHOLE = re.compile(r"[-+]?[0-9][0-9_]*")
NOT_FINITE = re.compile(r"([-+]?)\.(inf|nan)", re.IGNORECASE)
# No number of a spec is longer, and reading very long ones takes long.
LONGEST_NUMBER = 300
BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
TAGS = {
    f"tag:yaml.org,2002:{name}"
    for name in ("str", "int", "float", "bool", "null", "timestamp", "merge", "value", "seq", "map")
}


def read_document(text: str) -> object:
    """The one document of a YAML text as dicts, lists, text, numbers, booleans and None.

    Raises:
        InputError: not YAML, more than one document, a key given twice, a tag, an alias that
            contains itself; the line is named.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        return None if node is None else _value(node, {}, set())
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        what = problem.problem or problem.context
        raise InputError(f"line {mark.line + 1}: must be YAML, but {_one_line(what)}") from None
    except yaml.reader.ReaderError as problem:
        line = text.count("\n", 0, problem.position) + 1
        raise InputError(f"line {line}: must be YAML, but {problem.reason}") from None
    except RecursionError:
        raise InputError("line 1: must be YAML, but it is nested too deeply") from None
    except (ValueError, OverflowError) as problem:
        if isinstance(problem, InputError):
            raise
        # An escape such as "\UFFFFFFFF" names no character, and PyYAML does not say where.
        raise InputError(f"line 1: must be YAML, but {_one_line(problem)}") from None


def read_number(text: str) -> int | float | None:
    """The number that a text is, in the notations of YAML and Python; None if it is none."""
    if len(text) > LONGEST_NUMBER:
        return None
    if WHOLE.fullmatch(text):
        return int(text.replace("_", ""))
    if NUMBER.fullmatch(text):
        return float(text.replace("_", ""))
    special = NOT_FINITE.fullmatch(text)
    return float("".join(special.groups())) if special else None


def _one_line(problem: object) -> str:
    return " ".join(str(problem).split())


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1


def _value(node: yaml.Node, done: dict[int, object], unfinished: set[int]) -> object:
    if node.tag not in TAGS:
        raise InputError(f"line {_line(node)}: must have no tag, got {shown(node.tag)}")
    if isinstance(node, yaml.ScalarNode):
        return node.value if node.style else _plain(node.value)
    if id(node) in unfinished:
        raise InputError(f"line {_line(node)}: must not contain itself through an alias")
    # Aliases share one value, so that aliases of aliases cost nothing.
    if id(node) not in done:
        unfinished.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            done[id(node)] = [_value(child, done, unfinished) for child in node.value]
        else:
            done[id(node)] = _mapping(node, done, unfinished)
        unfinished.remove(id(node))
    return done[id(node)]


def _plain(text: str) -> object:
    if text in ("", "~") or text.casefold() == "null":
        return None
    number = read_number(text)
    return BOOLEANS.get(text.casefold(), text) if number is None else number


def _mapping(
    node: yaml.MappingNode, done: dict[int, object], unfinished: set[int]
) -> dict[str, object]:
    made: dict[str, object] = {}
    lines: dict[str, int] = {}
    for key, child in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise InputError(f"line {_line(key)}: a key must be text")
        if key.value in made:
            raise InputError(
                f"line {_line(key)}: {shown(key.value)} must be given once, "
                f"but is on line {lines[key.value]} too"
            )
        lines[key.value] = _line(key)
        made[key.value] = _value(child, done, unfinished)
    return made
