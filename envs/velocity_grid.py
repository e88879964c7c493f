"""VelocityGrid-v0: a cliff walk in which actions accelerate instead of move."""

from itertools import product

from hq_ray.envs.grid_worlds import GridWorld
from hq_ray.envs.table_env import Outcome, finite, integer, probability

# The transition table takes some two kilobytes a state.
MOST_STATES = 500_000
# (ax, ay) of each action; y grows downwards.
ACCELERATIONS = {"noop": (0, 0), "up": (0, -1), "down": (0, 1), "left": (-1, 0), "right": (1, 0)}

Arrival = tuple[float, bool]
"""(reward, terminated) of landing in a cell."""


class VelocityGridEnv(GridWorld):
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
    environments; `step` and `reset` each draw one double to pick from them. The entries
    of `P` for the states on the goal and the cliff are never used.

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
        self.width = integer("width", width, least=2)
        self.height = integer("height", height, least=2)
        self.max_speed = integer("max_speed", max_speed, least=1)
        self.slip_prob = probability("slip_prob", slip_prob)
        self.step_reward = finite("step_reward", step_reward)
        self.goal_reward = finite("goal_reward", goal_reward)
        self.cliff_penalty = finite("cliff_penalty", cliff_penalty)

        self._n_states = self.width * self.height * self._n_speeds**2
        if self._n_states > MOST_STATES:
            raise ValueError(
                f"width * height * (2 * max_speed + 1)**2 must be at most {MOST_STATES:,} states, "
                f"got {self._n_states:,} with width {self.width}, height {self.height} and "
                f"max_speed {self.max_speed}"
            )
        floor = "." * self.width
        rows = [floor] * (self.height - 1) + ["S" + "C" * (self.width - 2) + "G"]
        start = self.encode(0, self.height - 1, 0, 0)
        ends = {"C": (self.cliff_penalty, True), "G": (self.goal_reward, True)}
        arrivals = [ends.get(tile, (self.step_reward, False)) for tile in "".join(rows)]
        table = {
            state: {
                action: self._outcomes(state, ax, ay, arrivals)
                for action, (ax, ay) in enumerate(ACCELERATIONS.values())
            }
            for state in range(self._n_states)
        }
        super().__init__(rows, tuple(ACCELERATIONS), table, start, render_mode)

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
        if not 0 <= state < self._n_states:
            raise ValueError(f"a state must lie in [0, {self._n_states}), got {state}")
        rest, vx = divmod(int(state), self._n_speeds)
        cell, vy = divmod(rest, self._n_speeds)
        y, x = divmod(cell, self.width)
        return x, y, vx - self.max_speed, vy - self.max_speed

    @property
    def _n_speeds(self) -> int:
        return 2 * self.max_speed + 1

    def _outcomes(self, state: int, ax: int, ay: int, arrivals: list[Arrival]) -> list[Outcome]:
        """One entry per next state: first the one without a slip, then the others by ax and ay.

        What cannot happen is left out. The probabilities sum to 1 within rounding.
        """
        x, y, vx, vy = self.decode(state)
        # An axis that is not pressed gets any of -1, 0, +1, all equally likely.
        slips = list(product((ax,) if ax else (-1, 0, 1), (ay,) if ay else (-1, 0, 1)))
        weights: dict[int, float] = {}
        for share, pushes in ((1.0 - self.slip_prob, [(ax, ay)]), (self.slip_prob, slips)):
            for push_x, push_y in pushes if share > 0.0 else ():
                new_x, new_vx = self._moved(x, vx + push_x, self.width)
                new_y, new_vy = self._moved(y, vy + push_y, self.height)
                arrived = self.encode(new_x, new_y, new_vx, new_vy)
                weights[arrived] = weights.get(arrived, 0.0) + share / len(pushes)
        return [(p, ahead, *arrivals[ahead // self._n_speeds**2]) for ahead, p in weights.items()]

    def _moved(self, position: int, velocity: int, length: int) -> tuple[int, int]:
        """Position and velocity along one axis after a step."""
        velocity = min(max(velocity, -self.max_speed), self.max_speed)
        return min(max(position + velocity, 0), length - 1), velocity

    def _agent(self) -> tuple[int, int, int, int]:
        return self.decode(self.s)

    def _position(self) -> str:
        return "position ({}, {})  velocity ({:+d}, {:+d})".format(*self._agent())
