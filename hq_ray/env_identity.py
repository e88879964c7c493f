"""What tells an environment without a believed table from another: a rollout, and its source.

The digest of a rollout is part of every trial's id. It can miss what happens rarely, so the digest
of the source files goes beside it, outside the id.
"""

import contextlib
import hashlib
import inspect
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import gymnasium
import numpy as np

from hq_ray.errors import InputError

ROLLOUT_SEED = 20_260_000
ROLLOUT_EPISODES, ROLLOUT_STEPS = 10, 1_000
# Actions are mostly repeated, which comes further than a random walk.
REPEAT_SHARE = 0.75
# What an environment's own code may raise; Ctrl-C is the person's.
RAISED = (Exception, SystemExit)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """For a block in which nothing that an environment prints, warns or logs is shown."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            open(os.devnull, "w", encoding="utf-8", errors="replace") as nowhere,
            contextlib.redirect_stdout(nowhere),
            contextlib.redirect_stderr(nowhere),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def rollout_digest(environment: gymnasium.Env) -> str:
    """16 hex digits over a fixed seeded rollout: observations, rewards, flags, as exact text.

    It has up to 10 episodes and 1,000 steps, and ends where the environment raises.
    """
    choose = np.random.Generator(np.random.PCG64(0))
    actions = environment.action_space
    record: list[object] = []
    steps, seed, action = 0, ROLLOUT_SEED, int(actions.start)
    try:
        for _ in range(ROLLOUT_EPISODES):
            observation, _ = environment.reset(seed=seed)
            record.append(_text(observation))
            seed, over = None, False
            while not over and steps < ROLLOUT_STEPS:
                steps += 1
                if choose.random() >= REPEAT_SHARE:
                    action = int(actions.start) + int(choose.random() * int(actions.n))
                observation, reward, terminated, truncated, _ = environment.step(action)
                flags = bool(terminated), bool(truncated)
                record.append((_text(observation), (float(reward) + 0.0).hex(), *flags))
                over = any(flags)
    except RAISED as problem:
        record.append(type(problem).__name__)
    return hashlib.sha256(repr(record).encode("utf-8", "replace")).hexdigest()[:16]


def _text(observation: object) -> str:
    """The same for a list, a tuple and an array of the same numbers, whatever their type."""
    if isinstance(observation, np.ndarray | np.generic):
        observation = observation.tolist()
    if isinstance(observation, Mapping):
        return str(sorted((str(key), _text(value)) for key, value in observation.items()))
    if isinstance(observation, list | tuple):
        return f"[{', '.join(map(_text, observation))}]"
    if isinstance(observation, float):
        return observation.hex()
    return str(int(observation) if isinstance(observation, bool) else observation)


def check_interface(env: str, environment: gymnasium.Env) -> None:
    """Raises for an environment in the manner of the old gym; what else it raises is left alone.

    Raises:
        InputError: `reset` takes no seed or returns no pair, or `step` returns no five values.
    """
    found = None
    with contextlib.suppress(*RAISED):
        found = _old_manner(environment)
    if found is not None:
        raise InputError(
            f"environment {env} must have reset(seed=..., options=...) -> (observation, info) and "
            "step(action) -> (observation, reward, terminated, truncated, info), but "
            f"{found}"
        )


def _old_manner(environment: gymnasium.Env) -> str | None:
    try:
        answer = environment.reset(seed=ROLLOUT_SEED)
    except TypeError as problem:
        for name in ("seed", "options"):
            if f"unexpected keyword argument '{name}'" in str(problem):
                return f"its reset takes no {name}"
        raise
    pair = isinstance(answer, tuple | list) and len(answer) == 2
    if not pair or environment.observation_space.contains(answer):
        return "its reset returns the observation alone"
    answer = environment.step(int(environment.action_space.start))
    n = len(answer) if isinstance(answer, tuple | list) else 1
    return None if n == 5 else f"its step returns {n} value{'s' * (n > 1)}"


def source_digest(environment: gymnasium.Env, creator: Callable) -> str | None:
    """16 hex digits over the source files of an environment, its wrappers and what creates it.

    Gymnasium's and Python's own are left out; None where no other is left.
    """
    kinds: list = [getattr(creator, "func", creator), *type(environment.unwrapped).__mro__]
    while isinstance(environment, gymnasium.Wrapper):
        kinds += type(environment).__mro__
        environment = environment.env
    kinds += type(environment).__mro__
    contents = set()
    for kind in kinds:
        package = str(getattr(kind, "__module__", "")).partition(".")[0]
        if package == "gymnasium" or package in sys.stdlib_module_names:
            continue
        # What is typed into a notebook has no file.
        with contextlib.suppress(TypeError, OSError):
            contents.add(Path(inspect.getsourcefile(kind)).read_bytes())
    if not contents:
        return None
    return hashlib.sha256(b"\0".join(sorted(contents))).hexdigest()[:16]
