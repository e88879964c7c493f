"""The oracle of the tests: textbook Q-learning over a transition table, in plain Python.

Written apart from the package, of which it imports nothing, and never optimised.
"""

import math
from itertools import accumulate

import numpy as np


def harmonic_mean(q, y, alpha, eps_shift):
    """The definition of the harmonic update, which the learner computes in another form."""
    s = min(q, y, 0.0) - eps_shift
    return s + 1 / ((1 - alpha) / (q - s) + alpha / (y - s))


def update(variant, q, y, alpha, alpha_down, eps_shift):
    if variant == "standard":
        return q + alpha * (y - q)
    if variant == "minimum":
        return min(q, y)
    if variant == "asymmetric":
        return q + (alpha if y > q else alpha_down) * (y - q)
    u = max(max(q, q - y, 0.0) + eps_shift, 1e-12)
    v = max(max(y, y - q, 0.0) + eps_shift, 1e-12)
    alpha_eff = alpha * u / ((1.0 - alpha) * v + alpha * u)
    return q + alpha_eff * (y - q)


def schedule(kind, start, end, decay_episodes, episode):
    if kind == "constant":
        return start
    elapsed = episode / decay_episodes
    if kind == "inverse":
        return end + (start - end) / (1 + elapsed)
    if kind == "linear":
        return start + (end - start) * min(1.0, elapsed)
    return start * (end / start) ** min(1.0, elapsed)


def pick(probabilities, u):
    above = [i for i, total in enumerate(accumulate(probabilities)) if total > u]
    return above[0] if above else 0


def choose(q_row, epsilon, u):
    if u < epsilon:
        return min(math.floor(u * len(q_row) / epsilon), len(q_row) - 1)
    return q_row.index(max(q_row))


def success_reward(table, start):
    """The greatest reward of a terminating outcome that can occur; NaN if none can."""
    frontier = [state for state, p in enumerate(start) if p > 0]
    seen, rewards = set(frontier), []
    while frontier:
        outcomes = [o for action in table[frontier.pop()].values() for o in action if o[0] > 0]
        rewards += [reward for _, _, reward, terminated in outcomes if terminated]
        found = {state for _, state, _, terminated in outcomes if not terminated} - seen
        seen |= found
        frontier += found
    return max(rewards, default=math.nan)


def learn(trial, table, start, environment=None, goal=None):
    """The log of a trial as a dict of arrays; `environment` replaces its random stream.

    Success is an end in one of the states `goal`, or without these the best end.
    """
    agent = np.random.Generator(np.random.PCG64(np.random.SeedSequence(trial.seed, spawn_key=(0,))))
    if environment is None:
        environment = np.random.Generator(np.random.PCG64(np.random.SeedSequence(trial.seed)))
    best_end = success_reward(table, start)
    q = [[0.0] * len(table[0]) for _ in range(len(table))]
    log = []
    for episode in range(trial.episodes):
        epsilon = schedule(
            trial.eps_schedule, trial.eps_start, trial.eps_end, trial.eps_decay_episodes, episode
        )
        alpha = schedule(
            trial.alpha_schedule or "constant",
            trial.alpha,
            trial.alpha_end,
            trial.alpha_decay_episodes,
            episode,
        )
        state, total, steps, terminated = pick(start, environment.random()), 0.0, 0, False
        while not terminated and steps < trial.max_steps:
            action = choose(q[state], epsilon, agent.random())
            outcomes = table[state][action]
            outcome = pick([p for p, _, _, _ in outcomes], environment.random())
            _, next_state, reward, terminated = outcomes[outcome]
            y = reward if terminated else reward + trial.gamma * max(q[next_state])
            q[state][action] = update(
                trial.variant, q[state][action], y, alpha, trial.alpha_down, trial.eps_shift
            )
            state, total, steps = next_state, total + reward, steps + 1
        won = reward == best_end if goal is None else state in goal
        log.append((total, steps, terminated, terminated and won))
    episode_return, steps, terminated, success = zip(*log, strict=True)
    return {
        "episode_return": np.array(episode_return, np.float64),
        "steps": np.array(steps, np.int32),
        "terminated": np.array(terminated, np.bool_),
        "success": None if math.isnan(best_end) and goal is None else np.array(success, np.bool_),
        "q_values": np.array(q, np.float64),
    }


def learn_by_steps(trial, environment):
    """The log of a trial of standard Q-learning on whatever an environment does, limit included."""
    agent = np.random.Generator(np.random.PCG64(np.random.SeedSequence(trial.seed, spawn_key=(0,))))
    n_actions, first = int(environment.action_space.n), int(environment.action_space.start)
    q, log = {}, []
    for episode in range(trial.episodes):
        epsilon = schedule(
            trial.eps_schedule, trial.eps_start, trial.eps_end, trial.eps_decay_episodes, episode
        )
        state, _ = environment.reset(**({"seed": trial.seed} if episode == 0 else {}))
        total, steps, terminated, truncated = 0.0, 0, False, False
        while not (terminated or truncated):
            row = q.setdefault(str(state), [0.0] * n_actions)
            action = choose(row, epsilon, agent.random())
            state, reward, terminated, truncated, _ = environment.step(action + first)
            ahead = max(q.get(str(state), [0.0]))
            y = reward if terminated else reward + trial.gamma * ahead
            row[action] = row[action] + trial.alpha * (y - row[action])
            total, steps = total + reward, steps + 1
        log.append((total, steps, terminated))
    episode_return, steps, terminated = zip(*log, strict=True)
    return {
        "episode_return": np.array(episode_return, np.float64),
        "steps": np.array(steps, np.int32),
        "terminated": np.array(terminated, np.bool_),
    }
