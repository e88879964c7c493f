"""The plain loop over `env.step`: any finite environment, and the oracle for the kernel."""

import functools
import math
import operator
from collections.abc import Collection
from typing import SupportsFloat

import gymnasium
import numpy as np

from hq_ray.errors import TrialError, short_repr
from hq_ray.pcg64 import agent_generator
from hq_ray.schedules import LAST_VISIT, visit_weights
from hq_ray.spaces import numbering
from hq_ray.trial import EpisodeLog, Trial
from hq_ray.updates import variant_of


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
    """Trains a trial by stepping its environment, which was made anew with the trial's step limit.

    `successes` are those of the environment's model.

    Raises:
        TrialError: an observation lies outside its space, a reward is no number, or a reward, a
            return or a Q value is not finite; the message says in which episode and step.
    """
    numbered = numbering(environment)
    encode, first_action = numbered.encode, numbered.first_action
    row = variant_of(trial.variant)
    # Overflow is detected below, where the step is known.
    update = np.errstate(all="ignore")(row.update)
    arguments, double = row.arguments, row.target == "double"
    given = {"eps_shift": trial.eps_shift or 0.0, **trial.rule_values}
    epsilons = trial.epsilon_schedule.values(trial.episodes).tolist()
    step_sizes, steps_down = (values.tolist() for values in trial.step_sizes())
    weights = visit_weights(trial.alpha_power) if trial.by_visits else None
    random = agent_generator(trial.seed).random
    # Double Q-learning has two tables.
    tables = np.zeros((1 + double, numbered.n_states, numbered.n_actions))
    visited = np.zeros(tables.shape if trial.by_visits else 0, np.int64)
    episode_return = np.empty(trial.episodes)
    steps = np.empty(trial.episodes, np.int32)
    terminations = np.zeros(trial.episodes, np.bool_)
    success = np.zeros(trial.episodes, np.bool_)
    episode = length = 0
    try:
        for episode in range(trial.episodes):
            total, length, terminated, truncated = 0.0, 0, False, False
            epsilon = epsilons[episode]
            given["alpha"], given["alpha_down"] = step_sizes[episode], steps_down[episode]
            observation, _ = environment.reset(seed=trial.seed if episode == 0 else None)
            state, action = encode(observation), None
            while not (terminated or truncated):
                if action is None:
                    values = tables[0, state] + tables[1, state] if double else tables[0, state]
                    action = choose_action(values, epsilon, random())
                observation, reward, terminated, truncated, _ = environment.step(
                    action + first_action
                )
                length += 1
                # A float32 reward would make every sum below float32; -0.0 becomes 0.0.
                reward = _number(reward) + 0.0
                next_state = encode(observation)
                table, next_action = 0, None
                if double:
                    table = 0 if random() < 0.5 else 1
                # Only termination ends the future: a truncated step bootstraps.
                target = reward
                if not terminated:
                    values = tables[table, next_state]
                    if row.target == "sarsa":
                        next_action = choose_action(values, epsilon, random())
                        ahead = float(values[next_action])
                    elif double:
                        ahead = float(tables[1 - table, next_state, np.argmax(values)])
                    elif row.target == "expected":
                        # From left to right, as the kernel adds them; NumPy adds in pairs.
                        mean = functools.reduce(operator.add, values.tolist(), 0.0) / len(values)
                        ahead = (1.0 - epsilon) * float(values.max()) + epsilon * mean
                    else:
                        ahead = float(values.max())
                    target += trial.gamma * ahead
                pair = (table, state, action)
                if weights is not None:
                    visited[pair] += 1
                    weight = float(weights[min(visited[pair], LAST_VISIT)])
                    given["alpha"] = step_sizes[episode] * weight
                    given["alpha_down"] = steps_down[episode] * given["alpha"]
                value = update(tables[pair], target, *[given[name] for name in arguments])
                total += reward
                if not math.isfinite(total):
                    raise TrialError(
                        f"the return must be finite, got {total} after a reward of {reward}"
                    )
                if not math.isfinite(value):
                    raise TrialError(
                        f"the Q value of state {state + numbered.first_state} and action "
                        f"{action + first_action} must be finite, got {value} after a reward of "
                        f"{reward}"
                    )
                tables[pair] = value
                state, action = next_state, next_action
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
        q_values=(tables[0] + tables[1]) / 2 if double else tables[0],
        first_state=numbered.first_state,
        first_action=first_action,
    )


def _number(reward: object) -> float:
    """A reward as a float: a finite number of any kind, or an array of one."""
    try:
        number = reward
        if not isinstance(number, float | int):
            (number,) = np.asarray(reward).ravel().tolist()
        # In this order: the check of a protocol takes microseconds.
        if isinstance(number, float | int | SupportsFloat):
            reward = float(number)
            if math.isfinite(reward):
                return reward
    except (TypeError, ValueError, OverflowError):
        pass
    raise TrialError(f"the reward must be one finite number, got {short_repr(reward)}")
