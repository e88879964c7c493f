import numpy as np
import pytest
from gymnasium import spaces

from hq_ray.errors import InputError
from hq_ray.spaces import observation_encoder

PAIR = spaces.MultiDiscrete([3, 4])


@pytest.mark.parametrize(
    ("space", "observation", "n_states", "state"),
    [
        (spaces.Discrete(5), 3, 5, 3),
        (spaces.Discrete(5), np.int64(3), 5, 3),
        (spaces.Discrete(5, start=-2), -2, 5, 0),
        (spaces.Discrete(5, start=10), 14, 5, 4),
        (PAIR, np.array([2, 1]), 12, 9),
        (spaces.MultiDiscrete([3, 4], start=[1, -1]), np.array([3, 0]), 12, 9),
        (spaces.MultiDiscrete([[2, 3], [4, 5]]), np.array([[1, 2], [3, 4]]), 120, 119),
        (spaces.MultiDiscrete([[2, 3], [4, 5]]), np.array([[0, 1], [2, 3]]), 120, 33),
        # Blackjack: the player's sum, the dealer's card, a usable ace
        (
            spaces.Tuple((spaces.Discrete(32), spaces.Discrete(11), spaces.Discrete(2))),
            (20, 7, 1),
            704,
            (20 * 11 + 7) * 2 + 1,
        ),
        (spaces.Tuple((spaces.Discrete(2), PAIR)), (1, np.array([2, 1])), 24, 21),
        (
            spaces.Tuple((spaces.Tuple((spaces.Discrete(2),)), spaces.Discrete(3, start=1))),
            ((1,), 3),
            6,
            5,
        ),
        (spaces.Tuple((spaces.Discrete(4, start=1),)), (4,), 4, 3),
        (spaces.MultiDiscrete([7]), np.array([6]), 7, 6),
    ],
)
def test_numbers_by_hand(space, observation, n_states, state):
    found, encode = observation_encoder(space)
    assert found == n_states
    assert encode(observation) == state
    assert type(encode(observation)) is int


def test_every_observation_has_a_number_of_its_own():
    space = spaces.Tuple((spaces.Discrete(3, start=5), spaces.MultiDiscrete([2, 4])))
    n_states, encode = observation_encoder(space)
    every = [(a, np.array([b, c])) for a in (5, 6, 7) for b in (0, 1) for c in range(4)]
    assert [encode(observation) for observation in every] == list(range(n_states))


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(0, 1, (2,)),
        spaces.Dict({"a": spaces.Discrete(2)}),
        spaces.Tuple((spaces.Discrete(2), spaces.Box(0, 1))),
        spaces.Text(3),
        spaces.MultiBinary(3),
    ],
    ids=lambda space: type(space).__name__,
)
def test_a_space_that_is_not_finite_is_refused(space):
    with pytest.raises(InputError, match=r"the view must be finite .* got "):
        observation_encoder(space, "the view")
