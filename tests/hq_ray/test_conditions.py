import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hq_ray import schema
from hq_ray.conditions import conditions, evaluate, filtered
from hq_ray.errors import InputError

ALPHAS = [-0.5, 0.1, 0.2, 0.3, 1.0]
SEEDS = [-2, 0, 1, 5]
VARIANTS = ["standard", "harmonic", "it's"]
# Types and values; NaN, which a result may be, is treated as the null that pandas shows it as.
COLUMNS = {
    "alpha": (pa.float64(), [*ALPHAS, float("nan"), None]),
    "seed": (pa.int64(), SEEDS),
    "decay": (pa.int32(), [*SEEDS, None]),
    "variant": (pa.string(), VARIANTS),
    "schedule": (schema.LABEL, [*VARIANTS, None]),
    "truncated": (pa.bool_(), [True, False]),
    "success": (pa.bool_(), [True, False, None]),
}
SCHEMA = pa.schema([pa.field(name, kind, None in of) for name, (kind, of) in COLUMNS.items()])


def made(rows):
    return pa.Table.from_pylist([dict(zip(COLUMNS, row, strict=True)) for row in rows], SCHEMA)


def tables():
    row = st.tuples(*(st.sampled_from(values) for _, values in COLUMNS.values()))
    return st.lists(row, max_size=12).map(made)


def texts():
    """Conditions that both `DataFrame.query` and `conditions` understand."""
    number = st.sampled_from([*ALPHAS, *SEEDS, 0.5])
    compare = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
    equal = st.sampled_from(["==", "!="])
    inside = st.sampled_from(["in", "not in"])
    numeric = st.sampled_from(["alpha", "seed", "decay"])
    text = st.sampled_from(["variant", "schedule"])
    variant = st.sampled_from(VARIANTS)
    some_numbers = st.lists(st.sampled_from([0, 1, 5, 0.2, 0.5]), max_size=3)
    atoms = st.one_of(
        st.builds("{} {} {}".format, numeric, compare, number),
        st.builds("{} {} {}".format, number, compare, numeric),
        st.builds("{} <= {} < {}".format, number, numeric, number),
        st.builds("{} {} {}".format, numeric, compare, numeric),
        st.builds("{} {} {!r}".format, text, equal, variant),
        st.builds("variant {} 'i'".format, compare),
        st.builds("{} {} {!r}".format, text, inside, st.lists(variant, max_size=3)),
        st.builds("{} {} {!r}".format, numeric, inside, some_numbers),
        st.builds("success {} {}".format, equal, st.booleans()),
        st.just("truncated"),
    )
    join = st.sampled_from(["and", "or"])
    return st.recursive(
        atoms,
        lambda inner: st.one_of(
            st.builds("not ({})".format, inner),
            st.builds("({}) {} ({})".format, inner, join, inner),
        ),
        max_leaves=6,
    )


def kept(table, where):
    """Numbers of the rows that are kept, in memory."""
    numbered = table.append_column("row", pa.array(np.arange(len(table))))
    return filtered(numbered, conditions(where, table.schema))["row"].to_pylist()


@given(tables(), texts())
def test_text_means_what_it_means_to_pandas(table, text):
    frame = table.to_pandas(categories=None)
    frame["schedule"] = frame["schedule"].astype(object)
    expected = frame.query(text, engine="python").index.tolist() if len(frame) else []
    assert kept(table, text) == expected


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
    ("where", "expected"),
    [
        ("alpha is None", [2]),
        ("schedule is None", [1]),
        ("alpha not in [] and seed in [1, decay]", [1]),
        ("seed in {0, 1.0, 0.5}", [0, 1]),
        ("seed == 1152921504606846976", [2]),
        ("seed > 1152921504606846975", [2]),
        ("seed == 1" + "0" * 400, []),
        ("seed > -1" + "0" * 400, [0, 1, 2]),
        ("alpha < 1" + "0" * 400, [0, 1]),
        ("variant == schedule", [0, 2]),
        ("not schedule < 'm'", [0, 1]),
        ("success", [1]),
        ("success is None", [0]),
        ("  alpha == 0.1\n or seed == 1 ", [0, 1]),
        ("alpha * 10 - seed / 2 == 1", [0]),
        ("not -alpha > -0.15", [1, 2]),
        ("alpha / 0 > 1", [0, 1]),
        ("truncated == success", [2]),
        # Filters and expressions of pyarrow.
        ([("alpha", "==", 0.1)], [0]),
        ([("alpha", ">", 0), ("seed", "in", [1, 2])], [1]),
        ([[("alpha", "==", 0.1)], [("seed", "==", 1)]], [0, 1]),
        ([("alpha", "!=", 0.1)], [1]),
        (pc.field("alpha") == 0.2, [1]),
        ([], [0, 1, 2]),
        (None, [0, 1, 2]),
    ],
)
def test_hand_worked(table, where, expected):
    assert kept(table, where) == expected


def test_nan_is_none_and_long_conditions_are_not_deep(table):
    numbers = pa.table({"x": pa.array([1.0, float("nan"), None])})
    assert kept(numbers, "x is None") == [1, 2]
    many = " or ".join(["alpha == 7"] * 1500)
    assert kept(table, f"{many} or alpha == 0.1") == [0]
    assert kept(table, " and ".join(["alpha < 7"] * 500)) == [0, 1]


MUST = "where: must be a condition such as \"alpha == 0.2 and variant == 'harmonic'\", got "
NO = "is no name, number, text, comparison or calculation with + - * /"


@pytest.mark.parametrize(
    "where",
    ["alhpa == 0.2", "0.2 < alhpa", "seed == alhpa", [("alhpa", "==", 1)], pc.field("alhpa") == 1],
)
def test_a_near_miss_is_named_and_a_lack_of_quotes(where):
    with pytest.raises(InputError, match=r"^where: unknown name 'alhpa'; did you mean 'alpha'\?$"):
        conditions(where, SCHEMA)
    with pytest.raises(InputError, match="unknown name 'minimum'; text must be in quotes; known: "):
        conditions("variant == minimum", SCHEMA)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("variant == 3", "a number and text cannot be compared"),
        ("alpha == None", f"None {NO}"),
        ("-variant == 3", "text cannot be calculated with"),
        ("seed == 2 ** 3", f"2 ** 3 {NO}"),
        ("", "invalid syntax"),
        ("@alpha == 1", "invalid syntax"),
        ("(" * 999 + "truncated" + ")" * 999, "too many nested parentheses"),
        ("not " * 3000 + "truncated", "it is too deep"),
        ("alpha", "a number is neither true nor false"),
        ("open('x', 'w').name == 'x'", f"open('x', 'w').name {NO}"),
        ("alpha is 0.2", "after 'is' and 'is not' comes None"),
        ("seed in 3", "after 'in' and 'not in' comes a list such as [0, 1]"),
        (pc.field("alpha") == "x", "Function 'equal' has no kernel matching"),
        ([("alpha", "=~", 1)], '"=~" is not a valid operator'),
        ([("alpha", "==")], "not enough values to unpack"),
        (7, "'int' object is not iterable"),
    ],
)
def test_what_cannot_be_a_condition_is_not_evaluated(where, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        conditions(where, SCHEMA)
    assert str(caught.value).startswith(MUST)
    assert f": {message}" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@given(st.text(max_size=40))
def test_any_text_is_a_condition_or_an_input_error(text):
    try:
        found = conditions(text, schema.EPISODES)
    except InputError:
        return
    assert filtered(schema.EPISODES.empty_table(), found).num_rows == 0


# Of values, as constraints are


ROWS = {
    **{"alpha": [0.2, 0.2], "eps_end": [0.1, 0.1], "variant": ["harmonic", "harmonic"]},
    **{"eps_shift": [None, 2.0], "episodes": [30, 30]},
}


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("eps_end <= alpha", [True, True]),
        ("1 > 2", [False, False]),
        ("alpha * 2 + 1 == 1.4 and variant == 'harmonic'", [True, True]),
        ("episodes / 60 == 1 / 2", [True, True]),
        ("variant in ['harmonic', 'minimum'] and alpha not in [1, 0.5]", [True, True]),
        ("eps_shift is None and alpha is not None", [True, False]),
        ("eps_shift < 1", [None, False]),
        ("not eps_shift != 1", [None, False]),
        ("eps_shift + 1 < -alpha", [None, False]),
        ("eps_shift > 1 and alpha > 0.5", [False, False]),
        ("eps_shift < 1 or alpha < 0.5", [True, True]),
        ("0.3 < alpha < eps_shift", [False, False]),
    ],
)
def test_what_depends_on_an_unknown_value_is_unknown(text, truth):
    assert evaluate(text, ROWS) == truth


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("variant < 1", "must be a condition"),
        ("max_steps < 3", "unknown name 'max_steps'"),
        ("alpha ** 2 < 1", "must be a condition"),
        ("alpha / 0 < 1", "divide by zero"),
    ],
)
def test_what_is_no_constraint_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        evaluate(text, ROWS)
