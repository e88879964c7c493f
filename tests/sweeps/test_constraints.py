import contextlib
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hq_ray.errors import InputError
from hq_ray.sweeps.constraints import NAMES, check_constraint, holds

VALUES = {"alpha": 0.2, "eps_end": 0.1, "eps_start": 1.0, "variant": "harmonic", "eps_shift": None}


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("eps_end <= eps_start", True),
        ("eps_end > eps_start", False),
        ("0.1 < alpha < 0.3", True),
        ("0.2 < alpha < 0.3", False),
        ("alpha == 0.2 and eps_end != 0.1", False),
        ("alpha == 0.1 or eps_end == 0.1", True),
        ("not alpha == 0.2", False),
        ("variant == 'harmonic'", True),
        ("alpha * 2 + 1 == 1.4", True),
        ("-alpha / 2 - 1 < -1.05", True),
        # eps_shift is not read: only what is false whatever it is drops the configuration.
        ("eps_shift < 1", True),
        ("not eps_shift < 1", True),
        ("eps_shift + 1 < -alpha", True),
        ("eps_shift < 1 and alpha > 0.5", False),
        ("eps_shift < 1 or alpha > 0.5", True),
        ("not (eps_shift < 1 or alpha < 0.5)", False),
        ("  alpha < 1  ", True),
    ],
)
def test_conditions(text, truth):
    check_constraint(text)
    assert holds(text, VALUES) is truth


FORM = "must be a condition like 'eps_end <= eps_start', got "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (3, FORM + "3"),
        (None, FORM + "None"),
        ("", FORM + "''"),
        ("alpha <", FORM + "'alpha <'"),
        ("alpha", FORM + "'alpha'"),
        ("alpha - 0.1", FORM + "'alpha - 0.1'"),
        ("alpha < 1 and eps_end", FORM),
        ("(" * 300 + "alpha" + ")" * 300 + " < 1", FORM),
        ("-" * 900 + "1 < alpha", FORM),
        ("\x00", FORM),
        ("alhpa < 1", "unknown name 'alhpa'; did you mean 'alpha'?"),
        ("alpha < True", "must be made of names, numbers and text, got 'alpha < True'"),
        ("alpha == None", "must be made of names, numbers and text"),
        ("alpha ** 2 < 1", "must hold only comparisons, + - * /, and, or, not"),
        ("alpha is 1", "must hold only comparisons"),
        ("__import__('os') == 1", "must hold only comparisons"),
        ("alpha.real < 1", "must hold only comparisons"),
        ("[alpha] < [1]", "must hold only comparisons"),
        ("(lambda: alpha) == 1", "must hold only comparisons"),
    ],
)
def test_what_is_no_condition_is_refused(text, message):
    with pytest.raises(InputError) as caught:
        check_constraint(text)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("text", ["variant < 1", "'a' * 99999 == 'b'", "alpha / 0 < 1"])
def test_what_cannot_be_decided_is_said(text):
    check_constraint(text)
    with pytest.raises(InputError, match=r"^constraints: .* cannot be decided: "):
        holds(text, VALUES)


def test_python_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_constraint("variant == '\\d'")


WORDS = [
    *NAMES,
    "1",
    "0.5",
    "'linear'",
    "(",
    ")",
    "and",
    "or",
    "not",
    "+",
    "-",
    "*",
    "/",
    "<",
    ">=",
]


@given(st.text(max_size=60) | st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join))
def test_any_text_is_a_condition_or_one_sentence(text):
    # Anything but an InputError fails the test.
    with contextlib.suppress(InputError):
        check_constraint(text)
        assert isinstance(holds(text, VALUES), bool)


numbers = st.sampled_from(["alpha", "eps_end", "1", "0.25"])
sums = st.recursive(
    numbers,
    lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda t: f"({' '.join(t)})"),
    max_leaves=5,
)
comparisons = st.tuples(sums, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), sums).map(
    " ".join
)
conditions = st.recursive(
    comparisons,
    lambda inner: st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
        lambda t: f"not ({' '.join(t)})"
    ),
    max_leaves=4,
)


@given(conditions)
@settings(max_examples=50)
def test_known_values_give_what_python_gives(text):
    check_constraint(text)
    assert holds(text, VALUES) is eval(text, {}, VALUES)  # our own text
