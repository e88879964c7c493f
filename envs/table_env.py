"""The base of this project's environments: one that does what its transition table says."""

import math
import numbers
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.toy_text.utils import categorical_sample

Outcome = tuple[float, int, float, bool]
"""(probability, next_state, reward, terminated), as in Gymnasium's toy-text environments."""

Table = dict[int, dict[int, list[Outcome]]]
"""`P[state][action]`, both numbered from 0."""


class TableEnv(gymnasium.Env):
    """Steps are drawn from a table, and every episode starts in one state.

    `P`, `initial_state_distrib`, `s` and `lastaction` are as in Gymnasium's toy-text environments.
    `step` and `reset` each draw one double; their `{"prob": p}` is that of what happened.
    """

    metadata = {"render_modes": ["ansi", "rgb_array"], "render_fps": 8}  # noqa: RUF012

    def __init__(self, table: Table, start: int, render_mode: str | None):
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ValueError(
                f"render_mode must be None, 'ansi' or 'rgb_array', got {render_mode!r}"
            )
        self.render_mode = render_mode
        self.P = table
        self.observation_space = spaces.Discrete(len(table))
        self.action_space = spaces.Discrete(len(table[0]))
        self.initial_state_distrib = np.zeros(len(table))
        self.initial_state_distrib[start] = 1.0
        self.s = start
        self.lastaction: int | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Starts an episode and draws one double; `options` is not used."""
        super().reset(seed=seed)
        self.s = int(categorical_sample(self.initial_state_distrib, self.np_random))
        self.lastaction = None
        return self.s, {"prob": float(self.initial_state_distrib[self.s])}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        """Takes one step and draws one double; never truncates by itself.

        Raises:
            ValueError: there is no such action.
        """
        if action not in self.P[self.s]:
            most = len(self.P[self.s]) - 1
            raise ValueError(f"action must be an integer from 0 to {most}, got {action!r}")
        outcomes = self.P[self.s][action]
        index = categorical_sample([outcome[0] for outcome in outcomes], self.np_random)
        probability, self.s, reward, terminated = outcomes[index]
        self.lastaction = int(action)
        return self.s, reward, terminated, False, {"prob": probability}

    def render(self) -> str | np.ndarray | None:
        """Returns text (`ansi`), a picture, uint8 (rows, columns, 3) (`rgb_array`), or None."""
        if self.render_mode == "ansi":
            return self._text()
        if self.render_mode == "rgb_array":
            return self._picture()
        gymnasium.logger.warn(
            'render() shows nothing without a render mode; pass render_mode="ansi" or "rgb_array"'
        )
        return None

    @abstractmethod
    def _text(self) -> str: ...

    @abstractmethod
    def _picture(self) -> np.ndarray: ...


def integer(name: str, value: object, least: int, most: int | None = None) -> int:
    """An argument that must be an integer from `least` to `most`, as an int."""
    bounds = f"of at least {least}" if most is None else f"from {least} to {most:,}"
    message = f"{name} must be an integer {bounds}, got {value!r}"
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(message)
    if not least <= int(value) <= (math.inf if most is None else most):
        raise ValueError(message)
    return int(value)


def finite(name: str, value: object) -> float:
    """An argument that must be a finite number, as a float."""
    return _real(name, value, "a finite number", math.isfinite)


def probability(name: str, value: object) -> float:
    """An argument that must lie in [0, 1], as a float."""
    return _real(name, value, "a probability in [0, 1]", lambda number: 0.0 <= number <= 1.0)


def _real(name: str, value: object, must: str, holds: Callable[[float], bool]) -> float:
    message = f"{name} must be {must}, got {value!r}"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(message)
    if not holds(float(value)):
        raise ValueError(message)
    return float(value)


def boolean(name: str, value: object) -> bool:
    """An argument that must be True or False, as a bool."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)
