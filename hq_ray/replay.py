"""Whether a transition table describes its environment: a replay of random steps, bit for bit."""

import gymnasium
import numpy as np

from hq_ray.model import Model

REPLAY_SEED = 20_260_000
REPLAY_STEPS = 2_000
REPLAY_EPISODE = 100


def pick(cumulative: np.ndarray, uniform: float) -> int:
    """The index that Gymnasium's `categorical_sample` picks: first with cumulative > uniform.

    Index 0 where rounding leaves the last sum at or below `uniform`.
    """
    return int(np.argmax(cumulative > uniform))


def table_describes_steps(environment: gymnasium.Env, model: Model) -> bool:
    """Steps the environment at random beside its model, with one random stream for both.

    True when every state, reward, flag, and the generator's state at the end agree. Observations
    must be the state numbers themselves.
    """
    space = environment.observation_space
    actions = environment.action_space
    if not isinstance(space, gymnasium.spaces.Discrete) or (space.start, actions.start) != (0, 0):
        return False
    if (int(space.n), int(actions.n)) != (model.n_states, model.n_actions):
        return False
    environment = environment.unwrapped
    ours = np.random.Generator(np.random.PCG64(np.random.SeedSequence(REPLAY_SEED)))
    choose = np.random.Generator(np.random.PCG64(0))
    seed: int | None = REPLAY_SEED
    steps = 0
    while steps < REPLAY_STEPS:
        observation, _ = environment.reset(seed=seed)
        seed = None
        state = pick(model.start_cumulative, ours.random())
        if observation != state:
            return False
        for _ in range(REPLAY_EPISODE):
            steps += 1
            action = int(choose.integers(model.n_actions))
            observation, reward, terminated, truncated, _ = environment.step(action)
            outcome = pick(model.cumulative[state, action], ours.random())
            here = (state, action, outcome)
            expected = (model.next_state[here], model.reward[here], model.terminated[here], False)
            if (observation, reward, terminated, truncated) != expected:
                return False
            state = int(model.next_state[here])
            if terminated:
                break
    return environment.np_random.bit_generator.state == ours.bit_generator.state
