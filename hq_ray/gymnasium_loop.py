"""The plain loop over `env.step`: any finite environment, and the oracle for the kernel."""

import gymnasium
import numpy as np

from hq_ray.episode_log import EpisodeLog
from hq_ray.pcg64 import agent_generator
from hq_ray.spaces import observation_encoder
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
    trial: Trial, environment: gymnasium.Env, success_reward: float | None = None
) -> EpisodeLog:
    """Trains a trial by stepping its environment, whose step limit must be the trial's.

    Args:
        trial: what to train.
        environment: made anew for this trial.
        success_reward: the greatest terminating reward, where a model knows it.
    """
    n_states, encode = observation_encoder(environment.observation_space)
    n_actions, first_action = int(environment.action_space.n), int(environment.action_space.start)
    update = VARIANTS[trial.variant].update
    alpha_down, eps_shift = trial.alpha_down or 0.0, trial.eps_shift or 0.0
    epsilons = trial.epsilon_schedule.values(trial.episodes).tolist()
    step_sizes = trial.step_size_schedule.values(trial.episodes).tolist()
    random = agent_generator(trial.seed).random
    q_values = np.zeros((n_states, n_actions))
    episode_return = np.empty(trial.episodes)
    steps = np.empty(trial.episodes, np.int32)
    terminations = np.zeros(trial.episodes, np.bool_)
    successes = np.zeros(trial.episodes, np.bool_)
    for episode in range(trial.episodes):
        observation, _ = environment.reset(seed=trial.seed if episode == 0 else None)
        state = encode(observation)
        total, length, terminated, truncated = 0.0, 0, False, False
        while not (terminated or truncated):
            action = choose_action(q_values[state], epsilons[episode], random())
            observation, reward, terminated, truncated, _ = environment.step(action + first_action)
            # A float32 reward would make every sum below float32; -0.0 becomes 0.0.
            reward = float(reward) + 0.0
            next_state = encode(observation)
            # Only termination ends the future: a truncated step bootstraps.
            target = reward if terminated else reward + trial.gamma * q_values[next_state].max()
            q_values[state, action] = update(
                q_values[state, action], target, step_sizes[episode], alpha_down, eps_shift
            )
            total += reward
            length += 1
            state = next_state
        episode_return[episode], steps[episode] = total, length
        terminations[episode] = terminated
        successes[episode] = terminated and reward == success_reward
    success = None if success_reward is None else successes
    return EpisodeLog(episode_return, steps, terminations, success, q_values)
