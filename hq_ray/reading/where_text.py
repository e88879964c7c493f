"""Conditions as text, in the manner of `DataFrame.query`, made into pyarrow expressions.

    alpha == 0.2 and variant == 'harmonic' and seed in [0, 1]
    0.1 <= alpha < 0.5 and not (eps_shift is None or truncated)

Text is parsed, never evaluated. Nulls are as in pandas: a comparison with null is false, `!=` and
`not in` are true of null, and `not` turns true into false and false into true.
"""

import ast
import datetime
import math
import operator
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from hq_ray.errors import InputError, near_miss

Types = Mapping[str, pa.DataType]
Compare = Callable[[Any, Any], Any]
Value = bool | int | float | str | datetime.datetime

EXAMPLE = "\"alpha == 0.2 and variant == 'harmonic'\""
LARGEST = 2**63
# What a message quotes at most.
LONG = 200

# The comparison and, for when the column stands on its right, its mirror image.
_COMPARE = {
    ast.Eq: (operator.eq, operator.eq),
    ast.Lt: (operator.lt, operator.gt),
    ast.LtE: (operator.le, operator.ge),
    ast.Gt: (operator.gt, operator.lt),
    ast.GtE: (operator.ge, operator.le),
}


def read_text(text: str, types: Types) -> list[pc.Expression]:
    """The conditions of a text, cut at its outermost `and`s.

    Args:
        text: as above.
        types: of the columns it may name.

    Raises:
        InputError: no such column, a value of another type than its column, other syntax.
    """
    try:
        return [_condition(node, types, True) for node in _cut(_parsed(text))]
    except RecursionError:
        raise InputError(f"where must be less deep, got {text[:LONG]!r}") from None


def unknown_column(name: str, known: Sequence[str]) -> InputError:
    """The error that names a column which is not there, and the closest that is."""
    return InputError(f"unknown column {name!r} in where{near_miss(name, known)}")


def joined(parts: Sequence[pc.Expression], every: bool) -> pc.Expression:
    """Every part, or any of them: a tree of little depth, since Arrow walks it by recursion."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    one, other = joined(parts[:half], every), joined(parts[half:], every)
    return one & other if every else one | other


def _parsed(text: str) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text.replace("\n", " ").strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError) as problem:
        why = getattr(problem, "msg", None) or str(problem) or "it is too deep"
        raise InputError(
            f"where must be a condition such as {EXAMPLE}, got {text[:LONG]!r}: {why}"
        ) from None


def _refused(node: ast.AST, why: str) -> InputError:
    return InputError(f"where must be conditions such as {EXAMPLE}; {_shown(node)!r}: {why}")


def _shown(node: ast.AST) -> str:
    text = ast.unparse(node)
    return text if len(text) <= LONG else f"{text[:LONG]}..."


def _cut(node: ast.expr) -> list[ast.expr]:
    parts = _operands(node, ast.And, ast.BitAnd)
    return [node] if parts is None else [piece for part in parts for piece in _cut(part)]


def _operands(
    node: ast.expr, word: type[ast.boolop], sign: type[ast.operator]
) -> list[ast.expr] | None:
    """What `and` or `&` (`or` or `|`) joins; None for any other node."""
    if isinstance(node, ast.BoolOp) and isinstance(node.op, word):
        return node.values
    if isinstance(node, ast.BinOp) and isinstance(node.op, sign):
        return [node.left, node.right]
    return None


def _condition(node: ast.expr, types: Types, truth: bool) -> pc.Expression:
    """The condition, or its negation where `truth` is False.

    Negations move inwards to the comparisons, which alone know what null means to them.
    """
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.Invert):
        return _condition(node.operand, types, not truth)
    for word, sign, every in ((ast.And, ast.BitAnd, True), (ast.Or, ast.BitOr, False)):
        parts = _operands(node, word, sign)
        if parts is not None:
            return joined([_condition(part, types, truth) for part in parts], every == truth)
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        links = zip(sides[:-1], node.ops, sides[1:], strict=True)
        return joined([_link(*link, types, truth) for link in links], truth)
    if isinstance(node, ast.Name) and _kind(_type(node, types)) == "true or false":
        return _unless_null(pc.field(node.id) == pa.scalar(True), [node.id], truth)
    raise _refused(node, "this is neither true nor false")


def _link(
    left: ast.expr, link: ast.cmpop, right: ast.expr, types: Types, truth: bool
) -> pc.Expression:
    """One link of a chained comparison."""
    if isinstance(link, ast.Is | ast.IsNot):
        return _is_null(left, right, types, isinstance(link, ast.Is) == truth)
    if isinstance(link, ast.In | ast.NotIn):
        return _is_in(left, right, types, isinstance(link, ast.In) == truth)
    if isinstance(link, ast.NotEq):
        return _comparison(left, ast.Eq, right, types, not truth)
    return _comparison(left, type(link), right, types, truth)


def _comparison(
    left: ast.expr, link: type[ast.cmpop], right: ast.expr, types: Types, truth: bool
) -> pc.Expression:
    compare, mirrored = _COMPARE[link]
    if not isinstance(left, ast.Name):
        left, compare, right = right, mirrored, left
    kind, column = _type(left, types), pc.field(left.id)
    if _kind(kind) == "true or false" and link is not ast.Eq:
        raise _refused(left, "true and false have no order")
    if isinstance(right, ast.Name) and (right.id in types or _kind(kind) != "text"):
        if _kind(_type(right, types)) != _kind(kind):
            raise _refused(right, f"{left.id} is {_kind(kind)}")
        # Each dictionary has its own numbers for the same labels.
        one, other = (_decoded(name, types) for name in (left.id, right.id))
        return _unless_null(compare(one, other), [left.id, right.id], truth)
    value = _literal(right, left.id, kind)
    if pa.types.is_integer(kind) and isinstance(value, float):
        compare, value = _of_whole_numbers(compare, value)
    return _unless_null(compare(column, pa.scalar(value)), [left.id], truth)


def _of_whole_numbers(compare: Compare, value: float) -> tuple[Compare, int]:
    """What holds of the same whole numbers as a comparison with a fraction or a huge number."""
    if compare in (operator.lt, operator.le) and value >= -LARGEST:
        return operator.le, math.floor(min(value, LARGEST - 1))
    if compare in (operator.gt, operator.ge) and value < LARGEST:
        return operator.ge, math.ceil(max(value, -LARGEST))
    return operator.lt, -LARGEST


def _decoded(name: str, types: Types) -> pc.Expression:
    labels = pa.types.is_dictionary(types[name])
    return pc.field(name).cast(types[name].value_type) if labels else pc.field(name)


def _unless_null(holds: pc.Expression, names: Sequence[str], truth: bool) -> pc.Expression:
    """A comparison, which is false of null, or its negation, which is true of null."""
    if truth:
        return holds
    return reduce(operator.or_, (pc.field(name).is_null() for name in names), ~holds)


def _is_null(left: ast.expr, right: ast.expr, types: Types, truth: bool) -> pc.Expression:
    if not isinstance(right, ast.Constant) or right.value is not None:
        raise _refused(right, "after 'is' and 'is not' comes None")
    _type(left, types)
    null = pc.field(left.id).is_null(nan_is_null=True)
    return null if truth else ~null


def _is_in(left: ast.expr, right: ast.expr, types: Types, truth: bool) -> pc.Expression:
    kind = _type(left, types)
    if not isinstance(right, ast.List | ast.Tuple | ast.Set):
        raise _refused(right, "after 'in' and 'not in' comes a list such as [0, 1]")
    values = [_literal(node, left.id, kind) for node in right.elts]
    if pa.types.is_integer(kind):
        # No whole number equals a fraction, or what is too large for one.
        values, kind = [value for value in values if isinstance(value, int)], pa.int64()
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    found = pc.field(left.id).isin(pa.array(values, kind))
    return found if truth else ~found


def _type(node: ast.expr, types: Types) -> pa.DataType:
    if not isinstance(node, ast.Name):
        raise _refused(node, "a column must stand here")
    if node.id not in types:
        raise unknown_column(node.id, list(types))
    return types[node.id]


def _kind(of: pa.DataType) -> str:
    """What a column holds, in a word for messages."""
    if pa.types.is_boolean(of):
        return "true or false"
    if pa.types.is_timestamp(of):
        return "a time"
    return "a number" if pa.types.is_integer(of) or pa.types.is_floating(of) else "text"


def _literal(node: ast.expr, name: str, of: pa.DataType) -> Value:
    """The value that is written there, as its column holds it."""
    value, kind = _written(node), _kind(of)
    if kind == "text" and isinstance(value, str):
        return value
    if kind == "true or false" and value in (0, 1):
        return bool(value)
    if kind == "a number" and isinstance(value, int | float) and not isinstance(value, bool):
        if pa.types.is_integer(of) and abs(value) < LARGEST and value == int(value):
            return int(value)
        return _as_float(value)
    if kind == "a time" and isinstance(value, str):
        try:
            time = datetime.datetime.fromisoformat(value)
        except ValueError as problem:
            raise _refused(node, str(problem)) from None
        return time if time.tzinfo else time.replace(tzinfo=datetime.UTC)
    hint = ", in quotes" if kind == "text" and isinstance(node, ast.Name) else ""
    raise InputError(f"{name} is {kind}{hint}; where compares it with {_shown(node)}")


def _written(node: ast.expr) -> object:
    """What a literal stands for, a number with its sign; None for all else."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = _written(node.operand)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return -value if isinstance(node.op, ast.USub) else value
    return None


def _as_float(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
