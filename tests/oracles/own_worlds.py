"""An environment of a user's own, in a module of theirs."""

import gymnasium
import numpy as np
from gymnasium import spaces


class Crossing(gymnasium.Env):
    observation_space = spaces.MultiDiscrete([2, 3])
    action_space = spaces.Discrete(2)

    def __init__(self, toll=1.0):
        self.toll = toll

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = np.array([self.np_random.integers(2), 0])
        return self.place.copy(), {}

    def step(self, action):
        self.place[1] += action
        return self.place.copy(), -self.toll, bool(self.place[1] == 2), False, {}


gymnasium.register("Crossing-v3", entry_point=__name__ + ":Crossing", max_episode_steps=30)
