"""Fingerprints of models, and success; trials that are trained on models test the rest."""

from dataclasses import replace

import numpy as np
import pytest

from hq_ray.model import model_from_table

# State 1 is an ordinary state for action 0 of state 0 and a terminal one for its action 1.
# State 2 cannot be reached, though zero probabilities lead there.
TABLE = {
    0: {0: [(0.5, 1, -1, False), (0.5, 0, -2.5, False)], 1: [(1.0, 1, 3, True)]},
    1: {0: [(0.25, 0, 0, False), (0.0, 2, 7, False), (0.75, 1, 4, True)], 1: [(1.0, 1, 0, False)]},
    2: {0: [(1.0, 2, 99, True)], 1: [(1.0, 2, 0, False)]},
}


@pytest.fixture
def model():
    return model_from_table(TABLE, [0.5, 0.5, 0.0])


def test_success_is_the_greatest_end_that_can_occur(model):
    assert model.successes == {(1, 4.0)}
    never = model_from_table({0: {0: [(1.0, 0, 1, False), (0.0, 0, 2, True)]}}, [1.0])
    assert never.success is never.successes is None


def test_golden_fingerprint(model):
    # Stored results carry fingerprints: the digest of the same arrays must never change.
    assert model.fingerprint == "f158678786fbba92"
    goal = np.array([False, True, False])
    alike = model_from_table(TABLE, np.array([0.5, 0.5, 0.0]), goal)
    assert alike.fingerprint == model.fingerprint


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("next_state", 2),
        ("reward", np.nextafter(-1.0, 0.0)),
        ("probability", 0.5 - 1e-16),
        ("terminated", True),
        ("start_probability", 0.25),
    ],
)
def test_the_fingerprint_changes_with_every_entry_and_the_shape(model, name, entry):
    array = getattr(model, name)
    changed = array.copy()
    changed.flat[0] = entry
    for other in (changed, array[..., None]):
        assert replace(model, **{name: other}).fingerprint != model.fingerprint
