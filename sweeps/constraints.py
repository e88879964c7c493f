"""Conditions on configurations, such as `eps_end <= eps_start`: read as a tree, never evaluated.

Names are hyperparameters, `episodes`, `max_steps` and `variant`; there are numbers, strings,
arithmetic, comparisons, `and`, `or`, `not`, and nothing else. What a configuration does not have is
unknown, and a condition that depends on it unknown too (three-valued logic, Kleene 1952,
Introduction to Metamathematics, section 64); only one that is false drops a configuration.
"""

import ast
import operator
import warnings
from collections.abc import Iterable, Mapping
from functools import lru_cache

from hq_ray.errors import InputError, near_miss
from hq_ray.hyperparameters import HYPERPARAMETERS
from hq_ray.sweeps.spec_text import short_repr

NAMES = (*HYPERPARAMETERS, "episodes", "max_steps", "variant")
COMPARISONS = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
ARITHMETIC = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
ALLOWED = (
    *(
        ast.BoolOp,
        ast.UnaryOp,
        ast.BinOp,
        ast.Compare,
        ast.And,
        ast.Or,
        ast.Not,
        ast.USub,
        ast.Load,
    ),
    *COMPARISONS,
    *ARITHMETIC,
)
LONGEST = 1000
# Bounds the depth of the recursion.
MOST_PARTS = 200
FORM = "must be a condition like 'eps_end <= eps_start'"


def check_constraint(text: object) -> None:
    """Raises an InputError unless the text is a condition that can be read."""
    if not isinstance(text, str) or len(text) > LONGEST:
        raise InputError(f"{FORM}, got {short_repr(text)}")
    try:
        tree = _tree(text)
        parts = sum(1 for _ in ast.walk(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise InputError(f"{FORM}, got {short_repr(text)}") from None
    if parts > MOST_PARTS or not _is_condition(tree):
        raise InputError(f"{FORM}, got {short_repr(text)}")
    _check(text, tree)


def holds(text: str, values: Mapping[str, object]) -> bool:
    """Whether a configuration meets a condition, or may for all that is known of it.

    Raises:
        InputError: it compares a number with text, or divides by zero.
    """
    try:
        return _value(_tree(text), values) is not False
    except (TypeError, ArithmeticError) as problem:
        raise InputError(f"constraints: {short_repr(text)} cannot be decided: {problem}") from None


@lru_cache(maxsize=256)
def _tree(text: str) -> ast.expr:
    with warnings.catch_warnings():
        # Python warns of what looks like a slip; here it is refused, or is none.
        warnings.simplefilter("ignore")
        return ast.parse(text.strip(), mode="eval").body


def _is_condition(tree: ast.expr) -> bool:
    """Whether it is true or false, unlike `alpha - 0.1`."""
    if isinstance(tree, ast.BoolOp):
        return all(_is_condition(part) for part in tree.values)
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.Not):
        return _is_condition(tree.operand)
    return isinstance(tree, ast.Compare)


def _check(text: str, tree: ast.expr) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            if node.id not in NAMES:
                hint = near_miss(node.id, NAMES)
                raise InputError(f"unknown name {short_repr(node.id)}{hint}")
        elif isinstance(node, ast.Constant):
            if isinstance(node.value, bool) or not isinstance(node.value, int | float | str):
                raise InputError(f"must be made of names, numbers and text, got {short_repr(text)}")
        elif not isinstance(node, ALLOWED):
            raise InputError(
                f"must hold only comparisons, + - * /, and, or, not, got {short_repr(text)}"
            )


def _value(node: ast.expr, values: Mapping[str, object]) -> object:
    """The value of an expression; None where it is unknown."""
    if isinstance(node, ast.Name):
        return values.get(node.id)
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.BoolOp):
        return _joined((_value(part, values) for part in node.values), isinstance(node.op, ast.Or))
    if isinstance(node, ast.UnaryOp):
        inner = _value(node.operand, values)
        if isinstance(node.op, ast.Not):
            return None if inner is None else not inner
        return None if inner is None else -inner
    if isinstance(node, ast.BinOp):
        return _calculated(node, _value(node.left, values), _value(node.right, values))
    sides = [_value(side, values) for side in (node.left, *node.comparators)]
    pairs = zip(node.ops, sides[:-1], sides[1:], strict=True)
    return _joined((_compared(*pair) for pair in pairs), decisive=False)


def _joined(truths: Iterable[bool | None], decisive: bool) -> bool | None:
    """`or` where True decides, `and` where False does; unknown where nothing decides."""
    unknown = False
    for truth in truths:
        if truth is decisive:
            return decisive
        unknown = unknown or truth is None
    return None if unknown else not decisive


def _calculated(node: ast.BinOp, left: object, right: object) -> object:
    if left is None or right is None:
        return None
    if isinstance(left, str) or isinstance(right, str):
        raise TypeError("text cannot be calculated with")
    return ARITHMETIC[type(node.op)](left, right)


def _compared(comparison: ast.cmpop, left: object, right: object) -> bool | None:
    if left is None or right is None:
        return None
    return COMPARISONS[type(comparison)](left, right)
