"""Thrift's compact protocol, as far as the headers and the footer of a Parquet file need it.

A value is a pair of its wire type and its bytes. A struct is its fields in rising order of their
numbers, each led by one byte: the step from the last number, and the wire type.

Source: Apache Thrift, doc/specs/thrift-compact-protocol.md; the numbers of the fields are those of
parquet.thrift in the Apache Parquet format, where each struct is described under its name here.
"""

from collections.abc import Sequence
from functools import lru_cache

Value = tuple[int, bytes]

TRUE, FALSE, I32, I64, BINARY, LIST, STRUCT = 1, 2, 5, 6, 8, 9, 12
SHORT_LIST = 15

FIELDS = {
    "PageHeader": {
        "type": 1,
        "uncompressed_page_size": 2,
        "compressed_page_size": 3,
        "data_page_header": 5,
        "dictionary_page_header": 7,
    },
    "DataPageHeader": {
        "num_values": 1,
        "encoding": 2,
        "definition_level_encoding": 3,
        "repetition_level_encoding": 4,
    },
    "DictionaryPageHeader": {"num_values": 1, "encoding": 2},
    "Statistics": {"null_count": 3, "max_value": 5, "min_value": 6},
    "ColumnMetaData": {
        "type": 1,
        "encodings": 2,
        "path_in_schema": 3,
        "codec": 4,
        "num_values": 5,
        "total_uncompressed_size": 6,
        "total_compressed_size": 7,
        "data_page_offset": 9,
        "dictionary_page_offset": 11,
        "statistics": 12,
    },
    "ColumnChunk": {"file_offset": 2, "meta_data": 3},
    "RowGroup": {
        "columns": 1,
        "total_byte_size": 2,
        "num_rows": 3,
        "file_offset": 5,
        "total_compressed_size": 6,
    },
    "SchemaElement": {
        "type": 1,
        "repetition_type": 3,
        "name": 4,
        "num_children": 5,
        "converted_type": 6,
        "logicalType": 10,
    },
    "LogicalType": {"STRING": 1},
    "StringType": {},
    "KeyValue": {"key": 1, "value": 2},
    "ColumnOrder": {"TYPE_ORDER": 1},
    "TypeDefinedOrder": {},
    "FileMetaData": {
        "version": 1,
        "schema": 2,
        "num_rows": 3,
        "row_groups": 4,
        "key_value_metadata": 5,
        "created_by": 6,
        "column_orders": 7,
    },
}


def varint(number: int) -> bytes:
    """Seven bits a byte, the low ones first; the high bit says that more follow (ULEB128)."""
    content = bytearray()
    while number > 0x7F:
        content.append(number & 0x7F | 0x80)
        number >>= 7
    content.append(number)
    return bytes(content)


def zigzag(number: int) -> int:
    """0, -1, 1, -2, ... as 0, 1, 2, 3, ...; for numbers of up to 64 bits."""
    return (number << 1) ^ (number >> 63)


@lru_cache(maxsize=1024)
def i32(number: int) -> Value:
    """A signed integer of up to 32 bits."""
    return I32, varint(zigzag(number))


@lru_cache(maxsize=1024)
def i64(number: int) -> Value:
    """A signed integer of up to 64 bits."""
    return I64, varint(zigzag(number))


def binary(content: bytes) -> Value:
    """Bytes, or a string as UTF-8."""
    return BINARY, varint(len(content)) + content


def listing(items: Sequence[Value]) -> Value:
    """A list of values of one type."""
    kind = items[0][0] if items else STRUCT
    few = len(items) < SHORT_LIST
    head = bytes([len(items) << 4 | kind]) if few else bytes([0xF0 | kind]) + varint(len(items))
    return LIST, head + b"".join([content for _, content in items])


def struct(name: str, /, **values: Value | None) -> Value:
    """A struct of that name with these fields, in the order of FIELDS; None is left out."""
    numbers = FIELDS[name]
    parts, last = [], 0
    for field, value in values.items():
        if value is not None:
            number = numbers[field]
            parts += [bytes([number - last << 4 | value[0]]), value[1]]
            last = number
    parts.append(b"\0")
    return STRUCT, b"".join(parts)
