"""The compiled training loop: many trials in one call, each bit for bit the Gymnasium loop.

Four trials advance in turn, a step each. A step is one long chain of dependent instructions (row,
action, transition, next row), and the processor overlaps the chains of neighbouring trials: twice
the rate of one trial after the other. For the same reason nothing in a step is a jump that the
processor could guess wrong: exploring or not is a choice between two numbers (1.12 times, with the
random action counted from thresholds), and an episode's end multiplies the future by zero (1.03).

The loop is one long function on purpose: it is the only place where a step of the learner is
compiled. A version is compiled for each combination of update rule, target, number of actions and
number of outcomes, because loops of known length unroll (1.3 times), and cached on disk. Indices
are unsigned, which spares the test for negative ones (1.07 times).
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numba.extending import overload

from hq_ray import pcg64, schedules, updates
from hq_ray.compiled import njit
from hq_ray.pcg64 import agent_stream, environment_stream, pcg64_advance
from hq_ray.schedules import LAST_VISIT, visit_weights
from hq_ray.tables import KernelTables, explore_table
from hq_ray.trial import EpisodeLog, Trial
from hq_ray.updates import variant_of

U = np.uint64
TO_53_BITS = U(11)
# Trials in flight at once; eight are no faster.
LANES = 4
# Up to so many outcomes are counted without a jump; of more the first is nearly always the one.
COUNTED_OUTCOMES = 4
# Numbers between Q tables: the processor takes places 4 KiB apart for the same.
SPACING = 8

LANE = np.dtype(
    [
        *((name, np.uint64) for name in ("agent_high", "agent_low", "agent_inc_high")),
        *((name, np.uint64) for name in ("agent_inc_low", "env_high", "env_low")),
        *((name, np.uint64) for name in ("env_inc_high", "env_inc_low")),
        *((name, np.uint64) for name in ("trial", "q_start", "row", "action", "explore_at")),
        *((name, np.int64) for name in ("episode", "length")),
        *((name, np.float64) for name in ("total", "step_size", "alpha_down", "eps_shift")),
        *((name, np.float64) for name in ("gamma", "epsilon", "first", "second")),
        *((name, np.uint64) for name in ("explore_start", "epsilon_start", "step_size_start")),
        *((name, np.uint64) for name in ("alpha_down_start", "weight_start")),
    ],
    align=True,
)
"""What a trial in flight carries from step to step; it starts as the trial's own record."""


def apply_update(variant, q_value, target, alpha, alpha_down, eps_shift, first, second):
    """Stands in the loop for the rule of the variant; `first` and `second` are its parameters."""


@overload(apply_update, prefer_literal=True)
def _compile_update(variant, q_value, target, alpha, alpha_down, eps_shift, first, second):
    row = variant_of(variant.literal_value)
    slots = dict.fromkeys(row.unread, "0.0")
    slots |= zip(row.parameters, ("first", "second"), strict=False)
    arguments = ", ".join(slots.get(name, name) for name in row.arguments)
    # numba has no call with arguments by position that are known only here.
    return eval(
        "lambda variant, q_value, target, alpha, alpha_down, eps_shift, first, second: "
        f"rule(q_value, target, {arguments})",
        {"rule": njit(error_model="numpy")(row.update)},
    )


@njit(error_model="numpy", forceinline=True)
def draw_of_agent(lane):
    """The top 53 bits of the next output of the agent's stream."""
    lane.agent_high, lane.agent_low, raw = pcg64_advance(
        lane.agent_high, lane.agent_low, lane.agent_inc_high, lane.agent_inc_low
    )
    return raw >> TO_53_BITS


@njit(error_model="numpy", forceinline=True)
def draw_of_environment(lane):
    """The top 53 bits of the next output of the environment's stream."""
    lane.env_high, lane.env_low, raw = pcg64_advance(
        lane.env_high, lane.env_low, lane.env_inc_high, lane.env_inc_low
    )
    return raw >> TO_53_BITS


@njit(error_model="numpy", forceinline=True)
def choose(lane, q_values, here, other, double, n_actions, explore):
    """Draws; the greedy action at `here`, or what the draw means below epsilon.

    With two tables, `other` numbers apart, their sum decides.
    """
    bits = draw_of_agent(lane)
    best, greedy = q_values[here], U(0)
    if double:
        best += q_values[here + other]
    random_action = U(0)
    for action in range(1, n_actions):
        value = q_values[here + U(action)]
        if double:
            value += q_values[here + other + U(action)]
        if value > best:
            best, greedy = value, U(action)
        random_action += U(bits >= explore[lane.explore_at + U(action)])
    exploring = U(0) - U(bits < explore[lane.explore_at])
    return greedy ^ ((greedy ^ random_action) & exploring)


# numba's cache looks at the file of the loop alone; these have what the loop calls and freezes.
SOURCES = hashlib.sha256(
    b"".join(Path(str(module.__file__)).read_bytes() for module in (updates, pcg64, schedules))
).hexdigest()


@lru_cache(maxsize=64)
def training_loop(
    variant: str, visits: bool, n_actions: int, n_outcomes: int, draws: bool, code_bits: int
) -> Callable:
    """The loop for one variant and one shape of environment, compiled at its first call."""
    row_of_table = variant_of(variant)
    sources = SOURCES + (row_of_table.digest or "")
    counted = n_outcomes <= COUNTED_OUTCOMES
    is_user_rule = row_of_table.digest is not None
    expected, sarsa, double = (row_of_table.target == t for t in ("expected", "sarsa", "double"))
    to_row, to_code = U(code_bits), U(2**code_bits - 1)

    @njit(cache=True, error_model="numpy", nogil=True)
    def loop(tables, curves, max_steps, trials, lanes, q_values, other, visited, log):
        _ = sources  # in the closure, which numba's cache key covers
        transition, threshold, code_reward, code_future, start_row, start_threshold = tables
        explore, epsilon, step_size, alpha_down, weight = curves
        episode_return, steps, terminated, final_code = log
        n_trials, episodes = episode_return.shape
        n_pairs = U(threshold.shape[0] // n_outcomes)
        first_terminal = U(np.count_nonzero(code_future))
        n_starts = U(start_row.shape[0])
        n_started = 0
        n_active = 0
        while n_active < lanes.shape[0] and n_started < n_trials:
            lanes[n_active] = trials[n_started]
            n_started += 1
            n_active += 1
        while n_active > 0:
            for at in range(n_active):
                lane = lanes[U(at)]

                if lane.length == 0:
                    episode = U(lane.episode)
                    lane.explore_at = lane.explore_start + episode * U(n_actions)
                    lane.epsilon = epsilon[lane.epsilon_start + episode]
                    lane.step_size = step_size[lane.step_size_start + episode]
                    lane.alpha_down = alpha_down[lane.alpha_down_start + episode]
                    lane.total = 0.0
                    lane.row = start_row[0]
                    if draws:
                        bits, start = draw_of_environment(lane), U(0)
                        while start < n_starts and bits >= start_threshold[start]:
                            start += U(1)
                        lane.row = start_row[start] if start < n_starts else U(0)

                # Choose; SARSA has chosen before its last update.
                row = lane.row
                if sarsa and lane.length > 0:
                    pair = row + lane.action
                else:
                    here = lane.q_start + row
                    pair = row + choose(lane, q_values, here, other, double, n_actions, explore)

                # Step.
                outcome = U(0)
                if draws:
                    bits = draw_of_environment(lane)
                    if counted:
                        if n_outcomes > 1:
                            for k in range(n_outcomes):
                                outcome += U(bits >= threshold[U(k) * n_pairs + pair])
                    else:
                        while bits >= threshold[outcome * n_pairs + pair]:
                            outcome += U(1)
                            if outcome == U(n_outcomes):
                                break
                word = U(transition[outcome * n_pairs + pair])
                next_row = word >> to_row
                code = word & to_code
                reward = code_reward[code]
                done = code >= first_terminal
                discount = lane.gamma * code_future[code]

                # The target.
                here = lane.q_start + pair
                there = lane.q_start + next_row
                if sarsa:
                    next_value = 0.0
                    if not done:
                        lane.action = choose(
                            lane, q_values, there, other, double, n_actions, explore
                        )
                        next_value = q_values[there + lane.action]
                elif double:
                    # c < 0.5, the top bit of the draw, moves the first table.
                    second_table = U(0) - (draw_of_agent(lane) >> U(52))
                    here += other & second_table
                    moved = there + (other & second_table)
                    valued = there + (other & ~second_table)
                    best, preferred = q_values[moved], U(0)
                    for action in range(1, n_actions):
                        value = q_values[moved + U(action)]
                        if value > best:
                            best, preferred = value, U(action)
                    next_value = q_values[valued + preferred]
                else:
                    next_value = q_values[there]
                    value_sum = 0.0 + next_value
                    for action in range(1, n_actions):
                        value = q_values[there + U(action)]
                        next_value = value if value > next_value else next_value
                        if expected:
                            value_sum += value
                    if expected:
                        next_value = (1.0 - lane.epsilon) * next_value + lane.epsilon * (
                            value_sum / n_actions
                        )

                # Learn.
                alpha, down = lane.step_size, lane.alpha_down
                if visits:
                    visited[here] += 1
                    alpha *= weight[lane.weight_start + U(min(visited[here], LAST_VISIT))]
                    down *= alpha
                learned = apply_update(
                    variant,
                    q_values[here],
                    reward + discount * next_value,
                    alpha,
                    down,
                    lane.eps_shift,
                    lane.first,
                    lane.second,
                )
                q_values[here] = learned

                total = lane.total + reward
                if is_user_rule:
                    # A user-defined rule may turn a NaN into a number again; a sum does not.
                    total += 0.0 * learned
                length = lane.length + 1
                lane.total = total
                lane.length = length
                lane.row = next_row
                if done or length == max_steps:
                    trial, episode = lane.trial, U(lane.episode)
                    episode_return[trial, episode] = total
                    steps[trial, episode] = length
                    terminated[trial, episode] = done
                    final_code[trial, episode] = code
                    lane.length = 0
                    lane.episode += 1
                    if lane.episode == episodes:
                        if n_started < n_trials:
                            lanes[at] = trials[n_started]
                            n_started += 1
                        else:
                            n_active -= 1
                            if at != n_active:
                                lanes[at] = lanes[n_active]
                            break

    return loop


def train_on_kernel(trials: Sequence[Trial], tables: KernelTables) -> list[EpisodeLog]:
    """Trains trials of one group, which share all that `training_loop` needs, in one call."""
    first, n_trials = trials[0], len(trials)
    variant, visits = variant_of(first.variant), first.by_visits
    double = variant.target == "double"
    shape = (n_trials, first.episodes)
    n_pairs = tables.threshold.size // tables.n_outcomes
    q_values = np.zeros((n_trials, 2 if double else 1, n_pairs + SPACING))
    visited = np.zeros(q_values.size if visits else 0, np.int64)
    episode_return, steps = np.empty(shape), np.empty(shape, np.int32)
    terminated, final_code = np.empty(shape, np.bool_), np.empty(shape, f"uint{tables.code_bits}")
    records = np.zeros(n_trials, LANE)
    records["trial"] = np.arange(n_trials)
    records["q_start"] = np.arange(n_trials) * q_values[0].size
    for stream, prefix in ((agent_stream, "agent"), (environment_stream, "env")):
        parts = np.stack([stream(trial.seed) for trial in trials], axis=1)
        for part, values in zip(("high", "low", "inc_high", "inc_low"), parts, strict=True):
            records[f"{prefix}_{part}"] = values
    records["gamma"] = [trial.gamma for trial in trials]
    records["eps_shift"] = [trial.eps_shift or 0.0 for trial in trials]
    for slot, name in zip(("first", "second"), variant.parameters, strict=False):
        records[slot] = [trial.rule_values[name] for trial in trials]
    schedules = [trial.epsilon_schedule for trial in trials]
    steps_up, steps_down = zip(*(trial.step_sizes() for trial in trials), strict=True)
    by_name = {
        "explore": [explore_table(s, first.episodes, tables.n_actions) for s in schedules],
        "epsilon": [schedule.values(first.episodes) for schedule in schedules],
        "step_size": steps_up,
        "alpha_down": steps_down,
        "weight": [visit_weights(t.alpha_power) for t in trials]
        if visits
        else [np.empty(0)] * n_trials,
    }
    curves = tuple(_stacked(by_name[name], records[f"{name}_start"]) for name in by_name)
    environment = (
        *(tables.transition, tables.threshold, tables.code_reward, tables.code_future),
        *(tables.start_row, tables.start_threshold),
    )
    log = (episode_return, steps, terminated, final_code)
    kind = (tables.n_actions, tables.n_outcomes, tables.draws, tables.code_bits)
    loop = training_loop(first.variant, visits, *kind)
    lanes, other, q_flat = np.zeros(LANES, LANE), U(n_pairs + SPACING), q_values.reshape(-1)
    loop(environment, curves, first.max_steps, records, lanes, q_flat, other, visited, log)
    success = None if tables.code_success is None else tables.code_success[final_code]
    learned = (q_values[:, 0] + q_values[:, 1]) / 2 if double else q_values[:, 0]
    return [
        EpisodeLog(
            episode_return=episode_return[i],
            steps=steps[i],
            terminated=terminated[i],
            success=None if success is None else success[i],
            q_values=learned[i, :n_pairs].reshape(-1, tables.n_actions),
        )
        for i in range(n_trials)
    ]


def _stacked(arrays: Sequence[np.ndarray], starts: np.ndarray) -> np.ndarray:
    """The distinct arrays end to end, flat; fills in where the array of each trial starts."""
    position, start = 0, {}
    distinct = {id(array): array for array in arrays}
    for key, array in distinct.items():
        start[key] = position
        position += array.size
    starts[:] = [start[id(array)] for array in arrays]
    return np.concatenate(list(distinct.values()), axis=None)
