"""YAML text as plain Python values, without those parts of YAML that surprise.

`1e-6` is a number, `010` is ten, `1:30` and dates are text, and a key given twice is an error.
"""

import re
import reprlib
from collections.abc import Iterable

import yaml

from hq_ray.errors import InputError, near_miss

_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = 80
_short.maxlevel = 3


def shown(value: object) -> str:
    """A value as Python writes it, on one line, and shortened where it is long."""
    try:
        return " ".join(_short.repr(value).split())
    except Exception:
        # Whole numbers beyond 4300 digits have no text; what a foreign object raises is its own.
        return f"a {type(value).__name__} that cannot be shown"


def place_of(path: str, key: object) -> str:
    """Where a key of a mapping stands: `path.key`, or `path: key` where that could not be read."""
    is_word = isinstance(key, str) and key.isidentifier() and len(key) <= 80
    return f"{path}.{key}" if is_word else f"{path}: {shown(key)}"


def near_miss_of(word: object, known: Iterable[str]) -> str:
    """`near_miss` of what may be no text at all, or more than is worth comparing."""
    return near_miss(word[:100] if isinstance(word, str) else "", known)


def read_yaml(text: str) -> object:
    """The one document in the text.

    Raises:
        InputError: not YAML; the message names the line where there is one.
    """
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        what = " ".join(str(problem.problem or problem.context).split()).removeprefix("but ")
        raise InputError(f"{where}must be YAML, but {what}") from None
    except yaml.reader.ReaderError as problem:
        line = text.count("\n", 0, problem.position) + 1
        raise InputError(f"line {line}: must be YAML, but {problem.reason}") from None
    except RecursionError:
        raise InputError("the spec must be YAML, but is nested too deeply") from None
    except (ValueError, LookupError, AttributeError, TypeError, OverflowError) as problem:
        # What PyYAML lets through for a tag or an escape that does not fit its text.
        reason = " ".join(str(problem).split())
        raise InputError(f"the spec must be YAML, but has an impossible value: {reason}") from None


class _Loader(yaml.SafeLoader):
    """YAML's safe loader with resolvers of its own."""

    yaml_implicit_resolvers: dict = {}  # noqa: RUF012  filled below, in place of the inherited ones

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        lines: dict[str, int] = {}
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                line = key.start_mark.line + 1
                if key.value in lines:
                    problem = f"{shown(key.value)} stands on line {lines[key.value]} too"
                    raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
                lines[key.value] = line
        return super().construct_mapping(node, deep)

    def whole(self, node: yaml.ScalarNode) -> int:
        """Decimal digits, where the inherited constructor knows octal and base 60 too."""
        return int(self.construct_scalar(node).replace("_", ""))


for _tag, _pattern, _first in (
    ("bool", r"yes|no|true|false|on|off", "yYnNtTfFoO"),
    ("int", r"[-+]?[0-9][0-9_]*", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*|[0-9][0-9_]*(?=e))(?:e[-+]?[0-9]+)?"
        r"|[-+]?\.inf|\.nan",
        "-+0123456789.",
    ),
    ("merge", r"<<", "<"),
    ("null", r"~|null|", ["~", "n", "N", ""]),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$", re.IGNORECASE), list(_first)
    )
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.whole)
