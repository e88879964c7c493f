import pytest

from hq_ray.errors import near_miss

VARIANTS = ("standard", "harmonic", "minimum", "asymmetric")


@pytest.mark.parametrize(
    ("word", "known", "tail"),
    [
        ("harmonc", VARIANTS, "; did you mean 'harmonic'?"),
        ("HARMONIC", VARIANTS, "; did you mean 'harmonic'?"),
        ("cliffwalking-v1", ("CliffWalking-v1",), "; did you mean 'CliffWalking-v1'?"),
        ("zzz", VARIANTS, "; known: standard, harmonic, minimum, asymmetric"),
        ("", VARIANTS, "; known: standard, harmonic, minimum, asymmetric"),
        ("zzz", (), ""),
        (3, (30, 40), "; known: 30, 40"),
    ],
)
def test_near_miss(word, known, tail):
    assert near_miss(word, known) == tail
