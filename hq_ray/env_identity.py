"""What tells an environment without a believed table from another: a rollout, and its source.

The digest of a rollout is part of every trial's id. It can miss what happens rarely, so the digest
of the source files goes beside it, outside the id.
"""

import contextlib
import hashlib
import inspect
import json
import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import gymnasium
import numpy as np

ROLLOUT_SEED = 20_260_000
ROLLOUT_EPISODES, ROLLOUT_STEPS = 10, 1_000
# Actions are mostly repeated, which comes further than a random walk.
REPEAT_SHARE = 0.75
# In the place of a digest where the rollout ends its process.
DIED = "0" * 16
# What an environment's own code may raise; Ctrl-C is the person's.
RAISED = (Exception, SystemExit)

Answer = TypeVar("Answer")


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


def old_manner(environment: gymnasium.Env) -> str | None:
    """In what an environment is one of the old gym; None where it is not, or raises otherwise."""
    with contextlib.suppress(*RAISED):
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
        if n != 5:
            return f"its step returns {n} value{'s' * (n > 1)}"
    return None


def apart(function: Callable[[], Answer]) -> Answer | None:
    """What a function answers, as JSON, in a process of its own; None where that dies.

    So an environment that ends its process does not end this one, and what it prints by any way is
    not seen. Only Linux forks safely; elsewhere it is called here.
    """
    if sys.platform != "linux":
        return function()
    receiver, sender = os.pipe()
    with quiet():  # Python warns of forks where there are threads; nothing of theirs is called
        child = os.fork()
    if child == 0:
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            os.write(sender, json.dumps(function()).encode() + b"\n")
        finally:
            os._exit(0)
    os.close(sender)
    try:
        with open(receiver, encoding="utf-8") as stream:
            text = stream.readline()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return json.loads(text) if text else None


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
