"""The compiled training loop: many trials in one call, each bit for bit the Gymnasium loop.

Four trials advance in turn, a step each. A step is one long chain of dependent instructions (row,
action, transition, next row), and the processor overlaps the chains of neighbouring trials: twice
the rate of one trial after the other. For the same reason nothing in a step is a jump that the
processor could guess wrong: exploring or not is a choice between two numbers (1.12 times, with the
random action counted from thresholds instead of divided for), and an episode's end multiplies the
future by zero (1.03 times).

The loop is one long function on purpose: it is the only place where a step of the learner is
compiled. A version is compiled for each combination of update rule, number of actions and number
of outcomes, because loops of known length unroll (1.3 times), and cached on disk. Indices are
unsigned, which spares the test for negative ones (1.07 times).
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numba.extending import overload

from hq_ray import pcg64, updates
from hq_ray.compiled import njit
from hq_ray.episode_log import EpisodeLog
from hq_ray.pcg64 import agent_stream, environment_stream, pcg64_advance
from hq_ray.tables import KernelTables, explore_table
from hq_ray.trial import Trial
from hq_ray.updates import VARIANTS

U = np.uint64
TO_53_BITS = U(11)
# Trials in flight at once; eight are no faster.
LANES = 4
# Up to this many outcomes are counted without a jump; longer lists are searched, since their first
# entry is nearly always the one.
COUNTED_OUTCOMES = 4
# Rows of Q tables are kept this many numbers apart, or the same state of two trials could lie 4 KiB
# apart, which the processor takes for the same place.
SPACING = 8

LANE = np.dtype(
    [
        *((name, np.uint64) for name in ("agent_high", "agent_low", "agent_inc_high")),
        *((name, np.uint64) for name in ("agent_inc_low", "env_high", "env_low")),
        *((name, np.uint64) for name in ("env_inc_high", "env_inc_low")),
        *((name, np.uint64) for name in ("trial", "q_start", "row", "explore_at")),
        *((name, np.int64) for name in ("episode", "length")),
        *((name, np.float64) for name in ("total", "step_size", "alpha_down", "eps_shift")),
        ("gamma", np.float64),
    ],
    align=True,
)
"""What a trial in flight carries from step to step; one record lies in two or three cache lines."""


def apply_update(variant, q_value, target, alpha, alpha_down, eps_shift):
    """Stands in the loop for the rule of the VARIANTS table that `variant` names."""
    return VARIANTS[variant].update(q_value, target, alpha, alpha_down, eps_shift)


@overload(apply_update, prefer_literal=True)
def _compile_update(variant, q_value, target, alpha, alpha_down, eps_shift):
    rule = njit(error_model="numpy")(VARIANTS[variant.literal_value].update)

    def call(variant, q_value, target, alpha, alpha_down, eps_shift):
        return rule(q_value, target, alpha, alpha_down, eps_shift)

    return call


# numba's cache looks at the file of the loop alone; what the loop calls lies in these two.
SOURCES = hashlib.sha256(
    b"".join(Path(str(module.__file__)).read_bytes() for module in (updates, pcg64))
).hexdigest()


@lru_cache(maxsize=64)
def training_loop(variant: str, n_actions: int, n_outcomes: int, draws: bool) -> Callable:
    """The loop for one update rule and one shape of environment, compiled at its first call."""
    sources = SOURCES
    counted = n_outcomes <= COUNTED_OUTCOMES

    @njit(cache=True, error_model="numpy", nogil=True)
    def loop(
        transition,
        threshold,
        code_reward,
        code_future,
        start_row,
        start_threshold,
        explore,
        explore_start,
        step_size,
        step_size_start,
        alpha_down,
        eps_shift,
        gamma,
        max_steps,
        agent,
        environment,
        lanes,
        q_values,
        q_spacing,
        episode_return,
        steps,
        terminated,
        final_code,
    ):
        _ = sources  # in the closure, which numba's cache key covers
        n_trials, episodes = episode_return.shape
        n_pairs = U(threshold.shape[0] // n_outcomes)
        first_terminal = U(np.count_nonzero(code_future))
        n_starts = U(start_row.shape[0])
        begun = 0
        flying = 0
        while flying < lanes.shape[0] and begun < n_trials:
            lanes[flying].trial = U(begun)
            lanes[flying].episode = -1
            lanes[flying].length = 0
            begun += 1
            flying += 1
        while flying > 0:
            for at in range(flying):
                lane = lanes[U(at)]

                if lane.length == 0:
                    trial = lane.trial
                    if lane.episode < 0:
                        lane.agent_high, lane.agent_low = agent[trial, 0], agent[trial, 1]
                        lane.agent_inc_high, lane.agent_inc_low = agent[trial, 2], agent[trial, 3]
                        lane.env_high, lane.env_low = environment[trial, 0], environment[trial, 1]
                        lane.env_inc_high = environment[trial, 2]
                        lane.env_inc_low = environment[trial, 3]
                        lane.alpha_down, lane.eps_shift = alpha_down[trial], eps_shift[trial]
                        lane.gamma = gamma[trial]
                        lane.q_start = trial * q_spacing
                        lane.episode = 0
                    episode = U(lane.episode)
                    lane.explore_at = explore_start[trial] + episode * U(n_actions)
                    lane.step_size = step_size[step_size_start[trial] + episode]
                    lane.total = 0.0
                    lane.row = start_row[0]
                    if draws:
                        lane.env_high, lane.env_low, raw = pcg64_advance(
                            lane.env_high, lane.env_low, lane.env_inc_high, lane.env_inc_low
                        )
                        start = U(0)
                        while start < n_starts and raw >> TO_53_BITS >= start_threshold[start]:
                            start += U(1)
                        lane.row = start_row[start] if start < n_starts else U(0)

                # Choose: the greedy action, or what the draw means below epsilon.
                lane.agent_high, lane.agent_low, raw = pcg64_advance(
                    lane.agent_high, lane.agent_low, lane.agent_inc_high, lane.agent_inc_low
                )
                bits = raw >> TO_53_BITS
                row = lane.row
                here = lane.q_start + row
                best, greedy = q_values[here], U(0)
                random_action = U(0)
                for action in range(1, n_actions):
                    value = q_values[here + U(action)]
                    if value > best:
                        best, greedy = value, U(action)
                    random_action += U(bits >= explore[lane.explore_at + U(action)])
                exploring = U(0) - U(bits < explore[lane.explore_at])
                pair = row + (greedy ^ ((greedy ^ random_action) & exploring))

                # Step.
                outcome = U(0)
                if draws:
                    lane.env_high, lane.env_low, raw = pcg64_advance(
                        lane.env_high, lane.env_low, lane.env_inc_high, lane.env_inc_low
                    )
                    bits = raw >> TO_53_BITS
                    if counted:
                        if n_outcomes > 1:
                            for k in range(n_outcomes):
                                outcome += U(bits >= threshold[U(k) * n_pairs + pair])
                    else:
                        while bits >= threshold[outcome * n_pairs + pair]:
                            outcome += U(1)
                            if outcome == U(n_outcomes):
                                break
                word = transition[outcome * n_pairs + pair]
                next_row = U(word >> np.uint32(8))
                code = U(word & np.uint32(255))
                reward = code_reward[code]
                done = code >= first_terminal
                discount = lane.gamma * code_future[code]

                # Learn.
                there = lane.q_start + next_row
                next_value = q_values[there]
                for action in range(1, n_actions):
                    value = q_values[there + U(action)]
                    next_value = value if value > next_value else next_value
                target = reward + discount * next_value
                q_values[lane.q_start + pair] = apply_update(
                    variant,
                    q_values[lane.q_start + pair],
                    target,
                    lane.step_size,
                    lane.alpha_down,
                    lane.eps_shift,
                )

                total = lane.total + reward
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
                        if begun < n_trials:
                            lane.trial = U(begun)
                            lane.episode = -1
                            begun += 1
                        else:
                            flying -= 1
                            if at != flying:
                                lanes[at] = lanes[flying]
                            break

    return loop


def train_on_kernel(trials: Sequence[Trial], tables: KernelTables) -> list[EpisodeLog]:
    """Trains trials that share environment, variant, episodes and max_steps, in one call."""
    first, n_trials = trials[0], len(trials)
    shape = (n_trials, first.episodes)
    n_pairs = tables.threshold.size // tables.n_outcomes
    q_values = np.zeros((n_trials, n_pairs + SPACING))
    episode_return, steps = np.empty(shape), np.empty(shape, np.int32)
    terminated, final_code = np.empty(shape, np.bool_), np.empty(shape, np.uint8)
    explore, explore_start = _stacked(
        [explore_table(t.epsilon_schedule, t.episodes, tables.n_actions) for t in trials]
    )
    step_size, step_size_start = _stacked([t.step_size_schedule.values(t.episodes) for t in trials])
    loop = training_loop(first.variant, tables.n_actions, tables.n_outcomes, tables.draws)
    loop(
        tables.transition,
        tables.threshold,
        tables.code_reward,
        tables.code_future,
        tables.start_row,
        tables.start_threshold,
        explore,
        explore_start,
        step_size,
        step_size_start,
        np.array([t.alpha_down or 0.0 for t in trials]),
        np.array([t.eps_shift or 0.0 for t in trials]),
        np.array([t.gamma for t in trials]),
        first.max_steps,
        np.stack([agent_stream(t.seed) for t in trials]),
        np.stack([environment_stream(t.seed) for t in trials]),
        np.zeros(LANES, LANE),
        q_values.reshape(-1),
        U(q_values.shape[1]),
        episode_return,
        steps,
        terminated,
        final_code,
    )
    success = None if tables.code_success is None else tables.code_success[final_code]
    return [
        EpisodeLog(
            episode_return=episode_return[i],
            steps=steps[i],
            terminated=terminated[i],
            success=None if success is None else success[i],
            q_values=q_values[i, :n_pairs].reshape(-1, tables.n_actions),
        )
        for i in range(n_trials)
    ]


def _stacked(arrays: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The distinct arrays one after the other, flat, and where the array of each trial starts."""
    distinct = {id(array): array for array in arrays}
    starts, position = {}, 0
    for key, array in distinct.items():
        starts[key] = position
        position += array.size
    flat = np.concatenate([array.ravel() for array in distinct.values()])
    return flat, np.array([starts[id(array)] for array in arrays], np.uint64)
