import pytest

from hq_ray.errors import HqRayError, InputError, ModelError, ResultsError, near_miss

VARIANTS = ("standard", "harmonic", "minimum", "asymmetric")


@pytest.mark.parametrize("kind", [InputError, ModelError, ResultsError])
def test_every_error_can_be_caught_as_one(kind):
    assert issubclass(kind, HqRayError)


def test_an_input_error_is_a_value_error():
    assert issubclass(InputError, ValueError)
    assert not issubclass(ModelError, ValueError)


@pytest.mark.parametrize(
    ("word", "known", "tail"),
    [
        ("harmonc", VARIANTS, "; did you mean 'harmonic'?"),
        ("HARMONIC", VARIANTS, "; did you mean 'harmonic'?"),
        ("cliffwalking-v1", ("CliffWalking-v1",), "; did you mean 'CliffWalking-v1'?"),
        ("zzz", VARIANTS, "; known: standard, harmonic, minimum, asymmetric"),
        ("", VARIANTS, "; known: standard, harmonic, minimum, asymmetric"),
        ("zzz", (), ""),
        (3, (30, 40), "; did you mean '30'?"),
    ],
)
def test_near_miss(word, known, tail):
    assert near_miss(word, known) == tail


def test_near_miss_takes_any_iterable_once():
    assert near_miss("minimun", (name for name in VARIANTS)) == "; did you mean 'minimum'?"
