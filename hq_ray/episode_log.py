"""What training a trial yields: one entry per episode, the final Q table, and a summary."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hq_ray.trial import Trial


@dataclass(frozen=True, eq=False)
class EpisodeLog:
    """The log of one trial; arrays of length `episodes`.

    Attributes:
        episode_return: float64, undiscounted sum of rewards [reward units].
        steps: int32, length of the episode [steps].
        terminated: bool, the environment ended the episode.
        success: bool, it ended in success; None without a model, or where no start can reach one.
        q_values: float64 (n_states, n_actions), after the last episode [return].
        first_state, first_action: what the environment calls row 0 and column 0 of `q_values`.
    """

    episode_return: np.ndarray
    steps: np.ndarray
    terminated: np.ndarray
    success: np.ndarray | None
    q_values: np.ndarray
    first_state: int = 0
    first_action: int = 0

    @property
    def truncated(self) -> np.ndarray:
        """bool, the step limit cut the episode before it terminated."""
        return ~self.terminated


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained trial: its log, where it was trained, its summary and what that took.

    Attributes:
        summary: the columns of `schema.SUMMARY`, None where unknown.
        train_seconds, evaluate_seconds: wall time of the loop and of the exact evaluation.
    """

    trial: Trial
    log: EpisodeLog
    engine: str
    summary: dict[str, Any]
    train_seconds: float
    evaluate_seconds: float


@dataclass(frozen=True)
class Failure:
    """A trial that raised instead of training."""

    trial: Trial
    error_type: str
    message: str
    traceback: str
