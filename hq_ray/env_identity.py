"""The identity of an environment without a believed table: a rollout, and its source.

The digest of a rollout is part of every trial's id. A rollout can miss what happens rarely, so a
digest of the source files is kept beside it, outside the id.
"""

import contextlib
import hashlib
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import gymnasium
import numpy as np

from hq_ray.errors import InputError, reason_of
from hq_ray.spaces import numbering
from hq_ray.user_code import RAISED

ROLLOUT_SEED = 20_260_000
ROLLOUT_EPISODES, ROLLOUT_STEPS = 10, 1_000
# Repeating most actions gets further than a random walk.
REPEAT_SHARE = 0.75
# What the first reset or step raises where they take and return what the old gym's did.
OF_OLD_GYM = ("unexpected keyword argument", "unpack")


def rollout_digest(environment: gymnasium.Env, name: str = "") -> str:
    """16 hex digits over a fixed seeded rollout: observations, rewards, flags, as exact text.

    The rollout has up to 10 episodes and 1,000 steps, and ends where the environment raises.

    Raises:
        InputError: it has the interface of the old gym; `name` is for the message.
    """
    choose = np.random.Generator(np.random.PCG64(0))
    numbered = numbering(environment)
    record: list[object] = []
    action, steps = numbered.first_action, 0
    try:
        for episode in range(ROLLOUT_EPISODES):
            observation, _ = environment.reset(seed=None if episode else ROLLOUT_SEED)
            record.append(_text(observation))
            over = False
            while not over and steps < ROLLOUT_STEPS:
                steps += 1
                if choose.random() >= REPEAT_SHARE:
                    action = numbered.first_action + int(choose.random() * numbered.n_actions)
                observation, reward, terminated, truncated, _ = environment.step(action)
                flags = bool(terminated), bool(truncated)
                record.append((_text(observation), (float(reward) + 0.0).hex(), *flags))
                over = any(flags)
    except RAISED as problem:
        if len(record) < 2 and any(sign in reason_of(problem) for sign in OF_OLD_GYM):
            raise InputError(
                f"environment {name} must have reset(seed=..., options=...) -> (observation, info) "
                "and step(action) -> (observation, reward, terminated, truncated, info), but: "
                f"{reason_of(problem)}"
            ) from problem
        record.append(type(problem).__name__)
    return hashlib.sha256(repr(record).encode("utf-8", "replace")).hexdigest()[:16]


def _text(observation: object) -> str:
    """Text that is equal for lists, tuples and arrays of equal numbers, whatever their type."""
    if isinstance(observation, np.ndarray | np.generic):
        observation = observation.tolist()
    if isinstance(observation, Mapping):
        return str(sorted((str(key), _text(value)) for key, value in observation.items()))
    if isinstance(observation, list | tuple):
        return f"[{', '.join(map(_text, observation))}]"
    if isinstance(observation, float):
        return observation.hex()
    return str(int(observation) if isinstance(observation, bool) else observation)


def source_digest(environment: gymnasium.Env, creator: Callable) -> str | None:
    """16 hex digits over the source files of an environment, its wrappers and what creates it.

    Gymnasium's and Python's own files are left out; None if no other file is left.
    """
    kinds: list = [getattr(creator, "func", creator), *type(environment).__mro__]
    while isinstance(environment, gymnasium.Wrapper):
        environment = environment.env
        kinds += type(environment).__mro__
    contents = set()
    for kind in kinds:
        package = str(getattr(kind, "__module__", "")).partition(".")[0]
        if package == "gymnasium" or package in sys.stdlib_module_names:
            continue
        # A class typed into a notebook has no file.
        with contextlib.suppress(TypeError, OSError):
            contents.add(Path(inspect.getsourcefile(kind) or "").read_bytes())
    if not contents:
        return None
    return hashlib.sha256(b"\0".join(sorted(contents))).hexdigest()[:16]
