"""Observations of finite spaces as one integer, in mixed radix, first component slowest."""

import math
from collections.abc import Callable

from gymnasium import spaces

from hq_ray.errors import InputError


def _components(space: spaces.Space, what: str) -> list[tuple[int, int]]:
    """(size, start) of each component, flattened left to right."""
    if isinstance(space, spaces.Discrete):
        return [(int(space.n), int(space.start))]
    if isinstance(space, spaces.MultiDiscrete):
        return [
            (int(n), int(start))
            for n, start in zip(space.nvec.ravel(), space.start.ravel(), strict=True)
        ]
    if isinstance(space, spaces.Tuple):
        return [part for inner in space.spaces for part in _components(inner, what)]
    raise InputError(
        f"{what} must be finite (Discrete, MultiDiscrete, or a Tuple of them), got {space}"
    )


def _flatten(observation: object) -> list[int]:
    if hasattr(observation, "ravel"):
        return [int(value) for value in observation.ravel()]
    if isinstance(observation, tuple):
        return [value for part in observation for value in _flatten(part)]
    return [int(observation)]


def observation_encoder(
    space: spaces.Space, what: str = "the observation space"
) -> tuple[int, Callable[[object], int]]:
    """Number of states, and the function from an observation to its number.

    The number is sum_i (o_i - start_i) * prod_{j > i} size_j, in [0, n_states).

    Raises:
        InputError: the space is not finite.
    """
    components = _components(space, what)
    n_states = math.prod(size for size, _ in components)
    if len(components) == 1 and isinstance(space, spaces.Discrete):
        start = components[0][1]
        return n_states, lambda observation: int(observation) - start

    def encode(observation: object) -> int:
        state = 0
        for (size, start), value in zip(components, _flatten(observation), strict=True):
            state = state * size + value - start
        return state

    return n_states, encode
