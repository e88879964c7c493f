"""Environments by id: found, checked, made, read into models, and their identity.

`resolve` does what is done once, where a sweep starts; `load_model` and `load_source` serve every
process. Without a believed table the digest of a rollout identifies an environment in its trials'
ids. A rollout can miss what happens rarely, so a digest of the source files is kept outside the id.
"""

import hashlib
import inspect
import json
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import error as gymnasium_error
from gymnasium.envs import registration

from hq_ray import envs  # registers the environments of this project
from hq_ray.belief import believed_model, read_model
from hq_ray.errors import InputError, did_you_mean, near_miss, reason_of
from hq_ray.model import Model
from hq_ray.spaces import numbering
from hq_ray.trial import ROLLOUT, UNSEEDED, canonical, environment_key
from hq_ray.user_code import RAISED, import_user_module, in_child_process, quiet, refused

# What Gymnasium takes for no step limit; the environment's own code may still have one.
NO_LIMIT = -1
# Where seeds do not fix an environment, two rollouts may still agree by chance.
ROLLOUTS = 4
ROLLOUT_SEED = 20_260_000
ROLLOUT_EPISODES, ROLLOUT_STEPS = 10, 1_000
# Repeating most actions gets further than a random walk.
REPEAT_SHARE = 0.75
# What the first reset or step raises where they take and return what the old gym's did.
OF_OLD_GYM = ("unexpected keyword argument", "unpack")
# In place of a digest where a rollout ends its process.
DIED = "0" * 16


@dataclass(frozen=True)
class Environment:
    """A resolved environment.

    Attributes:
        id: the Gymnasium id that exists here.
        args: keyword arguments as canonical JSON.
        max_steps: its own step limit, or 1000 where it has none.
        fingerprint: of its model; without a believed table, of a rollout, or `unseeded`.
        source: digest of the files of its classes outside Gymnasium, if there are any.
        engine: which engine trains it, and why.
        notices: sentences for the user, such as an old id that was replaced.
    """

    id: str
    args: str
    max_steps: int
    fingerprint: str
    source: str | None
    engine: str
    notices: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Id and arguments, as sweep.json names it."""
        return environment_key(self.id, self.args)


def make(
    env: str, args: str, max_steps: int | None = None, render_mode: str | None = None
) -> gymnasium.Env:
    """The environment with `max_steps` as its step limit, without Gymnasium's checker."""
    module, _, _ = env.rpartition(":")
    if module:
        import_user_module(module, f"the module of environment {env!r}")
    keywords = json.loads(args)
    if render_mode is not None:
        keywords["render_mode"] = render_mode
    with warnings.catch_warnings(action="ignore"):  # `resolve` tells of newer versions
        return gymnasium.make(
            env, max_episode_steps=max_steps, disable_env_checker=True, **keywords
        )


@contextmanager
def made(
    env: str, args: str, max_steps: int, render_mode: str | None = None
) -> Iterator[gymnasium.Env]:
    """The environment for the length of a block; what its `close` raises does not matter."""
    environment = make(env, args, max_steps, render_mode)
    try:
        yield environment
    finally:
        with suppress(*RAISED):
            environment.close()


def load_model(env: str, args: str) -> Model | None:
    """The environment's model, read once per process; None where no table of it is believed."""
    return _examine(env, args, *_registration(_find(env)[0]))[0]


def load_source(env: str, args: str) -> str | None:
    """The digest of the environment's source files as they are here; see `source_digest`."""
    return _examine(env, args, *_registration(_find(env)[0]))[2]


def resolve(
    env: str, args: Mapping[str, object] | None = None, of_range: bool = False
) -> Environment:
    """Finds, builds and checks an environment.

    A transition table is believed where it must describe the steps (see `hq_ray.belief`);
    otherwise the Gymnasium loop trains on the environment itself, and a notice says so. An argument
    at its default is told too, unless it is `of_range`, one of several values.

    Raises:
        InputError: unknown id or arguments, a space that is not finite, the old gym's interface.
    """
    args = dict(args or {})
    spec, notices = _find(env)
    notices += _check_args(spec, args, of_range)
    module, colon, _ = env.rpartition(":")
    env, text = f"{module}{colon}{spec.id}", canonical(args)
    limit = spec.max_episode_steps or 1000
    model, reason, source = _examine(env, text, *_registration(spec))
    if model is None:
        fingerprint = _rollout_fingerprint(env, text, limit)
    else:
        fingerprint = model.fingerprint
        with _built(env, text, NO_LIMIT) as environment:
            if read_model(environment).fingerprint != fingerprint:
                model, fingerprint = None, UNSEEDED
                reason = "has another transition table each time it is built"
    if model is None:
        notices.append(
            f"{env} trains on the Gymnasium loop, some hundred times slower than the kernel: it "
            f"{reason}"
        )
    if fingerprint == UNSEEDED:
        notices.append(
            f"{env} with {text} is not the same each time it is built and reset with one seed, so "
            "its seeds are never paired and its trials cannot be replayed; it would have to draw "
            "from np_random alone, or be given arguments that fix it (for FrozenLake: map_name or "
            "desc)"
        )
    engine = f"{'gymnasium' if model is None else 'kernel'}: it {reason}"
    return Environment(env, text, limit, fingerprint, source, engine, tuple(notices))


def _registration(spec: registration.EnvSpec) -> tuple[Callable, str]:
    """What changes when an id is registered anew, on which the cached function below depends."""
    return _creator(spec), repr(spec)


@lru_cache(maxsize=256)
def _examine(
    env: str, args: str, creator: Callable, registered: str
) -> tuple[Model | None, str, str | None]:
    """The model that is believed, why it is or is not, and the digest of the source."""
    with _built(env, args, NO_LIMIT) as environment:
        numbering(environment, env)
        return *believed_model(environment), source_digest(environment, creator)


@contextmanager
def _built(env: str, args: str, max_steps: int) -> Iterator[gymnasium.Env]:
    """An environment for the length of a block, in which it shows nothing on the terminal."""
    with quiet(), refused(f"environment {env} refuses {args}"), made(env, args, max_steps) as built:
        yield built


def _rollout_fingerprint(env: str, args: str, limit: int) -> str:
    """The fingerprint of an environment without a believed table.

    Raises:
        InputError: it has the interface of the old gym.
    """
    answer = in_child_process(partial(_rollouts, env, args, limit)) or {DIED}
    if isinstance(answer, str):
        raise InputError(answer)
    return UNSEEDED if len(answer) > 1 else ROLLOUT + answer.pop()


def _rollouts(env: str, args: str, limit: int) -> set[str] | str:
    """The digests of some rollouts, or why they cannot be made."""
    digests = set()
    for _ in range(ROLLOUTS):
        try:
            with _built(env, args, limit) as environment:
                digests.add(rollout_digest(environment, env))
        except InputError as problem:
            return str(problem)
    return digests


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
        with suppress(TypeError, OSError):
            contents.add(Path(inspect.getsourcefile(kind) or "").read_bytes())
    if not contents:
        return None
    return hashlib.sha256(b"\0".join(sorted(contents))).hexdigest()[:16]


def _find(env: str) -> tuple[registration.EnvSpec, list[str]]:
    """The registered spec of an id, or of the present version of an old id with a notice."""
    module, colon, name = env.rpartition(":")
    if colon and not module:
        raise InputError(
            f"an environment id must look like 'Name-v0' or 'module:Name-v0', got {env!r}"
        )
    if module:
        import_user_module(module, f"the module of environment {env!r}")
    if name in gymnasium.registry:
        return gymnasium.registry[name], []
    try:
        namespace, stem, version = registration.parse_env_id(name)
    except gymnasium_error.Error:
        raise InputError(f"an environment id must look like 'Name-v0', got {env!r}") from None
    newest = registration.find_highest_version(namespace, stem)
    if newest is not None and (version is None or version < newest):
        present = registration.get_env_id(namespace, stem, newest)
        return gymnasium.registry[present], [f"environment {env} is now {present}"]
    hint = did_you_mean(name, gymnasium.registry)
    if not hint:
        # Not all of Gymnasium's own: ours and the toy-text family are what most people mean.
        entries = ((spec.id, str(spec.entry_point)) for spec in gymnasium.registry.values())
        tabular = [id_ for id_, at in entries if envs.__name__ in at or "toy_text" in at]
        hint = f"; known among others: {', '.join(reversed(tabular))}"
    raise InputError(f"unknown environment {env!r}{hint}")


def _creator(spec: registration.EnvSpec) -> Callable:
    entry_point: Any = spec.entry_point
    if not isinstance(entry_point, str):
        return entry_point
    with refused(f"environment {spec.id} must be importable, but"):
        return registration.load_env_creator(entry_point)


def _check_args(
    spec: registration.EnvSpec, args: Mapping[str, object], of_range: bool
) -> list[str]:
    """Checks the names of arguments; returns a notice of those that change nothing but ids."""
    parameters = inspect.signature(_creator(spec)).parameters
    if "render_mode" in args:
        raise InputError("render_mode is not an argument of a trial; use --record_video")
    known = [name for name in parameters if name not in ("self", "render_mode")]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for name in args:
        if name not in known and not takes_any:
            raise InputError(
                f"environment {spec.id} has no argument {name!r}{near_miss(name, known)}"
            )
    defaults = {name: parameter.default for name, parameter in parameters.items()} | spec.kwargs
    same = [
        f"{name} {value!r}"
        for name, value in args.items()
        if isinstance(value, bool | int | float | str) and defaults.get(name) == value
    ]
    if of_range or not same:
        return []
    return [
        f"{spec.id} has {' and '.join(same)} by default, but trials with and without an argument "
        "at its default have different ids, and are trained twice"
    ]
