"""The compiled training loop: a whole trial in one call, bit for bit the Gymnasium loop.

The loop is one long function on purpose: it is the only place where a step of the learner is
compiled, and its state has to stay in registers. A version is compiled for each combination of
update rule, number of actions and number of outcomes, because loops of known length unroll (about
1.3 times as fast as one version for all), and cached on disk.
"""

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
from numba import njit
from numba.extending import overload

from hq_ray import pcg64, updates
from hq_ray.environments import load_model
from hq_ray.episode_log import EpisodeLog
from hq_ray.pcg64 import agent_stream, environment_stream, pcg64_advance
from hq_ray.tables import KernelTables, kernel_tables
from hq_ray.trial import Trial
from hq_ray.updates import VARIANTS

HALF = np.uint64(11)
TO_UNIT = 1.0 / 9007199254740992.0
# Up to this many outcomes are counted without a branch; longer lists are searched, since their
# first entry is nearly always the one.
COUNTED_OUTCOMES = 4


def apply_update(variant, q_value, target, alpha, alpha_down, eps_shift):
    """Stands in the loop for the rule of the VARIANTS table that `variant` names."""
    return VARIANTS[variant].update(q_value, target, alpha, alpha_down, eps_shift)


@overload(apply_update, prefer_literal=True)
def _compile_update(variant, q_value, target, alpha, alpha_down, eps_shift):
    rule = njit(VARIANTS[variant.literal_value].update)

    def call(variant, q_value, target, alpha, alpha_down, eps_shift):
        return rule(q_value, target, alpha, alpha_down, eps_shift)

    return call


def _sources_digest() -> str:
    # numba's cache looks at the file of the loop alone; what the loop calls lies in these two.
    sources = [Path(module.__file__).read_bytes() for module in (updates, pcg64)]
    return hashlib.sha256(b"".join(sources)).hexdigest()


SOURCES = _sources_digest()


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
        code_terminated,
        start_row,
        start_threshold,
        epsilon,
        alpha,
        alpha_down,
        eps_shift,
        gamma,
        max_steps,
        agent,
        environment,
        q_values,
        episode_return,
        steps,
        terminated,
        final_reward,
    ):
        # The name keeps the digest in the closure, which numba's cache key covers.
        _ = sources
        n_pairs = q_values.shape[0]
        agent_high, agent_low = agent[0], agent[1]
        env_high, env_low = environment[0], environment[1]
        for episode in range(episode_return.shape[0]):
            eps = epsilon[episode]
            step_size = alpha[episode]
            explore_below = np.uint64(np.ceil(eps * 9007199254740992.0))
            row = start_row[0]
            if draws:
                env_high, env_low, raw = pcg64_advance(
                    env_high, env_low, environment[2], environment[3]
                )
                start = 0
                while start < start_row.shape[0] and raw >> HALF >= start_threshold[start]:
                    start += 1
                row = start_row[start] if start < start_row.shape[0] else 0
            best, greedy = q_values[row], 0
            for other in range(1, n_actions):
                value = q_values[row + other]
                if value > best:
                    best, greedy = value, other
            total, length = 0.0, 0
            while True:
                agent_high, agent_low, raw = pcg64_advance(
                    agent_high, agent_low, agent[2], agent[3]
                )
                bits = raw >> HALF
                action = greedy
                if bits < explore_below:
                    action = min(np.int64(bits * TO_UNIT * n_actions / eps), n_actions - 1)
                pair = row + action
                outcome = 0
                if draws:
                    env_high, env_low, raw = pcg64_advance(
                        env_high, env_low, environment[2], environment[3]
                    )
                    bits = raw >> HALF
                    if n_outcomes == 1:
                        pass
                    elif counted:
                        for k in range(n_outcomes):
                            outcome += bits >= threshold[k * n_pairs + pair]
                    else:
                        while outcome < n_outcomes and bits >= threshold[outcome * n_pairs + pair]:
                            outcome += 1
                word = transition[outcome * n_pairs + pair]
                code = word & np.uint32(255)
                reward = code_reward[code]
                total += reward
                length += 1
                if code_terminated[code]:
                    q_values[pair] = apply_update(
                        variant, q_values[pair], reward, step_size, alpha_down, eps_shift
                    )
                    terminated[episode] = True
                    final_reward[episode] = reward
                    break
                # The next row is read once: its greatest value makes the target, and the place of
                # it is the next greedy action (+11 to +17 % while epsilon is small).
                next_row = np.int64(word >> np.uint32(8))
                best, greedy = q_values[next_row], 0
                for other in range(1, n_actions):
                    value = q_values[next_row + other]
                    if value > best:
                        best, greedy = value, other
                q_values[pair] = apply_update(
                    variant,
                    q_values[pair],
                    reward + gamma * best,
                    step_size,
                    alpha_down,
                    eps_shift,
                )
                if length == max_steps:
                    break
                if next_row == row:
                    # A step on the spot has just changed the row that was read.
                    best, greedy = q_values[next_row], 0
                    for other in range(1, n_actions):
                        value = q_values[next_row + other]
                        if value > best:
                            best, greedy = value, other
                row = next_row
            episode_return[episode] = total
            steps[episode] = length

    return loop


@lru_cache(maxsize=64)
def environment_tables(env: str, env_args: str) -> KernelTables | None:
    """The packed model of an environment, kept per process; None where the kernel cannot serve."""
    model = load_model(env, env_args)
    return kernel_tables(model) if model is not None else None


def train_on_kernel(trial: Trial, tables: KernelTables) -> EpisodeLog:
    """Trains a trial on the packed tables of its environment."""
    episodes = trial.episodes
    n_pairs = tables.threshold.size // tables.n_outcomes
    q_values = np.zeros(n_pairs)
    episode_return = np.empty(episodes)
    final_reward = np.full(episodes, np.nan)
    steps = np.empty(episodes, np.int32)
    terminated = np.zeros(episodes, np.bool_)
    loop = training_loop(trial.variant, tables.n_actions, tables.n_outcomes, tables.draws)
    loop(
        tables.transition,
        tables.threshold,
        tables.code_reward,
        tables.code_terminated,
        tables.start_row,
        tables.start_threshold,
        trial.epsilon_schedule.values(episodes),
        trial.step_size_schedule.values(episodes),
        trial.alpha_down or 0.0,
        trial.eps_shift or 0.0,
        trial.gamma,
        trial.max_steps,
        agent_stream(trial.seed),
        environment_stream(trial.seed),
        q_values,
        episode_return,
        steps,
        terminated,
        final_reward,
    )
    return EpisodeLog(
        episode_return=episode_return,
        steps=steps,
        terminated=terminated,
        success=final_reward == tables.success_reward,
        q_values=q_values.reshape(-1, tables.n_actions),
    )
