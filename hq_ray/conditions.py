"""Conditions: which trials and episodes (`where`), which configurations (a spec's `constraints`).

    alpha == 0.2 and variant == 'harmonic' and seed in [0, 1]
    0.1 <= alpha < 0.5 and not (eps_shift is None or truncated)

There are names, numbers and text, + - * /, comparisons, also chained, `in`, `is None`, `and`, `or`
and `not`, and nothing else: no call, no attribute, no power.

In `where` null is as in pandas: a comparison with null is false, `!=` and `not in` are true of
null. In a constraint it is unknown, and so is what depends on it (three-valued logic, Kleene 1952,
Introduction to Metamathematics, section 64).
"""

import ast
import math
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hq_ray import schema
from hq_ray.errors import InputError, did_you_mean, near_miss, short_repr

Where: TypeAlias = str | pc.Expression | Sequence
Condition: TypeAlias = ast.expr | pc.Expression
Values: TypeAlias = pa.ChunkedArray | pa.Scalar

COMPARISONS = {
    ast.Eq: pc.equal,
    ast.NotEq: pc.equal,
    ast.Lt: pc.less,
    ast.LtE: pc.less_equal,
    ast.Gt: pc.greater,
    ast.GtE: pc.greater_equal,
}
NEGATED = ast.NotEq | ast.NotIn | ast.IsNot
ARITHMETIC = {ast.Add: pc.add, ast.Sub: pc.subtract, ast.Mult: pc.multiply}


def conditions(where: Where | None, known: pa.Schema) -> list[Condition]:
    """The conditions that must all hold: `where` cut at its outermost `and`s.

    Args:
        where: text, see above; a list of (column, operator, value) that must all hold, or a list of
            such lists of which one must; a pyarrow expression. In these three null never matches.
        known: the columns it may name.

    Raises:
        InputError: no such column, a value of another type than its column, or other syntax.
    """
    if where is None:
        return []
    with _refusing(where, known.names, "where: "):
        if isinstance(where, str):
            parts = _cut(_parsed(where))
        elif isinstance(where, pc.Expression):
            parts = [where]
        elif all(isinstance(condition, tuple) for condition in where):
            parts = [pq.filters_to_expression([condition]) for condition in where]
        else:
            parts = [pq.filters_to_expression(where)]
        filtered(known.empty_table(), parts)  # refuses what cannot be evaluated
        return parts


def filtered(table: pa.Table, parts: Sequence[Condition]) -> pa.Table:
    """The rows for which all conditions hold."""
    for part in parts:
        is_expression = isinstance(part, pc.Expression)
        table = table.filter(part if is_expression else _Evaluator(table).holds(part))
    return table


def named(parts: Sequence[Condition], known: pa.Schema) -> list[str]:
    """The columns that conditions may name: those whose names are words of their text."""
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
    # Names that are no columns of `trials` are parameters of a user-defined rule.
    kinds = {**dict.fromkeys(used, pa.float64()), **{f.name: f.type for f in schema.TRIALS}}
    with _refusing(text, list(columns)):
        table = pa.table({name: pa.array(columns[name], kinds[name]) for name in used})
        return _Evaluator(table, null_is_unknown=True).holds(_parsed(text)).to_pylist()


def _parsed(text: str) -> ast.expr:
    with warnings.catch_warnings():
        # Python warns of what looks like a slip. Here it is refused, or it is none.
        warnings.simplefilter("ignore")
        return ast.parse(text.replace("\n", " ").strip(), mode="eval").body


@contextmanager
def _refusing(given: Where, names: Sequence[str], place: str = "") -> Iterator[None]:
    """Turns what goes wrong while a condition is read into a sentence."""
    try:
        yield
    except (SyntaxError, LookupError, TypeError, ValueError, MemoryError, RuntimeError) as problem:
        missing = re.search(r"No match for FieldRef\.Name\((.*?)\) in", str(problem))
        if missing or isinstance(problem, KeyError):
            name = missing[1] if missing else problem.args[0]
            hint = did_you_mean(name, names) or f"; text must be in quotes{near_miss(name, names)}"
            raise InputError(f"{place}unknown name {name!r}{hint}") from None
        reason = getattr(problem, "msg", problem)
        if isinstance(problem, MemoryError | RecursionError):
            reason = "it is too deep"
        raise InputError(
            f"{place}must be a condition such as \"alpha == 0.2 and variant == 'harmonic'\", got "
            f"{short_repr(given)}: {reason}"
        ) from None


def _cut(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
        return [piece for part in node.values for piece in _cut(part)]
    return [node]


class _Evaluator:
    """Which rows of a table meet conditions."""

    def __init__(self, table: pa.Table, null_is_unknown: bool = False) -> None:
        self.columns = dict(zip(table.column_names, table.columns, strict=True))
        self.n_rows = len(table)
        self.null_is_unknown = null_is_unknown
        divide = pc.divide_checked if null_is_unknown else pc.divide
        self.arithmetic = ARITHMETIC | {ast.Div: divide}

    def holds(self, node: ast.expr) -> pa.ChunkedArray | pa.Array:
        """Whether a condition holds, by row; null where that is unknown."""
        truth = self._truth(node)
        return pa.repeat(truth, self.n_rows) if isinstance(truth, pa.Scalar) else truth

    def _value(self, node: ast.expr) -> Values:
        match node:
            case ast.Name(name):
                return self.columns[name]
            case ast.Constant(bool() | int() | float() | str() as value):
                too_large = isinstance(value, int) and value >= 2**63
                return pa.scalar(math.inf if too_large else value)
            case ast.UnaryOp(ast.USub(), operand):
                return pc.negate(self._number(operand))
            case ast.UnaryOp(ast.Not(), operand):
                return pc.invert(self._truth(operand))
            case ast.BinOp(left, operator, right) if type(operator) in self.arithmetic:
                return self.arithmetic[type(operator)](self._number(left), self._number(right))
            case ast.BoolOp(operator, parts):
                join = pc.and_kleene if isinstance(operator, ast.And) else pc.or_kleene
                return reduce(join, map(self._truth, parts))
            case ast.Compare(left, links, others):
                return reduce(pc.and_kleene, map(self._link, [left, *others], links, others))
        raise ValueError(
            f"{ast.unparse(node)} is no name, number, text, comparison or calculation with + - * /"
        )

    def _number(self, node: ast.expr) -> Values:
        value = self._value(node)
        if _kind(value) != "a number":
            raise ValueError(f"{_kind(value)} cannot be calculated with")
        return value.cast(pa.float64(), safe=False)

    def _truth(self, node: ast.expr) -> Values:
        value = self._value(node)
        if not pa.types.is_boolean(value.type):
            raise ValueError(f"{_kind(value)} is neither true nor false")
        return self._settled(value)

    def _settled(self, holds: Values) -> Values:
        return holds if self.null_is_unknown else pc.coalesce(holds, pa.scalar(False))

    def _link(self, left: ast.expr, link: ast.cmpop, right: ast.expr) -> Values:
        """One link of a chained comparison."""
        if isinstance(link, ast.Is | ast.IsNot):
            if not isinstance(right, ast.Constant) or right.value is not None:
                raise ValueError("after 'is' and 'is not' comes None")
            # NaN is the null of pandas.
            holds = pc.is_null(self._value(left), nan_is_null=True)
        elif isinstance(link, ast.In | ast.NotIn):
            if not isinstance(right, ast.List | ast.Tuple | ast.Set):
                raise ValueError("after 'in' and 'not in' comes a list such as [0, 1]")
            equal = [self._link(left, ast.Eq(), element) for element in right.elts]
            holds = reduce(pc.or_kleene, equal or [pa.scalar(False)])
        else:
            values = _alike(self._value(left), self._value(right))
            holds = self._settled(COMPARISONS[type(link)](*values))
        return pc.invert(holds) if isinstance(link, NEGATED) else holds


def _kind(value: Values) -> str:
    if value.type in (pa.string(), schema.LABEL):
        return "text"
    return "a time" if pa.types.is_timestamp(value.type) else "a number"


def _alike(left: Values, right: Values) -> list[Values]:
    """Both values as one type that fits both."""
    kinds = sorted((_kind(left), _kind(right)))
    if kinds[0] != kinds[1] or "a time" in kinds:
        raise ValueError(f"{kinds[0]} and {kinds[1]} cannot be compared")
    if kinds[0] == "text":
        # Each dictionary has its own numbers for the same text.
        common = pa.string()
    else:
        # Large seeds are no float64 exactly.
        whole = pa.types.is_integer(left.type) and pa.types.is_integer(right.type)
        common = pa.int64() if whole else pa.float64()
    return [value.cast(common, safe=False) for value in (left, right)]
