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
import contextlib
import datetime
import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from simpleeval import InvalidExpression, SimpleEval

from hq_ray import schema
from hq_ray.errors import InputError, near_miss

Where = str | pc.Expression | Sequence
Value = pc.Expression | pa.ChunkedArray | pa.Scalar

EXAMPLE = "\"alpha == 0.2 and variant == 'harmonic'\""
# What a message quotes at most.
LONG = 200
COMPARISONS = {
    ast.Eq: pc.equal,
    ast.NotEq: pc.equal,
    ast.Lt: pc.less,
    ast.LtE: pc.less_equal,
    ast.Gt: pc.greater,
    ast.GtE: pc.greater_equal,
}
NEGATED = ast.NotEq | ast.NotIn | ast.IsNot
ARITHMETIC = {ast.Add: pc.add, ast.Sub: pc.subtract, ast.Mult: pc.multiply, ast.Div: pc.divide}


class _Term(NamedTuple):
    """A part of a condition: an expression over columns, a column, or a single value."""

    type: pa.DataType
    value: Value


NUMBER = _Term(pa.float64(), pa.scalar(0.0))


def conditions(where: Where | None, known: pa.Schema) -> list[pc.Expression]:
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
        names = {field.name: _Term(field.type, pc.field(field.name)) for field in known}
        with _refusing(where, "where: "):
            return [_Walk(names).truth(part) for part in _cut(_parsed(where))]
    try:
        if isinstance(where, pc.Expression):
            found = [where]
        elif all(isinstance(condition, tuple) for condition in where):
            found = [pq.filters_to_expression([condition]) for condition in where]
        else:
            found = [pq.filters_to_expression(where)]
        for expression in found:
            known.empty_table().filter(expression)
    except (pa.ArrowException, TypeError, ValueError, IndexError) as problem:
        if unknown := re.search(r"No match for FieldRef\.Name\((.*?)\) in", str(problem)):
            raise InputError(f"where: {_unknown(unknown[1], known.names)}") from None
        raise InputError(
            f"where: must be text such as {EXAMPLE}, filters such as [('alpha', '==', 0.2)] or a "
            f"pyarrow expression that fits the types of its columns, got {where!r}: {problem}"
        ) from None
    return found


def named(where: pc.Expression | None, known: pa.Schema) -> list[str]:
    """The columns that an expression names, and perhaps more."""
    if where is None:
        return []
    words = set(re.findall(r"\w+", str(where)))
    # A column may also be given by its number.
    return known.names if "FieldPath" in words else [name for name in known.names if name in words]


def all_of(expressions: Sequence[pc.Expression]) -> pc.Expression | None:
    """The expression that is true where all are; None for none."""
    return _joined(pc.and_kleene, expressions) if expressions else None


def check(text: str, names: Sequence[str]) -> None:
    """Checks that a text is a condition on these columns of `trials`.

    Raises:
        InputError: it is none.
    """
    columns = {name: _Term(schema.TRIALS.field(name).type, pc.field(name)) for name in names}
    with _refusing(text):
        _Walk(columns, unknown=True).truth(_parsed(text))


def evaluate(text: str, rows: Sequence[Mapping[str, object]]) -> list[bool | None]:
    """Whether a condition that was checked holds, by row; None where it depends on a None.

    Args:
        text: the condition.
        rows: values by name; a name that is not there has the value None.

    Raises:
        InputError: it divides by zero, or a value is of another type than its column of `trials`.
    """
    with _refusing(text):
        tree = _parsed(text)
        names = sorted({node.id for node in ast.walk(tree) if isinstance(node, ast.Name)})
        kinds = pa.schema([schema.TRIALS.field(name) for name in names])
        table = pa.Table.from_pylist([{n: row.get(n) for n in names} for row in rows], kinds)
        columns = {name: _Term(kinds.field(name).type, table[name]) for name in names}
        holds = _Walk(columns, unknown=True).truth(tree)
        return [holds.as_py()] * len(rows) if isinstance(holds, pa.Scalar) else holds.to_pylist()


@lru_cache(maxsize=256)
def _parsed(text: str) -> ast.expr:
    with warnings.catch_warnings():
        # Python warns of what looks like a slip; here it is refused, or is none.
        warnings.simplefilter("ignore")
        return ast.parse(text.replace("\n", " ").strip(), mode="eval").body


@contextlib.contextmanager
def _refusing(text: str, place: str = "") -> Iterator[None]:
    """Turns what goes wrong while a text is read into a sentence."""
    try:
        yield
    except InputError as problem:
        raise InputError(f"{place}{problem}") from None
    except (SyntaxError, ValueError, MemoryError, RecursionError, InvalidExpression) as problem:
        deep = isinstance(problem, MemoryError | RecursionError)
        why = "it is too deep" if deep else getattr(problem, "msg", problem)
        shown = repr(text[:LONG])
        must = f"{place}must be a condition such as {EXAMPLE}, got {shown}"
        raise InputError(f"{must}: {why}") from None


def _cut(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
        return [piece for part in node.values for piece in _cut(part)]
    return [node]


class _Walk(SimpleEval):
    """Makes an expression of a condition on names, and truth values of one on columns."""

    def __init__(self, names: Mapping[str, _Term], unknown: bool = False) -> None:
        division = {ast.Div: pc.divide_checked} if unknown else {}
        super().__init__(ARITHMETIC | division, functions={}, names=names)
        self.unknown = unknown
        self.nodes = {
            ast.Name: self._name,
            ast.Constant: self._constant,
            ast.UnaryOp: self._unary,
            ast.BinOp: self._binary,
            ast.BoolOp: self._junction,
            ast.Compare: self._comparison,
        }

    def truth(self, node: ast.expr) -> Value:
        """The value of a condition."""
        term = self._eval(node)
        if not pa.types.is_boolean(term.type):
            raise InvalidExpression(f"{ast.unparse(node)!r} is neither true nor false")
        return self._settled(term.value)

    def _settled(self, holds: Value) -> Value:
        return holds if self.unknown else _called(pc.coalesce, holds, pc.scalar(False))

    def _name(self, node: ast.Name) -> _Term:
        if node.id not in self.names:
            raise _unknown(node.id, list(self.names))
        return self.names[node.id]

    def _constant(self, node: ast.Constant) -> _Term:
        value = node.value
        if not isinstance(value, bool | int | float | str):
            raise InvalidExpression(f"{value!r} is neither a number nor text")
        if isinstance(value, int) and value >= 2**63:
            value = math.inf
        return _Term(pa.scalar(value).type, pa.scalar(value))

    def _unary(self, node: ast.UnaryOp) -> _Term:
        if isinstance(node.op, ast.Not | ast.Invert):
            return _Term(pa.bool_(), _called(pc.invert, self.truth(node.operand)))
        sign = -1.0 if isinstance(node.op, ast.USub) else 1.0
        return self._calculated(pc.multiply, ast.Constant(sign), node.operand)

    def _binary(self, node: ast.BinOp) -> _Term:
        if isinstance(node.op, ast.BitAnd | ast.BitOr):
            return self._junction(node)
        if type(node.op) not in self.operators:
            raise InvalidExpression(f"{ast.unparse(node)!r} has another operator than + - * /")
        return self._calculated(self.operators[type(node.op)], node.left, node.right)

    def _calculated(self, function: Callable, left: ast.expr, right: ast.expr) -> _Term:
        values = _alike(self._eval(left), self._eval(right), NUMBER)[:2]
        return _Term(pa.float64(), _called(function, *values))

    def _junction(self, node: ast.BoolOp | ast.BinOp) -> _Term:
        parts = node.values if isinstance(node, ast.BoolOp) else [node.left, node.right]
        join = pc.and_kleene if isinstance(node.op, ast.And | ast.BitAnd) else pc.or_kleene
        return _Term(pa.bool_(), _joined(join, [self.truth(part) for part in parts]))

    def _comparison(self, node: ast.Compare) -> _Term:
        sides = [node.left, *node.comparators]
        links = zip(sides[:-1], node.ops, sides[1:], strict=True)
        return _Term(pa.bool_(), _joined(pc.and_kleene, [self._link(*link) for link in links]))

    def _link(self, left: ast.expr, link: ast.cmpop, right: ast.expr) -> Value:
        """One link of a chained comparison."""
        if isinstance(link, ast.Is | ast.IsNot):
            if not isinstance(right, ast.Constant) or right.value is not None:
                raise InvalidExpression("after 'is' and 'is not' comes None")
            # NaN is the null of pandas.
            holds = _called(pc.is_null, self._eval(left).value, nan_is_null=True)
        elif isinstance(link, ast.In | ast.NotIn):
            if not isinstance(right, ast.List | ast.Tuple | ast.Set):
                raise InvalidExpression("after 'in' and 'not in' comes a list such as [0, 1]")
            equal = [self._link(left, ast.Eq(), one) for one in right.elts]
            holds = _joined(pc.or_kleene, equal or [pa.scalar(False)])
        else:
            values = _alike(self._eval(left), self._eval(right))
            holds = self._settled(_called(COMPARISONS[type(link)], *values))
        return _called(pc.invert, holds) if isinstance(link, NEGATED) else holds


def _alike(*terms: _Term) -> list[Value]:
    """The values as one type that all of them fit."""
    kinds = {_kind(term.type) for term in terms}
    columns = {_kind(t.type) for t in terms if isinstance(t.value, pc.Expression)}
    if kinds == {"a number"}:
        whole = all(pa.types.is_integer(term.type) for term in terms)
        common = pa.int64() if whole else pa.float64()
    elif kinds == {"text"}:
        common = pa.string()
    elif kinds == {"a time", "text"} and columns == {"a time"}:
        return [_moment(term.value) if _kind(term.type) == "text" else term.value for term in terms]
    else:
        raise InvalidExpression(f"{' and '.join(sorted(kinds))} cannot be compared")
    # Each dictionary has its own numbers for the same text; large seeds are no float64 exactly.
    return [term.value.cast(common, safe=False) for term in terms]


def _moment(text: pa.StringScalar) -> pa.Scalar:
    time = datetime.datetime.fromisoformat(text.as_py())
    return pa.scalar(time if time.tzinfo else time.replace(tzinfo=datetime.UTC))


def _kind(of: pa.DataType) -> str:
    if pa.types.is_timestamp(of):
        return "a time"
    return "text" if of in (pa.string(), schema.LABEL) else "a number"


def _called(function: Callable, *values: Value, **options: bool) -> Value:
    """A function of pyarrow of values, or of expressions where one of them is one."""
    if any(isinstance(value, pc.Expression) for value in values):
        values = [v if isinstance(v, pc.Expression) else pc.scalar(v) for v in values]
    return function(*values, **options)


def _joined(join: Callable, parts: Sequence[Value]) -> Value:
    """All parts joined: a tree of little depth, since Arrow walks it by recursion."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    return _called(join, _joined(join, parts[:half]), _joined(join, parts[half:]))


def _unknown(name: str, known: Sequence[str]) -> InputError:
    hint = near_miss(name, known)
    quotes = "" if "did you mean" in hint else "; text must be in quotes"
    return InputError(f"unknown name {name!r}{quotes}{hint}")
