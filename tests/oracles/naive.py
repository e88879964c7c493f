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


def update(rule, q, y, alpha, alpha_down, eps_shift):
    if rule == "standard":
        return q + alpha * (y - q)
    if rule == "minimum":
        return min(q, y)
    if rule == "asymmetric":
        return q + (alpha if y > q else alpha_down) * (y - q)
    u = max(max(q, q - y, 0.0) + eps_shift, 1e-12)
    v = max(max(y, y - q, 0.0) + eps_shift, 1e-12)
    alpha_eff = alpha * u / ((1.0 - alpha) * v + alpha * u)
    return q + alpha_eff * (y - q)


def parts(variant):
    """Rule and target of a variant, from its name."""
    rule = "harmonic" if variant.startswith("harmonic") else "standard"
    for ending, target in (
        ("expected_sarsa", "expected"),
        ("sarsa", "sarsa"),
        ("double_q", "double"),
    ):
        if variant.endswith(ending):
            return rule, target
    return variant, "max"


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
    if environment is None:
        environment = np.random.Generator(np.random.PCG64(np.random.SeedSequence(trial.seed)))

    def step(state, action):
        outcomes = table[state][action]
        outcome = pick([p for p, _, _, _ in outcomes], environment.random())
        return *outcomes[outcome][1:], False

    log, ends = _learn(
        trial, lambda: pick(start, environment.random()), step, len(table), len(table[0])
    )
    best_end = success_reward(table, start)
    won = [reward == best_end if goal is None else state in goal for state, reward in ends]
    known = goal is not None or not math.isnan(best_end)
    return log | {"success": log["terminated"] & np.array(won) if known else None}


def learn_by_steps(trial, environment):
    """The log of a trial on whatever an environment does, limit included."""
    seeds = iter([trial.seed])
    return _learn(
        trial,
        lambda: environment.reset(seed=next(seeds, None))[0],
        lambda state, action: environment.step(action)[:4],
        int(environment.observation_space.n),
        int(environment.action_space.n),
    )[0]


def _learn(trial, reset, step, n_states, n_actions):
    """The log, and the last state and reward of each episode."""
    agent = np.random.Generator(np.random.PCG64(np.random.SeedSequence(trial.seed, spawn_key=(0,))))
    rule, target = parts(trial.variant)
    q, q_b, visits, visits_b = (
        [[zero] * n_actions for _ in range(n_states)] for zero in (0.0, 0.0, 0, 0)
    )
    by_visits = trial.alpha_schedule == "visits"
    log, ends = [], []
    for episode in range(trial.episodes):
        epsilon = schedule(
            trial.eps_schedule, trial.eps_start, trial.eps_end, trial.eps_decay_episodes, episode
        )
        alpha_e = schedule(
            "constant" if by_visits else trial.alpha_schedule or "constant",
            trial.alpha,
            trial.alpha_end,
            trial.alpha_decay_episodes,
            episode,
        )
        state, total, steps, terminated, truncated = reset(), 0.0, 0, False, False
        next_action = None
        while not (terminated or truncated) and steps < trial.max_steps:
            behaviour = [a + b for a, b in zip(q[state], q_b[state], strict=True)]
            action = (
                choose(behaviour, epsilon, agent.random()) if next_action is None else next_action
            )
            next_state, reward, terminated, truncated = step(state, action)
            learning, judging, counts = q, q, visits
            if target == "double":
                first = agent.random() < 0.5
                learning, judging, counts = (q, q_b, visits) if first else (q_b, q, visits_b)
            row = learning[next_state]
            if terminated:
                y = reward
            elif target == "sarsa":
                next_action = choose(row, epsilon, agent.random())
                y = reward + trial.gamma * row[next_action]
            elif target == "double":
                y = reward + trial.gamma * judging[next_state][row.index(max(row))]
            elif target == "expected":
                mean = list(accumulate(row, initial=0.0))[-1] / n_actions
                y = reward + trial.gamma * ((1 - epsilon) * max(row) + epsilon * mean)
            else:
                y = reward + trial.gamma * max(row)
            counts[state][action] += 1
            alpha = alpha_e
            if by_visits:
                alpha *= math.pow(min(counts[state][action], 2**16 - 1), -trial.alpha_power)
            down = trial.alpha_down
            if down is not None and trial.alpha_schedule != "constant":
                down = alpha * (trial.alpha_down / trial.alpha)
            learning[state][action] = update(
                rule, learning[state][action], y, alpha, down, trial.eps_shift
            )
            state, total, steps = next_state, total + reward, steps + 1
        log.append((total, steps, terminated))
        ends.append((state, reward))
    if target == "double":
        q = [[(a + b) / 2 for a, b in zip(*rows, strict=True)] for rows in zip(q, q_b, strict=True)]
    episode_return, steps, terminated = zip(*log, strict=True)
    return {
        "episode_return": np.array(episode_return, np.float64),
        "steps": np.array(steps, np.int32),
        "terminated": np.array(terminated, np.bool_),
        "q_values": np.array(q, np.float64),
    }, ends


def differing(log, expected):
    """Names of the columns that a log has otherwise: types and the sign of a zero count too."""
    ours, theirs = (one if isinstance(one, dict) else vars(one) for one in (log, expected))
    return [name for name in theirs if _content(ours[name]) != _content(theirs[name])]


def _content(column):
    return (column.dtype.str, column.tobytes()) if isinstance(column, np.ndarray) else column
