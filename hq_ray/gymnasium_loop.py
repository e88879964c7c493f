"""The plain loop over `env.step`: any finite environment, and the oracle for the kernel."""

import math
from collections.abc import Collection
from typing import SupportsFloat

import gymnasium
import numpy as np

from hq_ray.episode_log import EpisodeLog
from hq_ray.errors import TrialError
from hq_ray.pcg64 import agent_generator
from hq_ray.spaces import numbering, short_repr
from hq_ray.trial import Trial
from hq_ray.updates import VARIANTS


def choose_action(q_row: np.ndarray, epsilon: float, uniform: float) -> int:
    """Epsilon-greedy from a single uniform number u in [0, 1).

    u < epsilon: action min(floor(u n_actions / epsilon), n_actions - 1), uniform given u < epsilon;
    otherwise the greatest of `q_row`, lowest index first among ties.
    """
    if uniform < epsilon:
        return min(int(uniform * len(q_row) / epsilon), len(q_row) - 1)
    return int(np.argmax(q_row))


def train_on_gymnasium(
    trial: Trial,
    environment: gymnasium.Env,
    successes: Collection[tuple[int, float]] | None = None,
) -> EpisodeLog:
    """Trains a trial by stepping its environment, whose step limit must be the trial's.

    Args:
        trial: what to train.
        environment: made anew for this trial.
        successes: see `Model`.

    Raises:
        TrialError: an observation lies outside its space, a reward is no number, or a reward, a
            return or a Q value is not finite; the message says in which episode and step.
    """
    numbered = numbering(environment)
    encode, first_action = numbered.encode, numbered.first_action
    # What overflows is found below, and told with its place.
    update = np.errstate(all="ignore")(VARIANTS[trial.variant].update)
    alpha_down, eps_shift = trial.alpha_down or 0.0, trial.eps_shift or 0.0
    epsilons = trial.epsilon_schedule.values(trial.episodes).tolist()
    step_sizes = trial.step_size_schedule.values(trial.episodes).tolist()
    random = agent_generator(trial.seed).random
    q_values = np.zeros((numbered.n_states, numbered.n_actions))
    episode_return = np.empty(trial.episodes)
    steps = np.empty(trial.episodes, np.int32)
    terminations = np.zeros(trial.episodes, np.bool_)
    success = np.zeros(trial.episodes, np.bool_)
    episode = length = 0
    try:
        for episode in range(trial.episodes):
            total, length, terminated, truncated = 0.0, 0, False, False
            observation, _ = environment.reset(seed=trial.seed if episode == 0 else None)
            state = encode(observation)
            while not (terminated or truncated):
                action = choose_action(q_values[state], epsilons[episode], random())
                observation, reward, terminated, truncated, _ = environment.step(
                    action + first_action
                )
                length += 1
                # A float32 reward would make every sum below float32; -0.0 becomes 0.0.
                reward = _number(reward) + 0.0
                next_state = encode(observation)
                # Only termination ends the future: a truncated step bootstraps.
                target = reward
                if not terminated:
                    target += trial.gamma * float(q_values[next_state].max())
                value = update(
                    q_values[state, action], target, step_sizes[episode], alpha_down, eps_shift
                )
                total += reward
                if not (math.isfinite(value) and math.isfinite(total)):
                    pair = (state + numbered.first_state, action + first_action)
                    raise TrialError(_overflow(reward, total, value, *pair))
                q_values[state, action] = value
                state = next_state
            episode_return[episode], steps[episode] = total, length
            terminations[episode] = terminated
            success[episode] = terminated and (state, reward) in (successes or ())
    except TrialError as problem:
        raise TrialError(f"episode {episode}, step {length}: {problem}") from None
    return EpisodeLog(
        episode_return=episode_return,
        steps=steps,
        terminated=terminations,
        success=None if successes is None else success,
        q_values=q_values,
        first_state=numbered.first_state,
        first_action=first_action,
    )


def _number(reward: object) -> float:
    """A reward as a float: a number of any kind, or an array of one."""
    try:
        number = reward
        if not isinstance(number, float | int):
            (number,) = np.asarray(reward).ravel().tolist()
        if isinstance(number, SupportsFloat):
            return float(number)
    except (TypeError, ValueError, OverflowError):
        pass
    raise TrialError(f"the reward must be one finite number, got {short_repr(reward)}")


def _overflow(reward: float, total: float, value: float, state: int, action: int) -> str:
    if not math.isfinite(reward):
        return f"the reward must be one finite number, got {reward}"
    if not math.isfinite(total):
        return f"the return must be finite, got {total} after a reward of {reward}"
    return (
        f"the Q value of state {state} and action {action} must be finite, got {value} after a "
        f"reward of {reward}"
    )
