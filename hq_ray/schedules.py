"""Schedules: pure functions from a few parameters to one value per episode.

One Schedule type serves epsilon and alpha alike; the learner sees only the arrays.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

SCHEDULE_KINDS = ("linear", "exponential", "inverse", "constant")
# Later updates of a pair have the weight of this one.
LAST_VISIT = 2**16 - 1


@dataclass(frozen=True)
class Schedule:
    """How a value moves over episodes e = 0, 1, ... With f = min(1, e / decay_episodes):

        linear       start + (end - start) f
        exponential  start (end / start)^f, start > 0 and end > 0
        inverse      end + (start - end) / (1 + e / decay_episodes)
        constant     start

    `start` and `end` have the unit of the scheduled value, `decay_episodes` counts episodes.
    """

    kind: str
    start: float
    end: float = 0.0
    decay_episodes: int = 1

    @lru_cache(maxsize=256)  # noqa: B019 - it keeps schedules alive, but they are small
    def values(self, episodes: int) -> np.ndarray:
        """float64 (episodes,), read-only because it is shared between trials."""
        start, end = self.start, self.end
        if self.kind == "constant":
            values = np.full(episodes, start, np.float64)
        else:
            elapsed = np.arange(episodes, dtype=np.float64) / self.decay_episodes
            fraction = np.minimum(1.0, elapsed)
            if self.kind == "linear":
                values = start + (end - start) * fraction
            elif self.kind == "inverse":
                values = end + (start - end) / (1.0 + elapsed)
            else:  # exponential
                # math.pow, not np.power, whose last bits differ between processors.
                values = np.array([start * math.pow(end / start, f) for f in fraction.tolist()])
        values.flags.writeable = False
        return values


@lru_cache(maxsize=16)
def visit_weights(power: float) -> np.ndarray:
    """Weight n^-power of the step size at the n-th update of a pair: float64 (LAST_VISIT + 1,).

    Even-Dar and Mansour 2003 (Journal of Machine Learning Research 5). Entry 0 is not used.
    """
    weights = np.array([1.0, *(math.pow(n, -power) for n in range(1, LAST_VISIT + 1))])
    weights.flags.writeable = False
    return weights
