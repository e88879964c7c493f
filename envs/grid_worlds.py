"""Grid worlds: what they share, and the two of the literature whose states are cells.

Cells are (x, y) with y growing downwards, and state y * width + x where nothing else is said.
"""

import numpy as np

from hq_ray.envs.grid_drawing import cell_size, draw_agent, draw_tiles
from hq_ray.envs.table_env import Outcome, Table, TableEnv, boolean

MOVES = {
    "up": (0, -1),
    "right": (1, 0),
    "down": (0, 1),
    "left": (-1, 0),
}
DIAGONAL_MOVES = {
    "up right": (1, -1),
    "down right": (1, 1),
    "down left": (-1, 1),
    "up left": (-1, -1),
}


class GridWorld(TableEnv):
    """A `TableEnv` on the cells of a grid, which it draws.

    Args:
        rows: one letter a cell, see `grid_drawing.draw_tiles`; episodes end in success on G.
        actions: their names, in order.
        table: as many states for each cell as for any other, cell by cell in rows.
        start: the first state.
        render_mode: as in `TableEnv`.
    """

    def __init__(
        self,
        rows: list[str],
        actions: tuple[str, ...],
        table: Table,
        start: int,
        render_mode: str | None,
    ):
        super().__init__(table, start, render_mode)
        self.width, self.height = len(rows[0]), len(rows)
        goals = np.array(list("".join(rows))) == "G"
        self.goal_states = np.repeat(goals, len(table) // len(goals))
        self._rows, self._actions = rows, actions
        self._tiles: np.ndarray | None = None

    def _agent(self) -> tuple[int, int, int, int]:
        """(x, y, vx, vy) of the present state."""
        y, x = divmod(self.s, self.width)
        return x, y, 0, 0

    def _position(self) -> str:
        """The present state for a reader."""
        return "position ({}, {})".format(*self._agent())

    def _text(self) -> str:
        x, y, _, _ = self._agent()
        rows = [list(row) for row in self._rows]
        rows[y][x] = "A"
        action = "-" if self.lastaction is None else self._actions[self.lastaction]
        grid = "\n".join(" ".join(row) for row in rows)
        return f"{grid}\n{self._position()}  action {action}\n"

    def _picture(self) -> np.ndarray:
        if self._tiles is None:
            self._tiles = draw_tiles(self._rows)
        frame = self._tiles.copy()
        draw_agent(frame, cell_size(self.width, self.height), *self._agent())
        return frame


class WindyGridEnv(GridWorld):
    """The windy gridworld of Sutton and Barto 2018, example 6.5, exercises 6.9 and 6.10.

    ## Description
    A grid of 10 x 7 cells without obstacles. A wind blows upwards, as strong as the column says
    that the agent leaves: 0 0 0 1 1 1 2 2 1 0. Each step is

        x' = clip(x + dx, 0, 9),  y' = clip(y + dy - wind(x), 0, 6)

    Where `stochastic` is set, the strength of a column's wind, if it has one, varies by -1, 0 or +1
    with equal probability.

    ## Action Space
    `Discrete(4)`: 0 up, 1 right, 2 down, 3 left. With `kings_moves` `Discrete(8)`: also 4 up right,
    5 down right, 6 down left, 7 up left.

    ## Observation Space
    `Discrete(70)`: y * 10 + x.

    ## Starting State
    (0, 3); the goal is (7, 3).

    ## Rewards
    -1 for each step, the one onto the goal included.

    ## Episode End
    The episode terminates on the goal. `gymnasium.make` truncates it after 1000 steps.

    ## Arguments
    - `kings_moves` (False): eight moves in place of four. The shortest way takes 7 steps, not 15.
    - `stochastic` (False): whether the wind varies.
    - `render_mode` (None): `"ansi"` for text, `"rgb_array"` for pictures, or None.

    ## Version History
    - v0: initial version
    """

    WIND = (0, 0, 0, 1, 1, 1, 2, 2, 1, 0)
    ROWS = 7
    START, GOAL = (0, 3), (7, 3)

    def __init__(
        self,
        kings_moves: bool = False,
        stochastic: bool = False,
        render_mode: str | None = None,
    ):
        self.kings_moves = boolean("kings_moves", kings_moves)
        self.stochastic = boolean("stochastic", stochastic)
        moves = MOVES | DIAGONAL_MOVES if self.kings_moves else MOVES
        table = {
            y * len(self.WIND) + x: {
                action: self._outcomes(x, y, dx, dy)
                for action, (dx, dy) in enumerate(moves.values())
            }
            for y in range(self.ROWS)
            for x in range(len(self.WIND))
        }
        marks = {self.START: "S", self.GOAL: "G"}
        rows = [
            "".join(marks.get((x, y), f"{wind or '.'}") for x, wind in enumerate(self.WIND))
            for y in range(self.ROWS)
        ]
        start = self.START[1] * len(self.WIND) + self.START[0]
        super().__init__(rows, tuple(moves), table, start, render_mode)

    def _outcomes(self, x: int, y: int, dx: int, dy: int) -> list[Outcome]:
        """One entry per next state, in the order of rising wind."""
        wind, width = self.WIND[x], len(self.WIND)
        winds = (wind - 1, wind, wind + 1) if self.stochastic and wind else (wind,)
        weights: dict[tuple[int, int], float] = {}
        for blow in winds:
            cell = min(max(x + dx, 0), width - 1), min(max(y + dy - blow, 0), self.ROWS - 1)
            weights[cell] = weights.get(cell, 0.0) + 1 / len(winds)
        return [
            (weight, cell[1] * width + cell[0], -1.0, cell == self.GOAL)
            for cell, weight in weights.items()
        ]


class OverestimationGridEnv(GridWorld):
    """The grid on which Q-learning overestimates: van Hasselt 2010, "Double Q-learning", NIPS 23.

    ## Description
    A grid of 3 x 3 cells. A move off the grid leaves the agent where it is. The mean reward of a
    step is -1, but Q-learning takes the greatest of noisy estimates for the estimate of the
    greatest, and so believes that it gains by walking about.

    ## Action Space
    `Discrete(4)`: 0 up, 1 right, 2 down, 3 left.

    ## Observation Space
    `Discrete(9)`: y * 3 + x.

    ## Starting State
    The lower left corner, (0, 2); the goal is the upper right one, (2, 0).

    ## Rewards
    -12 or +10 at even odds for each step that is not taken in the goal, and +5 for the one that is.

    ## Episode End
    Any action in the goal state terminates the episode, so the shortest takes 5 steps. The best
    policy's value at the start is 5 gamma^4 - (1 + gamma + gamma^2 + gamma^3). `gymnasium.make`
    truncates an episode after 200 steps.

    ## Arguments
    - `render_mode` (None): `"ansi"` for text, `"rgb_array"` for pictures, or None.

    ## Version History
    - v0: initial version
    """

    def __init__(self, render_mode: str | None = None):
        rows = ["..G", "...", "S.."]
        cells = "".join(rows)
        goal = cells.index("G")

        def outcomes(state: int, dx: int, dy: int) -> list[Outcome]:
            if state == goal:
                return [(1.0, goal, 5.0, True)]
            y, x = divmod(state, 3)
            ahead = min(max(y + dy, 0), 2) * 3 + min(max(x + dx, 0), 2)
            return [(0.5, ahead, reward, False) for reward in (-12.0, 10.0)]

        table = {
            state: {action: outcomes(state, *move) for action, move in enumerate(MOVES.values())}
            for state in range(len(cells))
        }
        super().__init__(rows, tuple(MOVES), table, cells.index("S"), render_mode)
