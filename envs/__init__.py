"""Gymnasium environments of this project; importing this package registers them."""

import gymnasium

_ENTRY_POINT = "hq_ray.envs.velocity_grid:VelocityGridEnv"


def _register_once() -> None:
    registered = gymnasium.registry.get("VelocityGrid-v0")
    if registered is None or registered.entry_point != _ENTRY_POINT:
        gymnasium.register(id="VelocityGrid-v0", entry_point=_ENTRY_POINT, max_episode_steps=200)


_register_once()
