"""Gymnasium environments of this project; importing this package registers them."""

import gymnasium

# Entry point below `hq_ray.envs`, and step limit.
_ENVIRONMENTS = {
    "VelocityGrid-v0": ("velocity_grid:VelocityGridEnv", 200),
    "WindyGrid-v0": ("grid_worlds:WindyGridEnv", 1000),
    "OverestimationGrid-v0": ("grid_worlds:OverestimationGridEnv", 200),
    "Garnet-v0": ("garnet:GarnetEnv", 100),
}

for _id, (_place, _limit) in _ENVIRONMENTS.items():
    gymnasium.register(id=_id, entry_point=f"hq_ray.envs.{_place}", max_episode_steps=_limit)
