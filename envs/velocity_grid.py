"""VelocityGrid-v0: a cliff walk in which actions accelerate instead of move."""

import math
import numbers
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.toy_text.utils import categorical_sample

from hq_ray.envs.grid_drawing import cell_size, draw_agent, draw_tiles
from hq_ray.envs.velocity_dynamics import ACCELERATIONS, Arrival, transition_table

# The transition table takes some two kilobytes a state.
MOST_STATES = 500_000
ACTION_NAMES = ("noop", "up", "down", "left", "right")


class VelocityGridEnv(gymnasium.Env):
    """A grid with a cliff along its lower edge, crossed by an agent that has velocity.

    ## Description
    The agent starts at rest in the lower left corner and has to reach the lower right one. The
    cells of the bottom row between the two corners are a cliff. Actions accelerate: the velocity
    stays until it is changed, and walls stop the position but not the velocity. Each step is

        v' = clip(v + a, -max_speed, max_speed)        (per axis)
        x' = clip(x + vx', 0, width - 1),  y' = clip(y + vy', 0, height - 1)

    and only the cell (x', y') counts: a fast agent may leap over the cliff. y grows downwards.
    With probability `slip_prob` the step slips, and then each axis on which no acceleration was
    pressed gets one drawn uniformly from {-1, 0, +1}.

    ## Action Space
    `Discrete(5)`, the acceleration (ax, ay):

    - 0: noop (0, 0), coast
    - 1: up (0, -1)
    - 2: down (0, +1)
    - 3: left (-1, 0)
    - 4: right (+1, 0)

    ## Observation Space
    `Discrete(width * height * n**2)` with n = 2 * max_speed + 1: the state (x, y, vx, vy) as

        ((y * width + x) * n + (vy + max_speed)) * n + (vx + max_speed)

    `encode` and `decode` convert between the two.

    ## Starting State
    At rest in the lower left corner: (0, height - 1, 0, 0).

    ## Rewards
    `step_reward` for each step; `goal_reward` instead for the step onto the goal, and
    `cliff_penalty` instead for the step onto the cliff.

    ## Episode End
    The episode terminates on the goal and on the cliff. `gymnasium.make` truncates it after 200
    steps.

    ## Information
    `step` and `reset` return `{"prob": p}`, the probability of the outcome that occurred. The
    attributes `P[state][action] = [(probability, next_state, reward, terminated), ...]` and
    `initial_state_distrib` describe the environment fully, as they do for Gymnasium's toy-text
    environments; `step` and `reset` each draw one double to pick from them. What `P` says of the
    goal and the cliff as states is never used.

    ## Arguments

    ```python
    import gymnasium
    import hq_ray.envs

    gymnasium.make("VelocityGrid-v0", width=8, height=8, max_speed=1, slip_prob=0.05)
    ```

    - `width` (8), `height` (8): cells, each at least 2.
    - `max_speed` (1): greatest speed along an axis, in cells per step.
    - `slip_prob` (0.05): probability that a step slips.
    - `step_reward` (-1), `goal_reward` (+100), `cliff_penalty` (-100): the rewards received.
    - `render_mode` (None): `"ansi"` for text, `"rgb_array"` for pictures, or None.

    ## Version History
    - v0: initial version
    """

    metadata = {"render_modes": ["ansi", "rgb_array"], "render_fps": 8}  # noqa: RUF012

    def __init__(
        self,
        width: int = 8,
        height: int = 8,
        max_speed: int = 1,
        slip_prob: float = 0.05,
        step_reward: float = -1.0,
        goal_reward: float = 100.0,
        cliff_penalty: float = -100.0,
        render_mode: str | None = None,
    ):
        self.width = _integer("width", width, least=2)
        self.height = _integer("height", height, least=2)
        self.max_speed = _integer("max_speed", max_speed, least=1)
        self.slip_prob = _probability("slip_prob", slip_prob)
        self.step_reward = _finite("step_reward", step_reward)
        self.goal_reward = _finite("goal_reward", goal_reward)
        self.cliff_penalty = _finite("cliff_penalty", cliff_penalty)
        self.render_mode = _known_render_mode(render_mode)

        n_states = self.width * self.height * self._n_speeds**2
        if n_states > MOST_STATES:
            raise ValueError(
                f"width * height * (2 * max_speed + 1)**2 must be at most {MOST_STATES:,} states, "
                f"got {n_states:,} with width {self.width}, height {self.height} and max_speed "
                f"{self.max_speed}"
            )
        self.observation_space = spaces.Discrete(n_states)
        self.action_space = spaces.Discrete(len(ACCELERATIONS))
        self.P = transition_table(
            self.width, self.height, self.max_speed, self.slip_prob, self._arrivals()
        )
        tiles = np.array(list("".join(self._rows())))
        self.goal_states = np.repeat(tiles == "G", self._n_speeds**2)
        self.initial_state_distrib = np.zeros(n_states)
        self.initial_state_distrib[self.encode(0, self.height - 1, 0, 0)] = 1.0

        # The names `s` and `lastaction` are those of Gymnasium's toy-text environments.
        self.s = self.encode(0, self.height - 1, 0, 0)
        self.lastaction: int | None = None
        self._tiles: np.ndarray | None = None

    def encode(self, x: int, y: int, vx: int, vy: int) -> int:
        """Numbers a state; the inverse of `decode`.

        Raises:
            ValueError: the position lies off the grid or the velocity exceeds `max_speed`.
        """
        m, n = self.max_speed, self._n_speeds
        if not (0 <= x < self.width and 0 <= y < self.height and abs(vx) <= m and abs(vy) <= m):
            raise ValueError(
                f"a state must have 0 <= x < {self.width}, 0 <= y < {self.height} and "
                f"|vx|, |vy| <= {m}, got (x, y, vx, vy) = {(x, y, vx, vy)}"
            )
        return int(((y * self.width + x) * n + (vy + m)) * n + (vx + m))

    def decode(self, state: int) -> tuple[int, int, int, int]:
        """Returns (x, y, vx, vy) of a numbered state; the inverse of `encode`.

        Raises:
            ValueError: there is no such state.
        """
        if not 0 <= state < len(self.P):
            raise ValueError(f"a state must lie in [0, {len(self.P)}), got {state}")
        rest, vx = divmod(int(state), self._n_speeds)
        cell, vy = divmod(rest, self._n_speeds)
        y, x = divmod(cell, self.width)
        return x, y, vx - self.max_speed, vy - self.max_speed

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
            raise ValueError(f"action must be 0, 1, 2, 3 or 4, got {action!r}")
        outcomes = self.P[self.s][action]
        index = categorical_sample([outcome[0] for outcome in outcomes], self.np_random)
        probability, self.s, reward, terminated = outcomes[index]
        self.lastaction = int(action)
        return self.s, reward, terminated, False, {"prob": probability}

    def render(self) -> str | np.ndarray | None:
        """Returns the grid as text (`ansi`), as uint8 (rows, columns, 3) (`rgb_array`), or None."""
        if self.render_mode == "ansi":
            return self._text()
        if self.render_mode == "rgb_array":
            return self._picture()
        gymnasium.logger.warn(
            'render() shows nothing without a render mode; pass render_mode="ansi" or "rgb_array"'
        )
        return None

    @property
    def _n_speeds(self) -> int:
        return 2 * self.max_speed + 1

    def _arrivals(self) -> list[Arrival]:
        """(reward, terminated) of landing in each state, which depends on its cell alone."""
        tiles = "".join(self._rows())
        by_tile = {
            "C": (self.cliff_penalty, True),
            "G": (self.goal_reward, True),
            "S": (self.step_reward, False),
            ".": (self.step_reward, False),
        }
        return [by_tile[tile] for tile in tiles for _ in range(self._n_speeds**2)]

    def _rows(self) -> list[str]:
        floor = "." * self.width
        return [floor] * (self.height - 1) + ["S" + "C" * (self.width - 2) + "G"]

    def _text(self) -> str:
        x, y, vx, vy = self.decode(self.s)
        rows = [list(row) for row in self._rows()]
        rows[y][x] = "A"
        action = "-" if self.lastaction is None else ACTION_NAMES[self.lastaction]
        grid = "\n".join(" ".join(row) for row in rows)
        return f"{grid}\nposition ({x}, {y})  velocity ({vx:+d}, {vy:+d})  action {action}\n"

    def _picture(self) -> np.ndarray:
        if self._tiles is None:
            self._tiles = draw_tiles(self._rows())
        frame = self._tiles.copy()
        draw_agent(frame, cell_size(self.width, self.height), *self.decode(self.s))
        return frame


def _integer(name: str, value: object, least: int) -> int:
    message = f"{name} must be an integer of at least {least}, got {value!r}"
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(message)
    if value < least:
        raise ValueError(message)
    return int(value)


def _finite(name: str, value: object) -> float:
    message = f"{name} must be a finite number, got {value!r}"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(message)
    if not math.isfinite(value):
        raise ValueError(message)
    return float(value)


def _probability(name: str, value: object) -> float:
    message = f"{name} must be a probability in [0, 1], got {value!r}"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(message)
    if not 0.0 <= float(value) <= 1.0:
        raise ValueError(message)
    return float(value)


def _known_render_mode(render_mode: str | None) -> str | None:
    known = VelocityGridEnv.metadata["render_modes"]
    if render_mode is not None and render_mode not in known:
        raise ValueError(f"render_mode must be None, 'ansi' or 'rgb_array', got {render_mode!r}")
    return render_mode
