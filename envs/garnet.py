"""Garnet-v0: random Markov decision processes, as many as there are numbers of instances."""

import numpy as np

from hq_ray.envs.grid_drawing import draw_ring
from hq_ray.envs.table_env import Table, TableEnv, integer

# The table takes some hundred bytes an outcome.
MOST_OUTCOMES = 1_000_000


class GarnetEnv(TableEnv):
    """A random decision process without terminal states.

    Archibald, McKinnon and Thomas 1995, "On the generation of Markov decision processes", Journal
    of the Operational Research Society 46; Bhatnagar et al. 2009, "Natural actor-critic
    algorithms", Automatica 45.

    ## Description
    Each action in each state leads to one of `branching` states, distinct and drawn uniformly. The
    unit interval, cut at branching - 1 uniform points, gives their probabilities. An instance is
    the same on every computer: all is drawn from `numpy.random.RandomState(instance)`, whose stream
    is frozen, the rewards first.

    ## Action Space
    `Discrete(n_actions)`.

    ## Observation Space
    `Discrete(n_states)`.

    ## Starting State
    0.

    ## Rewards
    One for each state and action, drawn from the standard normal distribution.

    ## Episode End
    The episode never terminates. `gymnasium.make` truncates it after 100 steps.

    ## Arguments
    - `n_states` (30), `n_actions` (4): how many there are.
    - `branching` (2): states that an action may lead to, at most `n_states`.
    - `instance` (0): which process, from 0 to 2**32 - 1.
    - `render_mode` (None): `"ansi"` for text, `"rgb_array"` for pictures, or None.

    n_states * n_actions * branching must be at most 1,000,000.

    ## Version History
    - v0: initial version
    """

    def __init__(
        self,
        n_states: int = 30,
        n_actions: int = 4,
        branching: int = 2,
        instance: int = 0,
        render_mode: str | None = None,
    ):
        self.n_states = integer("n_states", n_states, 1)
        self.n_actions = integer("n_actions", n_actions, 1)
        self.branching = integer("branching", branching, 1)
        self.instance = integer("instance", instance, 0, 2**32 - 1)
        if self.branching > self.n_states:
            raise ValueError(
                f"branching must be at most n_states, got branching {self.branching} and n_states "
                f"{self.n_states}"
            )
        n_outcomes = self.n_states * self.n_actions * self.branching
        if n_outcomes > MOST_OUTCOMES:
            raise ValueError(
                f"n_states * n_actions * branching must be at most {MOST_OUTCOMES:,}, got "
                f"{self.n_states} * {self.n_actions} * {self.branching}"
            )
        super().__init__(self._table(), 0, render_mode)

    def _table(self) -> Table:
        random = np.random.RandomState(self.instance)
        rewards = random.standard_normal((self.n_states, self.n_actions)).tolist()
        newest = np.arange(self.n_states - self.branching, self.n_states)
        table: Table = {}
        for state in range(self.n_states):
            table[state] = {}
            for action, reward in enumerate(rewards[state]):
                # Floyd's way to draw distinct numbers: one draw each, however many states.
                drawn = (random.random_sample(self.branching) * (newest + 1)).astype(np.int64)
                successors: dict[int, None] = {}
                for new, successor in zip(newest.tolist(), drawn.tolist(), strict=True):
                    successors[new if successor in successors else successor] = None
                cuts = np.sort(random.random_sample(self.branching - 1))
                shares = np.diff(cuts, prepend=0.0, append=1.0).tolist()
                table[state][action] = [
                    (share, successor, reward, False)
                    for share, successor in zip(shares, successors, strict=True)
                ]
        return table

    def _text(self) -> str:
        action = "-" if self.lastaction is None else self.lastaction
        return f"state {self.s} of {self.n_states}  action {action}\n"

    def _picture(self) -> np.ndarray:
        return draw_ring(self.n_states, self.s)
