"""Observations and actions as rows and columns of a Q table, for training, films and files.

Observations of several components are numbered in mixed radix, first component slowest.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import index

import gymnasium
import numpy as np
from gymnasium import spaces

from hq_ray.errors import InputError, TrialError

Encode = Callable[[object], int]

ACCEPTED = "Discrete, MultiDiscrete, MultiBinary, integer Box with bounds, Tuple and Dict of these"
# Files number states and actions in int32.
TOO_MANY = 2**31
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
    encode: Encode
    first_state: int
    first_action: int


def numbering(environment: gymnasium.Env, name: str = "the environment") -> Numbering:
    """How the observations and actions of an environment are numbered.

    The number of an observation is sum_i (o_i - start_i) * prod_{j > i} size_j.

    Raises:
        InputError: the observation space is not finite or too large for a table, or the action
            space is not Discrete.
    """
    seen, actions = environment.observation_space, environment.action_space
    coded = _coded(seen)
    if coded is None:
        raise InputError(
            f"the observation space of {name} must be finite ({ACCEPTED}), got {shown(seen)}"
        )
    if not isinstance(actions, spaces.Discrete):
        raise InputError(f"the action space of {name} must be Discrete, got {shown(actions)}")
    n_states, encode = coded
    n_actions, first_action = int(actions.n), int(actions.start)
    first_state = int(seen.start) if isinstance(seen, spaces.Discrete) else 0
    for space, n, first in ((seen, n_states, first_state), (actions, n_actions, first_action)):
        if n + abs(first) >= TOO_MANY:
            raise InputError(
                f"the states and actions of {name} must be numbered below 2**31 for a table of Q "
                f"values, got {shown(space)}"
            )

    def checked(observation: object) -> int:
        try:
            return encode(observation)
        except (TypeError, ValueError, OverflowError):
            raise TrialError(
                f"the observation must lie in {shown(seen)}, got {shown(observation)}"
            ) from None

    return Numbering(n_states, n_actions, checked, first_state, first_action)


def shown(value: object) -> str:
    """One short line, whatever the value's `repr` is like."""
    try:
        text = " ".join(repr(value).split())
    except Exception:
        text = f"a {type(value).__name__}"
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."


def _coded(space: spaces.Space) -> tuple[int, Encode] | None:
    """Number of elements, and their numbers as a function that raises ValueError or TypeError for
    what is none of them; None where the space is not finite.
    """
    if isinstance(space, spaces.Discrete):
        return _discrete(int(space.n), int(space.start))
    if isinstance(space, spaces.MultiDiscrete):
        components = zip(space.nvec.flat, space.start.flat, strict=True)
        return _array(space.shape, [(int(n), int(start)) for n, start in components])
    if isinstance(space, spaces.MultiBinary):
        return _array(space.shape, [(2, 0)] * math.prod(space.shape))
    if isinstance(space, spaces.Box):
        if space.dtype.kind not in "biu" or not space.is_bounded("both"):
            return None
        bounds = zip(space.low.flat, space.high.flat, strict=True)
        return _array(space.shape, [(int(b) - int(a) + 1, int(a)) for a, b in bounds])
    if isinstance(space, spaces.Tuple):
        parts = [_coded(part) for part in space.spaces]
        return None if None in parts else _joined(parts, _in_order)
    if isinstance(space, spaces.Dict):
        keys, parts = list(space.spaces), [_coded(part) for part in space.spaces.values()]
        return None if None in parts else _joined(parts, lambda observed: _by_key(observed, keys))
    return None


def _discrete(size: int, start: int) -> tuple[int, Encode]:
    def encode(observation: object) -> int:
        try:
            state = index(observation) - start
        except TypeError:
            (value,) = np.asarray(observation).ravel().tolist()
            state = _whole(value) - start
        if 0 <= state < size:
            return state
        raise ValueError

    return size, encode


def _array(shape: tuple[int, ...], components: list[tuple[int, int]]) -> tuple[int, Encode]:
    def encode(observation: object) -> int:
        values = np.asarray(observation)
        if values.shape != shape:
            raise ValueError
        state = 0
        for (size, start), value in zip(components, values.ravel().tolist(), strict=True):
            place = _whole(value) - start
            if not 0 <= place < size:
                raise ValueError
            state = state * size + place
        return state

    return math.prod(size for size, _ in components), encode


def _joined(
    parts: list[tuple[int, Encode]], parted: Callable[[object], list]
) -> tuple[int, Encode]:
    def encode(observation: object) -> int:
        state = 0
        for (size, part), value in zip(parts, parted(observation), strict=True):
            state = state * size + part(value)
        return state

    return math.prod(size for size, _ in parts), encode


def _in_order(observation: object) -> list:
    if not isinstance(observation, tuple | list | np.ndarray):
        raise TypeError
    return list(observation)


def _by_key(observation: object, keys: list) -> list:
    if not isinstance(observation, Mapping) or observation.keys() != set(keys):
        raise TypeError
    return [observation[key] for key in keys]


def _whole(value: object) -> int:
    """A number without a fraction as an int; TypeError for all else."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return index(value)
