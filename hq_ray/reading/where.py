"""Conditions on trials and episodes, as pyarrow expressions that Parquet files are filtered by."""

import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hq_ray.errors import InputError
from hq_ray.reading.where_text import EXAMPLE, joined, read_text, unknown_column

Where = str | pc.Expression | Sequence


def conditions(where: Where | None, schema: pa.Schema) -> list[pc.Expression]:
    """The conditions that must all hold: `where` cut at its outermost `and`s.

    Args:
        where: text, see `reading.where_text`; a list of (column, operator, value) that must all
            hold, or a list of such lists of which one must; a pyarrow expression; None for no
            condition. In what is not text null never matches.
        schema: the columns it may name.

    Raises:
        InputError: no such column, a value of another type than its column, syntax that is none of
            the above.
    """
    if where is None:
        return []
    if isinstance(where, str):
        return read_text(where, {field.name: field.type for field in schema})
    found = [where] if isinstance(where, pc.Expression) else _from_filters(where)
    for expression in found:
        _check(expression, schema)
    return found


def binds(expression: pc.Expression, schema: pa.Schema) -> bool:
    """Whether the schema has every column that the expression names."""
    try:
        _check(expression, schema)
    except InputError:
        return False
    return True


def all_of(expressions: Sequence[pc.Expression]) -> pc.Expression | None:
    """The expression that is true where all are; None for none."""
    return joined(expressions, every=True) if expressions else None


def _check(expression: pc.Expression, schema: pa.Schema) -> None:
    try:
        schema.empty_table().filter(expression)
    except (pa.ArrowException, TypeError, ValueError) as problem:
        unknown = re.search(r"No match for FieldRef\.Name\((.*?)\) in", str(problem))
        if unknown:
            raise unknown_column(unknown[1], schema.names) from None
        raise InputError(f"where must fit the types of its columns: {problem}") from None


def _from_filters(filters: Sequence) -> list[pc.Expression]:
    try:
        if all(isinstance(condition, tuple) for condition in filters):
            return [pq.filters_to_expression([condition]) for condition in filters]
        return [pq.filters_to_expression(filters)]
    except (TypeError, ValueError, IndexError, pa.ArrowException) as problem:
        raise InputError(
            f"where must be text such as {EXAMPLE}, filters such as [('alpha', '==', 0.2)] or a "
            f"pyarrow expression, got {filters!r}: {problem}"
        ) from None
