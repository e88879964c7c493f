import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hq_ray import schema
from hq_ray.errors import InputError
from hq_ray.reading.where import all_of, binds, conditions

LABEL = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [
        pa.field("alpha", pa.float64()),
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("decay", pa.int32()),
        pa.field("variant", pa.string(), nullable=False),
        pa.field("schedule", LABEL),
        pa.field("truncated", pa.bool_(), nullable=False),
        pa.field("success", pa.bool_()),
    ]
)
ALPHAS = [-0.5, 0.1, 0.2, 0.3, 1.0]
SEEDS = [-2, 0, 1, 5]
VARIANTS = ["standard", "harmonic", "it's"]


def rows():
    def maybe(values):
        return st.sampled_from([*values, None])

    return st.lists(
        st.tuples(
            maybe(ALPHAS),
            st.sampled_from(SEEDS),
            maybe(SEEDS),
            st.sampled_from(VARIANTS),
            maybe(VARIANTS),
            st.booleans(),
            maybe([True, False]),
        ),
        max_size=12,
    )


def made(found):
    columns = [list(column) for column in zip(*found, strict=True)] or [[] for _ in SCHEMA]
    return pa.table(
        [pa.array(c, field.type) for c, field in zip(columns, SCHEMA, strict=True)], SCHEMA
    )


def texts():
    """Conditions that both `DataFrame.query` and `conditions` understand."""
    number = st.sampled_from([*ALPHAS, *SEEDS, 0.5])
    compare = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
    equal = st.sampled_from(["==", "!="])
    inside = st.sampled_from(["in", "not in"])
    numeric = st.sampled_from(["alpha", "seed", "decay"])
    text = st.sampled_from(["variant", "schedule"])
    names = st.lists(st.sampled_from(VARIANTS), max_size=3)
    atoms = st.one_of(
        st.tuples(numeric, compare, number).map(lambda p: f"{p[0]} {p[1]} {p[2]}"),
        st.tuples(number, compare, numeric).map(lambda p: f"{p[0]} {p[1]} {p[2]}"),
        st.tuples(number, numeric, number).map(lambda p: f"{p[0]} <= {p[1]} < {p[2]}"),
        st.tuples(numeric, compare, numeric).map(" ".join),
        st.tuples(text, equal, st.sampled_from(VARIANTS)).map(lambda p: f"{p[0]} {p[1]} {p[2]!r}"),
        st.tuples(st.just("variant"), compare, st.just("'i'")).map(" ".join),
        st.tuples(text, inside, names).map(lambda p: f"{p[0]} {p[1]} {p[2]!r}"),
        st.tuples(numeric, inside, st.lists(st.sampled_from([0, 1, 5, 0.2, 0.5]), max_size=3)).map(
            lambda p: f"{p[0]} {p[1]} {p[2]!r}"
        ),
        st.tuples(st.just("success"), equal, st.sampled_from(["True", "False"])).map(" ".join),
        st.just("truncated"),
    )
    return st.recursive(
        atoms,
        lambda inner: st.one_of(
            inner.map(lambda text: f"not ({text})"),
            st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
                lambda p: f"({p[0]}) {p[1]} ({p[2]})"
            ),
        ),
        max_leaves=6,
    )


def kept(table, where):
    """Numbers of the rows that are kept, in memory."""
    numbered = table.append_column("row", pa.array(np.arange(len(table))))
    wanted = all_of(conditions(where, table.schema))
    return (numbered if wanted is None else numbered.filter(wanted))["row"].to_pylist()


def read_back(table, where):
    """Numbers of the rows that are read from Parquet, whose statistics exclude row groups."""
    numbered = table.append_column("row", pa.array(np.arange(len(table))))
    sink = pa.BufferOutputStream()
    pq.write_table(numbered, sink, row_group_size=3)
    wanted = all_of(conditions(where, table.schema))
    source = pa.BufferReader(sink.getvalue())
    return pq.read_table(source, filters=wanted)["row"].to_pylist()


@given(rows(), texts())
def test_text_means_what_it_means_to_pandas(found, text):
    table = made(found)
    frame = table.to_pandas(categories=None)
    frame["schedule"] = frame["schedule"].astype(object)
    expected = frame.query(text, engine="python").index.tolist() if len(frame) else []
    assert kept(table, text) == expected
    assert read_back(table, text) == expected


@pytest.fixture
def table():
    return made(
        [
            (0.1, 0, None, "standard", "standard", True, None),
            (0.2, 1, 5, "harmonic", None, False, True),
            (None, 2**60, 1, "it's", "it's", False, False),
        ]
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("alpha == 0.1", [0]),
        ("0.1 == alpha", [0]),
        ("0.15 > alpha", [0]),
        ("alpha != 0.1", [1, 2]),
        ("not alpha == 0.1", [1, 2]),
        ("not alpha != 0.1", [0]),
        ("not (alpha < 0.15)", [1, 2]),
        ("alpha is None", [2]),
        ("alpha is not None", [0, 1]),
        ("not alpha is None", [0, 1]),
        ("schedule is None", [1]),
        ("alpha in [0.1, 0.2, 7]", [0, 1]),
        ("alpha not in (0.1,)", [1, 2]),
        ("alpha in []", []),
        ("alpha == -0.1", []),
        ("alpha > -1e-3", [0, 1]),
        ("alpha < +0.15", [0]),
        ("seed in {0, 1.0, 0.5}", [0, 1]),
        ("seed == 1152921504606846976", [2]),
        ("seed > 1152921504606846975", [2]),
        ("seed > 0.5", [1, 2]),
        ("seed < 1e400", [0, 1, 2]),
        ("seed == 1" + "0" * 400, []),
        ("seed > -1" + "0" * 400, [0, 1, 2]),
        ("alpha < 1" + "0" * 400, [0, 1]),
        ("seed == 0.5", []),
        ("not seed == 0.5", [0, 1, 2]),
        ("seed >= 1.5", [2]),
        ("seed < -1e400", []),
        ("decay < 1000000000000", [1, 2]),
        ("decay > 1000000000000", []),
        ("0.5 < decay < 4.5", [2]),
        ("4.5 > decay", [2]),
        ("0 < seed <= 1", [1]),
        ("0 < alpha < 0.15 or seed > 1", [0, 2]),
        ("decay < seed", [2]),
        ("decay != seed", [0, 1, 2]),
        ("variant == schedule", [0, 2]),
        ("variant == 'it\\'s'", [2]),
        ("schedule < 'm'", [2]),
        ("not schedule < 'm'", [0, 1]),
        ("truncated", [0]),
        ("not truncated", [1, 2]),
        ("success", [1]),
        ("not success", [0, 2]),
        ("success == 1", [1]),
        ("success != True", [0, 2]),
        ("success is None", [0]),
        ("(alpha == 0.1) | (seed == 1)", [0, 1]),
        ("(alpha > 0) & ~(seed == 1)", [0]),
        ("  alpha == 0.1\n or seed == 1 ", [0, 1]),
    ],
)
def test_hand_worked(table, text, expected):
    assert kept(table, text) == expected
    assert read_back(table, text) == expected


def test_times_are_text_in_iso_form():
    times = pa.array([datetime.datetime(2024, 1, day, tzinfo=datetime.UTC) for day in (1, 2, 3)])
    table = pa.table({"finished_at": times.cast(pa.timestamp("us", tz="UTC"))})
    assert kept(table, "finished_at >= '2024-01-02'") == [1, 2]
    assert kept(table, "finished_at in ['2024-01-02T01:00+01:00']") == [1]
    with pytest.raises(InputError, match="yesterday"):
        kept(table, "finished_at > 'yesterday'")


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ([("alpha", "==", 0.1)], [0]),
        ([("alpha", ">", 0), ("seed", "in", [1, 2])], [1]),
        ([[("alpha", "==", 0.1)], [("seed", "==", 1)]], [0, 1]),
        ([("alpha", "!=", 0.1)], [1]),
        (pc.field("alpha") == 0.2, [1]),
        ([], [0, 1, 2]),
        (None, [0, 1, 2]),
    ],
)
def test_filters_and_expressions_of_pyarrow(table, filters, expected):
    assert kept(table, filters) == expected


def test_the_outermost_ands_are_cut():
    found = conditions(
        "alpha == 1 and (seed == 2 and decay > 3) and (seed == 1 or alpha < 2)", SCHEMA
    )
    assert len(found) == 4
    assert len(conditions([("alpha", "==", 1), ("seed", "==", 2)], SCHEMA)) == 2
    assert len(conditions("(alpha == 1) & (seed == 1)", SCHEMA)) == 2
    assert conditions(None, SCHEMA) == []
    assert all_of([]) is None


def test_whether_a_schema_has_the_columns():
    (seeds,) = conditions("seed == 1", SCHEMA)
    assert binds(seeds, SCHEMA)
    assert not binds(seeds, pa.schema([SCHEMA.field("alpha")]))


def test_long_conditions_are_not_deep(table):
    many = " or ".join(["alpha == 7"] * 5000)
    assert kept(table, f"{many} or alpha == 0.1") == [0]
    assert kept(table, " and ".join(["alpha < 7"] * 1000)) == [0, 1]


EXAMPLE = "\"alpha == 0.2 and variant == 'harmonic'\""


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("alhpa == 0.2", "unknown column 'alhpa' in where; did you mean 'alpha'?"),
        ("0.2 < alhpa", "unknown column 'alhpa' in where; did you mean 'alpha'?"),
        ("alpha == aplha", "unknown column 'aplha' in where; did you mean 'alpha'?"),
        ([("alhpa", "==", 1)], "unknown column 'alhpa' in where; did you mean 'alpha'?"),
        (pc.field("alhpa") == 1, "unknown column 'alhpa' in where; did you mean 'alpha'?"),
        ("variant == harmonic", "variant is text, in quotes; where compares it with harmonic"),
        ("variant == 3", "variant is text; where compares it with 3"),
        ("alpha == 'x'", "alpha is a number; where compares it with 'x'"),
        ("alpha in ['x']", "alpha is a number; where compares it with 'x'"),
        ("alpha == None", "alpha is a number; where compares it with None"),
        ("seed == True", "seed is a number; where compares it with True"),
        ("seed == 2 ** 3", "seed is a number; where compares it with 2 ** 3"),
        ("alpha == 1j", "alpha is a number; where compares it with 1j"),
        ("truncated == 2", "truncated is true or false; where compares it with 2"),
        ("variant == f'{seed}'", "variant is text; where compares it with f'{seed}'"),
        ("alpha = 0.2", f"where must be a condition such as {EXAMPLE}, got 'alpha = 0.2': "),
        ("", f"where must be a condition such as {EXAMPLE}, got '': "),
        ("@alpha == 1", f"where must be a condition such as {EXAMPLE}, got '@alpha == 1': "),
        ("alpha == 1; seed", f"where must be a condition such as {EXAMPLE}, got "),
        ("alpha == \0", f"where must be a condition such as {EXAMPLE}, got "),
        ("(" * 999 + "truncated" + ")" * 999, f"where must be a condition such as {EXAMPLE}, got "),
        ("not " * 3000 + "truncated", "where must be less deep, got 'not not not "),
        ("alpha", f"where must be conditions such as {EXAMPLE}; 'alpha': this is neither"),
        ("f(alpha)", f"where must be conditions such as {EXAMPLE}; 'f(alpha)': this is neither"),
        ("True", f"where must be conditions such as {EXAMPLE}; 'True': this is neither"),
        ("1 == 1", f"where must be conditions such as {EXAMPLE}; '1': a column must stand here"),
        ("abs(alpha) < 1", f"where must be conditions such as {EXAMPLE}; "),
        ("alpha is 0.2", f"where must be conditions such as {EXAMPLE}; '0.2': after 'is' "),
        ("seed in 3", f"where must be conditions such as {EXAMPLE}; '3': after 'in' and 'not in' "),
        ("truncated < True", f"where must be conditions such as {EXAMPLE}; 'truncated': true and "),
        (
            "alpha == variant",
            f"where must be conditions such as {EXAMPLE}; 'variant': alpha is a n",
        ),
        ("(lambda: seed)()", f"where must be conditions such as {EXAMPLE}; "),
        (pc.field("alpha") == "x", "where must fit the types of its columns: "),
        ([("alpha", "=~", 1)], f"where must be text such as {EXAMPLE}, filters such as "),
        ([("alpha", "==")], f"where must be text such as {EXAMPLE}, filters such as "),
        (7, f"where must be text such as {EXAMPLE}, filters such as "),
    ],
)
def test_what_cannot_be_a_condition(where, message):
    with pytest.raises(InputError) as caught:
        conditions(where, SCHEMA)
    assert str(caught.value).startswith(message)


@given(st.text(max_size=40))
def test_any_text_is_a_condition_or_an_input_error(text):
    try:
        found = conditions(text, schema.EPISODES)
    except InputError:
        return
    assert all(binds(condition, schema.EPISODES) for condition in found)


def test_nothing_is_evaluated(tmp_path):
    target = tmp_path / "written"
    with pytest.raises(InputError):
        conditions(f"open({str(target)!r}, 'w') == seed", SCHEMA)
    assert not target.exists()


def test_a_column_that_may_not_be_null_in_pandas_frames():
    """NaN, which a result may be, is treated as the null that pandas shows it as."""
    table = pa.table({"x": pa.array([1.0, float("nan"), None])})
    frame = pd.DataFrame({"x": [1.0, np.nan, np.nan]})
    for text in ("x == 1", "x != 1", "not x < 2", "not x != 1", "x <= 1"):
        assert kept(table, text) == frame.query(text, engine="python").index.tolist()
    assert kept(table, "x is None") == [1, 2]
