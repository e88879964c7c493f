"""Parquet files back as tables of the schema, also those that lack a column or were rewritten."""

from collections.abc import Collection, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq


def decode(
    source: str | pa.NativeFile,
    expected: pa.Schema,
    columns: Sequence[str] | None = None,
    where: pc.Expression | None = None,
) -> pa.Table:
    """Columns of a file with the types of the schema, in the order asked for.

    Args:
        source: path or file.
        expected: the schema of such files; a column of it that may be null and that the file lacks
            is all null.
        columns: names of `expected`; None for all.
        where: rows for which it is not true are left out; row groups whose statistics exclude it
            are not decoded.

    Raises:
        pyarrow.ArrowException: the file is damaged, or lacks a column that is never null.
    """
    names = expected.names if columns is None else columns
    wanted = pa.schema([expected.field(name) for name in names])
    file = pq.ParquetFile(source)
    found = file.schema_arrow
    if where is None:
        # Without a filter there is no need of pyarrow.dataset, which takes long to import.
        present = [name for name in wanted.names if name in found.names]
        return conformed(file.read(present), wanted, found.names)
    missing = [field for field in expected if field.name not in found.names]
    table = pq.read_table(
        source,
        columns=wanted.names,
        filters=where,
        schema=pa.schema([*found, *missing]),
        partitioning=None,
    )
    return conformed(table, wanted, found.names)


def conformed(table: pa.Table, wanted: pa.Schema, stored: Collection[str]) -> pa.Table:
    """The columns of `wanted` with its types; nulls for what is not stored and may be null.

    Raises:
        pyarrow.ArrowInvalid: a column that is never null is not stored.
    """
    columns = []
    for field in wanted:
        if field.name not in stored and not field.nullable:
            raise pa.ArrowInvalid(f"it has no column {field.name!r}")
        if field.name in stored:
            columns.append(_as_type(table[field.name], field.type))
        else:
            columns.append(pa.nulls(len(table), field.type))
    return pa.table(columns, schema=wanted)


def _as_type(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if column.type == kind:
        return column
    if pa.types.is_dictionary(kind) and not pa.types.is_dictionary(column.type):
        column = column.cast(kind.value_type).dictionary_encode()
    return column.cast(kind)
