from dataclasses import replace

import numpy as np
import pytest

from hq_ray.model import Model, model_from_table

# State 1 is an ordinary state for action 0 of state 0 and a terminal one for its action 1.
# State 2 cannot be reached, though zero probabilities lead there.
TABLE = {
    0: {0: [(0.5, 1, -1, False), (0.5, 0, -2.5, False)], 1: [(1.0, 1, 3, True)]},
    1: {0: [(0.25, 0, 0, False), (0.0, 2, 7, False), (0.75, 1, 4, True)], 1: [(1.0, 1, 0, False)]},
    2: {0: [(1.0, 2, 99, True)], 1: [(1.0, 2, 0, False)]},
}


def arrays_of(model):
    return {name: array for name, array in vars(model).items() if array is not None}


@pytest.fixture
def model() -> Model:
    return model_from_table(TABLE, [0.5, 0.5, 0.0])


def test_arrays_by_hand(model):
    assert (model.n_states, model.n_actions) == (3, 2)
    assert model.next_state.tolist() == [
        [[1, 0, 0], [1, 0, 0]],
        [[0, 2, 1], [1, 0, 0]],
        [[2, 0, 0], [2, 0, 0]],
    ]
    assert model.reward.tolist() == [
        [[-1.0, -2.5, 0.0], [3.0, 0.0, 0.0]],
        [[0.0, 7.0, 4.0], [0.0, 0.0, 0.0]],
        [[99.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
    ]
    assert model.probability[1, 0].tolist() == [0.25, 0.0, 0.75]
    assert model.terminated[:, :, 0].tolist() == [[False, True], [False, False], [True, False]]
    assert model.start_probability.tolist() == [0.5, 0.5, 0.0]
    assert {name: array.dtype.name for name, array in arrays_of(model).items()} == {
        "next_state": "int32",
        "reward": "float64",
        "probability": "float64",
        "terminated": "bool",
        "start_probability": "float64",
    }


def test_running_sums_are_those_of_one_list():
    tenths = [(0.1, 0, 0.0, False)] * 10
    model = model_from_table({0: {0: tenths, 1: [*tenths[:9], (0.1, 0, 0.0, True)]}}, [1.0])
    expected = np.cumsum([0.1] * 10)
    assert expected[-1] < 1
    assert np.array_equal(model.cumulative[0], [expected, expected])


def test_reachable_is_what_some_behaviour_visits_before_the_end(model):
    assert model.reachable.tolist() == [True, True, False]
    assert model_from_table(TABLE, [0.0, 0.0, 1.0]).reachable.tolist() == [False, False, True]


def test_success_is_the_greatest_end_that_can_occur(model):
    assert model.successes == {(1, 4.0)}
    assert np.argwhere(model.success).tolist() == [[1, 0, 2]]


def test_no_success_where_nothing_terminates():
    model = model_from_table({0: {0: [(1.0, 0, 1, False), (0.0, 0, 2, True)]}}, [1.0])
    assert model.success is model.successes is None


def test_success_is_an_end_in_a_goal_state_whatever_it_pays():
    table = {0: {0: [(0.5, 1, -9, True), (0.5, 2, 5, True)], 1: [(1.0, 1, 5, False)]}} | {
        state: {0: [(1.0, state, 5, True)], 1: [(1.0, state, 5, True)]} for state in (1, 2)
    }
    model = model_from_table(table, [1.0, 0.0, 0.0], np.array([False, True, False]))
    assert np.argwhere(model.success).tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0]]
    assert model.successes == {(1, -9.0), (1, 5.0)}
    plain = model_from_table(table, [1.0, 0.0, 0.0])
    assert plain.fingerprint == model.fingerprint
    nowhere = model_from_table(table, [0.0, 0.0, 1.0], np.array([False, True, False]))
    assert nowhere.success is nowhere.successes is None


def test_golden_fingerprint(model):
    # Stored results carry fingerprints: the digest of the same arrays must never change.
    assert model.fingerprint == "f158678786fbba92"
    assert model_from_table(TABLE, np.array([0.5, 0.5, 0.0])).fingerprint == model.fingerprint


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("next_state", 2),
        ("reward", np.nextafter(-1.0, 0.0)),
        ("probability", 0.5 - 1e-16),
        ("terminated", True),
    ],
)
def test_the_fingerprint_changes_with_every_entry_and_the_shape(model, name, entry):
    array = getattr(model, name).copy()
    array[0, 0, 0] = entry
    turned = {key: np.swapaxes(values, 0, -1) for key, values in arrays_of(model).items()}
    assert Model(**turned).fingerprint != model.fingerprint
    assert replace(model, **{name: array}).fingerprint != model.fingerprint
    elsewhere = replace(model, start_probability=np.array([0.5, 0.25, 0.25]))
    assert elsewhere.fingerprint != model.fingerprint
