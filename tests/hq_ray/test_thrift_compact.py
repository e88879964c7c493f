import pytest

from hq_ray.thrift_compact import FIELDS, binary, i32, i64, listing, struct, varint, zigzag


@pytest.mark.parametrize(
    ("number", "content"),
    [(0, "00"), (1, "01"), (127, "7f"), (128, "8001"), (300, "ac02"), (2**32, "8080808010")],
)
def test_varints(number, content):
    assert varint(number).hex() == content


@pytest.mark.parametrize(
    ("number", "folded"),
    [(0, 0), (-1, 1), (1, 2), (-2, 3), (2**31 - 1, 2**32 - 2), (-(2**63), 2**64 - 1)],
)
def test_zigzag(number, folded):
    assert zigzag(number) == folded


def test_scalars():
    assert i32(-1) == (5, b"\x01")
    assert i64(150) == (6, b"\xac\x02")
    assert binary(b"abc") == (8, b"\x03abc")


def test_a_struct_tells_the_steps_between_its_fields():
    kind, content = struct("ColumnMetaData", type=i32(1), codec=i32(0), statistics=None)
    assert kind == 12
    # Field 1, an i32: 1; field 4, an i32: 0; the end.
    assert content.hex() == "1502" + "3500" + "00"


def test_a_struct_in_a_struct():
    assert struct("LogicalType", STRING=struct("StringType")) == (12, b"\x1c\x00\x00")


def test_lists_short_and_long():
    assert listing([]) == (9, b"\x0c")
    assert listing([i32(1)] * 14) == (9, b"\xe5" + b"\x02" * 14)
    assert listing([i32(1)] * 15) == (9, b"\xf5\x0f" + b"\x02" * 15)


def test_fields_rise_and_are_never_far_apart():
    for numbers in FIELDS.values():
        steps = [b - a for a, b in zip([0, *numbers.values()], numbers.values(), strict=False)]
        assert all(1 <= step <= 15 for step in steps)


def test_an_unknown_field_is_refused():
    with pytest.raises(KeyError):
        struct("KeyValue", kye=binary(b""))
