"""An environment whose workers may die; it lies where they can import it."""

import os

import gymnasium


class Doomed(gymnasium.Env):
    """One step an episode; after 40 of them, a fatal one takes the process down."""

    observation_space = action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, fatal=False):
        self.left = 40 if fatal else 10**9

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return 0, {}

    def step(self, action):
        self.left -= 1
        if self.left < 0:
            os._exit(1)
        return 1, 1.0, True, False, {}


gymnasium.register("Doomed-v0", entry_point="doomed_environment:Doomed")
