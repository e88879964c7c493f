"""Conditions: which trials and episodes (`where`), which configurations (a spec's `constraints`).

    alpha == 0.2 and variant == 'harmonic' and seed in [0, 1]
    0.1 <= alpha < 0.5 and not (eps_shift is None or truncated)

There are names, numbers and text, + - * /, comparisons, also chained, `in`, `is None`, `and`, `or`
and `not`. simpleeval walks a text and knows nothing else here: no call, no attribute, no power.

In `where` null is as in pandas: a comparison with null is false, `!=` and `not in` are true of
null. In a constraint it is unknown, and so is what depends on it (three-valued logic, Kleene 1952,
Introduction to Metamathematics, section 64).
"""

import ast
import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial, reduce
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from simpleeval import InvalidExpression, NameNotDefined, OperatorNotDefined, SimpleEval

from hq_ray import schema
from hq_ray.errors import InputError, near_miss, short_repr

Where: TypeAlias = str | pc.Expression | Sequence
Condition: TypeAlias = ast.expr | pc.Expression
Values: TypeAlias = pa.ChunkedArray | pa.Scalar

EXAMPLE = "\"alpha == 0.2 and variant == 'harmonic'\""
COMPARISONS = {
    ast.Eq: pc.equal,
    ast.NotEq: pc.equal,
    ast.Lt: pc.less,
    ast.LtE: pc.less_equal,
    ast.Gt: pc.greater,
    ast.GtE: pc.greater_equal,
}
NEGATED = ast.NotEq | ast.NotIn | ast.IsNot
# Beside operators.
GRAMMAR = (ast.Name, ast.Constant, ast.UnaryOp, ast.BinOp, ast.BoolOp, ast.Compare)


def conditions(where: Where | None, known: pa.Schema) -> list[Condition]:
    """The conditions that must all hold: `where` cut at its outermost `and`s.

    Args:
        where: text, see above; a list of (column, operator, value) that must all hold, or a list of
            such lists of which one must; a pyarrow expression; None for no condition. In what is
            not text null never matches.
        known: the columns it may name.

    Raises:
        InputError: no such column, a value of another type than its column, syntax that is none of
            the above.
    """
    if where is None:
        return []
    if isinstance(where, str):
        with _refusing(where, known.names, "where: "):
            parts = _cut(_parsed(where))
            filtered(known.empty_table(), parts)
            return parts
    try:
        if isinstance(where, pc.Expression):
            found = [where]
        elif all(isinstance(condition, tuple) for condition in where):
            found = [pq.filters_to_expression([condition]) for condition in where]
        else:
            found = [pq.filters_to_expression(where)]
        filtered(known.empty_table(), found)
    except (pa.ArrowException, TypeError, ValueError, IndexError) as problem:
        if unknown := re.search(r"No match for FieldRef\.Name\((.*?)\) in", str(problem)):
            raise InputError(f"where: {_unknown(unknown[1], known.names)}") from None
        raise InputError(
            f"where: must be text such as {EXAMPLE}, filters such as [('alpha', '==', 0.2)] or a "
            f"pyarrow expression that fits the types of its columns, got {where!r}: {problem}"
        ) from None
    return found


def filtered(table: pa.Table, parts: Sequence[Condition]) -> pa.Table:
    """The rows for which all conditions hold."""
    for part in parts:
        is_expression = isinstance(part, pc.Expression)
        table = table.filter(part if is_expression else _Evaluator(table).holds(part))
    return table


def named(parts: Sequence[Condition], known: pa.Schema) -> list[str]:
    """The columns that conditions name, and perhaps more."""
    texts = [str(p) if isinstance(p, pc.Expression) else ast.unparse(p) for p in parts]
    words = {word for text in texts for word in re.findall(r"\w+", text)}
    # A column of an expression may also be given by its number.
    return known.names if "FieldPath" in words else [name for name in known.names if name in words]


def evaluate(text: str, columns: Mapping[str, Sequence]) -> list[bool | None]:
    """Whether a condition on these columns holds, by row; None where it depends on a None.

    Raises:
        InputError: it is none, names something else, or divides by zero.
    """
    words = set(re.findall(r"\w+", text))
    # A table without columns would have no rows.
    used = [name for name in columns if name in words] or list(columns)[:1]
    with _refusing(text, list(columns)):
        arrays = [pa.array(columns[name], _field(name).type) for name in used]
        table = pa.table([pa.chunked_array([array]) for array in arrays], used)
        return _Evaluator(table, null_is_unknown=True).holds(_parsed(text)).to_pylist()


def _field(name: str) -> pa.Field:
    """A column of `trials`, or a number: a hyperparameter of a rule of the user's own."""
    known = schema.TRIALS.names
    return schema.TRIALS.field(name) if name in known else pa.field(name, pa.float64())


def _parsed(text: str) -> ast.expr:
    with warnings.catch_warnings():
        # Python warns of what looks like a slip; here it is refused, or is none.
        warnings.simplefilter("ignore")
        return ast.parse(text.replace("\n", " ").strip(), mode="eval").body


@contextmanager
def _refusing(text: str, names: Sequence[str], place: str = "") -> Iterator[None]:
    """Turns what goes wrong while a text is read into a sentence."""
    try:
        yield
    except NameNotDefined as problem:
        raise InputError(f"{place}{_unknown(problem.name, names)}") from None
    except (SyntaxError, ValueError, MemoryError, RecursionError, InvalidExpression) as problem:
        reason = getattr(problem, "msg", problem)
        if isinstance(problem, MemoryError | RecursionError):
            reason = "it is too deep"
        elif isinstance(problem, OperatorNotDefined):
            reason = "it has another operator than + - * /"
        must = f"{place}must be a condition such as {EXAMPLE}, got {short_repr(text)}"
        raise InputError(f"{must}: {reason}") from None


def _unknown(name: str, known: Sequence[str]) -> str:
    hint = near_miss(name, known)
    quotes = "" if "did you mean" in hint else "; text must be in quotes"
    return f"unknown name {name!r}{quotes}{hint}"


def _cut(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
        return [piece for part in node.values for piece in _cut(part)]
    return [node]


class _Evaluator(SimpleEval):
    """Which rows of a table meet conditions."""

    nodes: dict[type, Callable]

    def __init__(self, table: pa.Table, null_is_unknown: bool = False) -> None:
        divide = pc.divide_checked if null_is_unknown else pc.divide
        operators: dict[type, Callable[..., Values]] = {
            ast.Add: partial(_calculated, pc.add),
            ast.Sub: partial(_calculated, pc.subtract),
            ast.Mult: partial(_calculated, pc.multiply),
            ast.Div: partial(_calculated, divide),
            ast.USub: partial(_calculated, pc.negate),
            ast.Not: lambda value: pc.invert(self._truth(value)),
        }
        super().__init__(operators, {}, dict(zip(table.column_names, table.columns, strict=True)))
        self.nodes = {kind: self.nodes[kind] for kind in GRAMMAR}
        self.n_rows = len(table)
        self.null_is_unknown = null_is_unknown

    def holds(self, node: ast.expr) -> pa.ChunkedArray | pa.Array:
        """Whether a condition holds, by row; null where that is unknown."""
        truth = self._truth(self._eval(node))
        return pa.repeat(truth, self.n_rows) if isinstance(truth, pa.Scalar) else truth

    def _truth(self, value: Values) -> Values:
        if not pa.types.is_boolean(value.type):
            raise InvalidExpression(f"{_kind(value)} is neither true nor false")
        return self._settled(value)

    def _settled(self, holds: Values) -> Values:
        return holds if self.null_is_unknown else pc.coalesce(holds, pa.scalar(False))

    def _eval_constant(self, node: ast.Constant) -> pa.Scalar:
        value = node.value
        if not isinstance(value, bool | int | float | str):
            raise InvalidExpression(f"{value!r} is neither a number nor text")
        too_large = isinstance(value, int) and value >= 2**63
        return pa.scalar(math.inf if too_large else value)

    def _eval_boolop(self, node: ast.BoolOp) -> Values:
        join = pc.and_kleene if isinstance(node.op, ast.And) else pc.or_kleene
        return reduce(join, [self._truth(self._eval(part)) for part in node.values])

    def _eval_compare(self, node: ast.Compare) -> Values:
        sides = [node.left, *node.comparators]
        links = zip(sides[:-1], node.ops, sides[1:], strict=True)
        return reduce(pc.and_kleene, [self._link(*link) for link in links])

    def _link(self, left: ast.expr, link: ast.cmpop, right: ast.expr) -> Values:
        """One link of a chained comparison."""
        if isinstance(link, ast.Is | ast.IsNot):
            if not isinstance(right, ast.Constant) or right.value is not None:
                raise InvalidExpression("after 'is' and 'is not' comes None")
            # NaN is the null of pandas.
            holds = pc.is_null(self._eval(left), nan_is_null=True)
        elif isinstance(link, ast.In | ast.NotIn):
            if not isinstance(right, ast.List | ast.Tuple | ast.Set):
                raise InvalidExpression("after 'in' and 'not in' comes a list such as [0, 1]")
            equal = [self._link(left, ast.Eq(), one) for one in right.elts]
            holds = reduce(pc.or_kleene, equal or [pa.scalar(False)])
        else:
            values = _alike(self._eval(left), self._eval(right))
            holds = self._settled(COMPARISONS[type(link)](*values))
        return pc.invert(holds) if isinstance(link, NEGATED) else holds


def _kind(value: Values) -> str:
    if value.type in (pa.string(), schema.LABEL):
        return "text"
    return "a time" if pa.types.is_timestamp(value.type) else "a number"


def _calculated(function: Callable, *values: Values) -> Values:
    for value in values:
        if _kind(value) != "a number":
            raise InvalidExpression(f"{_kind(value)} cannot be calculated with")
    return function(*(value.cast(pa.float64(), safe=False) for value in values))


def _alike(left: Values, right: Values) -> list[Values]:
    """Both values as one type that fits both."""
    kinds = sorted((_kind(left), _kind(right)))
    if kinds[0] != kinds[1] or "a time" in kinds:
        raise InvalidExpression(f"{kinds[0]} and {kinds[1]} cannot be compared")
    if kinds[0] == "text":
        # Each dictionary has its own numbers for the same text.
        common = pa.string()
    else:
        # Large seeds are no float64 exactly.
        whole = pa.types.is_integer(left.type) and pa.types.is_integer(right.type)
        common = pa.int64() if whole else pa.float64()
    return [value.cast(common, safe=False) for value in (left, right)]
