"""Observations and actions as rows and columns of a Q table, for training, films and files.

Observations of several components are numbered in mixed radix, first component slowest.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from operator import index

import gymnasium
import numpy as np
from gymnasium import spaces

from hq_ray.errors import InputError, TrialError

ACCEPTED = "Discrete, MultiDiscrete, MultiBinary, integer Box with bounds, Tuple and Dict of these"
# Files number states and actions in int32.
TOO_MANY = 2**31
# Of a table of Q values, 8 bytes each.
MOST_ENTRIES = 10**8
SHOWN_CHARACTERS = 120


@dataclass(frozen=True)
class Numbering:
    """How an environment's observations and actions are numbered.

    Attributes:
        n_states, n_actions: shape of the Q table.
        encode: the row of an observation; a TrialError where it lies outside its space.
        first_state: what the environment calls row 0; 0 where an observation has components.
        first_action: what the environment calls column 0.
    """

    n_states: int
    n_actions: int
    encode: Callable[[object], int]
    first_state: int
    first_action: int


def numbering(environment: gymnasium.Env, name: str = "the environment") -> Numbering:
    """The numbering of an environment; `name` is for its messages.

    The number of an observation is sum_i (o_i - start_i) * prod_{j > i} size_j.

    Raises:
        InputError: the observation space is not finite or too large for a table, or the action
            space is not Discrete.
    """
    seen, actions = environment.observation_space, environment.action_space
    parts = _parts(seen)
    if parts is None:
        raise InputError(
            f"the observation space of {name} must be finite ({ACCEPTED}), got {shown(seen)}"
        )
    if not isinstance(actions, spaces.Discrete):
        raise InputError(f"the action space of {name} must be Discrete, got {shown(actions)}")
    components, listed = parts
    n_states = math.prod(size for size, _ in components)
    n_actions, first_action = int(actions.n), int(actions.start)
    plain = isinstance(seen, spaces.Discrete)
    first_state = int(seen.start) if plain else 0
    for space, n, first in ((seen, n_states, first_state), (actions, n_actions, first_action)):
        if n + abs(first) >= TOO_MANY:
            raise InputError(
                f"the states and actions of {name} must be numbered below 2**31 for a table of Q "
                f"values, got {shown(space)}"
            )

    if n_states * n_actions > MOST_ENTRIES:
        raise InputError(
            f"{name} must have at most {MOST_ENTRIES:,} pairs of a state and an action, got "
            f"{n_states:,} states and {n_actions:,} actions"
        )

    def encode(observation: object) -> int:
        # Nearly every observation is a plain number: spared the work below.
        if plain and isinstance(observation, int) and 0 <= observation - first_state < n_states:
            return observation - first_state
        try:
            state = 0
            for (size, start), value in zip(components, listed(observation), strict=True):
                place = _whole(value) - start
                if not 0 <= place < size:
                    raise ValueError
                state = state * size + place
            return state
        except (TypeError, ValueError, LookupError):
            raise TrialError(
                f"the observation must lie in {shown(seen)}, got {shown(observation)}"
            ) from None

    return Numbering(n_states, n_actions, encode, first_state, first_action)


def shown(value: object) -> str:
    """One short line, whatever the value's `repr` is like."""
    try:
        text = " ".join(repr(value).split())
    except Exception:
        text = f"a {type(value).__name__}"
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."


def _parts(space: spaces.Space) -> tuple[list[tuple[int, int]], Callable[[object], list]] | None:
    """(size, start) of each component, and what lists those of an observation.

    None where the space is not finite.
    """
    if isinstance(space, spaces.Tuple | spaces.Dict):
        keys = list(space.spaces) if isinstance(space, spaces.Dict) else range(len(space.spaces))
        parts = [_parts(space[key]) for key in keys]
        if None in parts:
            return None

        def listed(observation: object) -> list:
            if len(observation) != len(keys):
                raise ValueError
            of = zip(keys, parts, strict=True)
            return [value for key, (_, values) in of for value in values(observation[key])]

        return [one for components, _ in parts for one in components], listed
    if isinstance(space, spaces.Discrete):
        return [(int(space.n), int(space.start))], _single
    if isinstance(space, spaces.MultiDiscrete):
        sizes, starts = space.nvec.ravel().tolist(), space.start.ravel().tolist()
    elif isinstance(space, spaces.MultiBinary):
        sizes, starts = [2] * math.prod(space.shape), [0] * math.prod(space.shape)
    elif isinstance(space, spaces.Box) and space.dtype.kind in "biu" and space.is_bounded("both"):
        starts = space.low.ravel().tolist()
        ends = space.high.ravel().tolist()
        sizes = [end - start + 1 for start, end in zip(starts, ends, strict=True)]
    else:
        return None

    def values(observation: object) -> list:
        array = np.asarray(observation)
        if array.shape != space.shape:
            raise ValueError
        return array.ravel().tolist()

    return list(zip(sizes, starts, strict=True)), values


def _single(observation: object) -> list:
    # Most observations are plain numbers, which need no array.
    if isinstance(observation, int | np.integer):
        return [observation]
    return np.asarray(observation).ravel().tolist()


def _whole(value: object) -> int:
    """A number without a fraction as an int; TypeError for all else."""
    return int(value) if isinstance(value, float) and value.is_integer() else index(value)
