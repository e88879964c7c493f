"""Conditions on configurations, such as `eps_end <= eps_start`: read as a tree, never evaluated.

Names are hyperparameters, `episodes`, `max_steps` and `variant`; there are numbers, strings,
arithmetic, comparisons, `and`, `or`, `not`, and nothing else.
"""

import ast
import operator
from collections.abc import Mapping

from hq_ray.errors import InputError, near_miss
from hq_ray.hyperparameters import HYPERPARAMETERS

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


def check_constraint(path: str, text: object) -> None:
    """Raises an InputError with the path unless the text is a condition that can be read."""
    if not isinstance(text, str) or len(text) > LONGEST:
        raise InputError(f"{path}: must be a condition like 'eps_end <= eps_start', got {text!r}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise InputError(
            f"{path}: must be a condition like 'eps_end <= eps_start', got {text!r}"
        ) from None
    _check(path, text, tree)


def holds(text: str, values: Mapping[str, object]) -> bool:
    """Whether a configuration meets a condition; one on a value it does not have, it meets."""
    tree = ast.parse(text.strip(), mode="eval").body
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    if any(values.get(name) is None for name in used):
        return True
    try:
        return bool(_value(tree, values))
    except (TypeError, ArithmeticError) as problem:
        raise InputError(f"constraints: {text!r} cannot be decided: {problem}") from None


def _check(path: str, text: str, tree: ast.AST) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            if node.id not in NAMES:
                raise InputError(f"{path}: unknown name {node.id!r}{near_miss(node.id, NAMES)}")
        elif isinstance(node, ast.Constant):
            if not isinstance(node.value, int | float | str):
                raise InputError(f"{path}: {node.value!r} has no place in a condition, in {text!r}")
        elif not isinstance(node, ALLOWED):
            raise InputError(
                f"{path}: only comparisons, + - * /, and, or, not may stand in a condition, "
                f"got {text!r}"
            )


def _value(node: ast.AST, values: Mapping[str, object]) -> object:
    if isinstance(node, ast.Name):
        return values[node.id]
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.BoolOp):
        parts = (_value(part, values) for part in node.values)
        return all(parts) if isinstance(node.op, ast.And) else any(parts)
    if isinstance(node, ast.UnaryOp):
        inner = _value(node.operand, values)
        return (not inner) if isinstance(node.op, ast.Not) else -inner
    if isinstance(node, ast.BinOp):
        return ARITHMETIC[type(node.op)](_value(node.left, values), _value(node.right, values))
    left = _value(node.left, values)
    for comparison, right in zip(node.ops, node.comparators, strict=True):
        right = _value(right, values)
        if not COMPARISONS[type(comparison)](left, right):
            return False
        left = right
    return True
