"""Observations and actions as rows and columns of a Q table, for training, films and files.

Observations of several components are numbered in mixed radix, first component slowest.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from operator import index
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from hq_ray.errors import InputError, TrialError, short_repr

ACCEPTED = "Discrete, MultiDiscrete, MultiBinary, integer Box with bounds, Tuple and Dict of these"
# Files number states and actions in int32.
MAX_NUMBER = 2**31
# A table of Q values takes 8 bytes an entry.
MAX_ENTRIES = 10**8


@dataclass(frozen=True)
class Numbering:
    """How an environment's observations and actions are numbered.

    Attributes:
        n_states, n_actions: shape of the Q table.
        encode: the row of an observation; raises a TrialError for one outside its space.
        first_state: what the environment calls row 0; 0 where an observation has components.
        first_action: what the environment calls column 0.
    """

    n_states: int
    n_actions: int
    encode: Callable[[object], int]
    first_state: int
    first_action: int


def numbering(environment: gymnasium.Env, name: str = "the environment") -> Numbering:
    """The numbering of an environment; `name` is for error messages.

    The number of an observation is sum_i (o_i - start_i) * prod_{j > i} size_j.

    Raises:
        InputError: observations are not finite or too many for a table; actions are not Discrete.
    """
    space, actions = environment.observation_space, environment.action_space
    components = _components(space)
    if components is None:
        raise InputError(
            f"the observation space of {name} must be finite ({ACCEPTED}), got {short_repr(space)}"
        )
    if not isinstance(actions, spaces.Discrete):
        raise InputError(f"the action space of {name} must be Discrete, got {short_repr(actions)}")
    n_states = math.prod(size for size, _ in components)
    n_actions, first_action = int(actions.n), int(actions.start)
    discrete = isinstance(space, spaces.Discrete)
    first_state = components[0][1] if discrete else 0
    greatest = max(n_states + abs(first_state), n_actions + abs(first_action))
    if n_states * n_actions > MAX_ENTRIES or greatest >= MAX_NUMBER:
        raise InputError(
            f"the states and actions of {name} must be numbered below 2**31 and make at most "
            f"{MAX_ENTRIES:,} pairs, got {short_repr(space)} and {short_repr(actions)}"
        )

    def encode(observation: object) -> int:
        # Nearly every observation is a plain number, and spared the work below.
        if discrete and isinstance(observation, int) and 0 <= observation - first_state < n_states:
            return observation - first_state
        try:
            state = 0
            for (size, start), value in zip(components, _values(space, observation), strict=True):
                # Whole floats count as integers; `index` raises for every other non-integer.
                whole = isinstance(value, float) and value.is_integer()
                offset = (int(value) if whole else index(value)) - start
                if not 0 <= offset < size:
                    raise ValueError
                state = state * size + offset
            return state
        except (TypeError, ValueError, LookupError):
            raise TrialError(
                f"the observation must lie in {short_repr(space)}, got {short_repr(observation)}"
            ) from None

    return Numbering(n_states, n_actions, encode, first_state, first_action)


def _components(space: spaces.Space) -> list[tuple[int, int]] | None:
    """(size, start) of each component of an observation; None for a space that is not finite."""
    if isinstance(space, spaces.Tuple | spaces.Dict):
        components: list[tuple[int, int]] = []
        for _, part in _items(space):
            inner = _components(part)
            if inner is None:
                return None
            components += inner
        return components
    sizes: Any
    starts: Any
    if isinstance(space, spaces.Discrete):
        sizes, starts = space.n, space.start
    elif isinstance(space, spaces.MultiDiscrete):
        sizes, starts = space.nvec, space.start
    elif isinstance(space, spaces.MultiBinary):
        sizes, starts = np.full(space.shape, 2), np.zeros(space.shape, int)
    elif isinstance(space, spaces.Box) and space.dtype.kind in "biu" and space.is_bounded("both"):
        starts = space.low.astype(object)  # sizes may exceed the type of the bounds
        sizes = space.high - starts + 1
    else:
        return None
    pairs = zip(np.ravel(sizes).tolist(), np.ravel(starts).tolist(), strict=True)
    return [(int(size), int(start)) for size, start in pairs]


def _values(space: spaces.Space, observation: Any) -> list:
    """The value of each component of an observation, which may be of any type."""
    if isinstance(space, spaces.Tuple | spaces.Dict):
        items = _items(space)
        if len(observation) != len(items):
            raise ValueError
        return [value for key, part in items for value in _values(part, observation[key])]
    array = np.asarray(observation)
    if array.shape != space.shape and not (isinstance(space, spaces.Discrete) and array.size == 1):
        raise ValueError
    return array.ravel().tolist()


def _items(space: spaces.Tuple | spaces.Dict) -> list[tuple[Any, spaces.Space]]:
    parts = space.spaces
    return list(parts.items()) if isinstance(parts, dict) else list(enumerate(parts))
