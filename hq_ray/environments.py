"""Environments by id: resolved, checked, made, and read into models.

`resolve` does what is done once, where the sweep starts; `load_model` and `load_source` are what
every process needs.
"""

import dis
import importlib
import inspect
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial, wraps
from typing import NamedTuple

import gymnasium
from gymnasium import error as gymnasium_error
from gymnasium.envs import registration

import hq_ray
from hq_ray import envs  # registers VelocityGrid-v0
from hq_ray.compiled import COMPILES
from hq_ray.env_identity import (
    DIED,
    RAISED,
    apart,
    old_manner,
    quiet,
    rollout_digest,
    source_digest,
)
from hq_ray.errors import HqRayError, InputError, near_miss, reason_of
from hq_ray.model import Model
from hq_ray.replay import believed_model, read_model
from hq_ray.spaces import numbering
from hq_ray.tables import kernel_tables
from hq_ray.trial import ROLLOUT, UNSEEDED

DEFAULT_MAX_STEPS = 1000
# Gymnasium's way of asking for no step limit; one that is left is the environment's own.
NO_LIMIT = -1
# Rollouts that must agree with the first one. Each may agree by chance.
REPEATS = 3
OURS = envs.__name__


@dataclass(frozen=True)
class Environment:
    """A resolved environment.

    Attributes:
        id: the Gymnasium id that exists here.
        args: keyword arguments as canonical JSON.
        max_steps: its own step limit, or 1000 where it has none.
        fingerprint: of its model; without a table that is believed, of a rollout or `unseeded`.
        source: digest of the files of its classes outside Gymnasium, if there are any.
        engine: which engine trains it, and why.
        notices: sentences to show the person, such as an old id that was replaced.
    """

    id: str
    args: str
    max_steps: int
    fingerprint: str
    source: str | None
    engine: str
    notices: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Id and arguments, as sweep.json names it."""
        return f"{self.id} {self.args}"


def told_of(environments: Iterable[Environment]) -> dict[str, dict[str, str | None]]:
    """What sweep.json says of environments, by name."""
    of = list(environments)
    return {
        "fingerprints": {one.name: one.fingerprint for one in of},
        "sources": {one.name: one.source for one in of},
        "engines": {one.name: one.engine for one in of},
    }


def canonical_args(args: Mapping[str, object]) -> str:
    """Keyword arguments as JSON with sorted keys and no spaces; `{}` for none."""
    try:
        return json.dumps(dict(args), sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as problem:
        raise InputError(f"env_args must be plain JSON values, got {args!r}: {problem}") from None


def make(
    env: str, args: str, max_steps: int | None = None, render_mode: str | None = None
) -> gymnasium.Env:
    """The environment with `max_steps` as its step limit, without Gymnasium's checker."""
    module, _, _ = env.rpartition(":")
    if module:
        _import_users(module)
    keywords = json.loads(args)
    if render_mode is not None:
        keywords["render_mode"] = render_mode
    with warnings.catch_warnings():
        # Notices about newer versions are given once, by `resolve`.
        warnings.simplefilter("ignore")
        return gymnasium.make(
            env, max_episode_steps=max_steps, disable_env_checker=True, **keywords
        )


def _import_users(module: str) -> None:
    """Imports a module of the user's own, whatever it is called.

    Where a source tree of ours is on the path, its folders `envs`, `sweeps` and `analysis` are not
    to stand in for the user's of these names.
    """
    ours = [path for path in sys.path if path in hq_ray.__path__ and path != os.getcwd()]
    sys.path[:] = [path for path in sys.path if path not in ours]
    try:
        importlib.import_module(module)
    finally:
        sys.path += ours


def _while_registered(function: Callable) -> Callable:
    """Keeps what a function says of (env, args), each until its id is registered anew.

    It is called with the registered spec before these.
    """
    kept: dict[tuple[str, str], tuple] = {}

    @wraps(function)
    def ask(env: str, args: str) -> object:
        spec, _ = _find(env)
        key = (spec, _creator(spec))
        before, answer = kept.get((env, args), ((None, None), None))
        if before[0] is not key[0] or before[1] is not key[1]:
            answer = function(spec, env, args)
            kept[env, args] = key, answer
        return answer

    return ask


class _Examined(NamedTuple):
    """What one build of an environment shows; `closing` is what its `close` raises."""

    model: Model | None
    why: str
    hint: str
    source: str | None
    closing: str | None


def load_model(env: str, args: str) -> Model | None:
    """The environment's model, read once per process; None where no table of it is believed."""
    return _examine(env, args).model


def load_source(env: str, args: str) -> str | None:
    """The digest of the environment's source files as they are here; see `source_digest`."""
    return _examine(env, args).source


@_while_registered
def _examine(spec: registration.EnvSpec, env: str, args: str) -> _Examined:
    with _built(env, args, NO_LIMIT) as environment:
        numbering(environment, env)
        model, why, hint = believed_model(environment)
        source = source_digest(environment, _creator(spec))
        return _Examined(model, why, hint, source, close(environment))


@contextmanager
def _built(env: str, args: str, max_steps: int) -> Iterator[gymnasium.Env]:
    """An environment for the length of a block in which it shows nothing on the terminal."""
    with quiet():
        with _refused(f"environment {env} refuses {args}"):
            environment = make(env, args, max_steps)
        try:
            yield environment
        finally:
            close(environment)


def close(environment: gymnasium.Env) -> str | None:
    """Closes an environment that is of no more use; what it raises is only told."""
    try:
        environment.close()
    except RAISED as problem:
        return reason_of(problem)
    return None


def resolve(env: str, args: Mapping[str, object] | None = None) -> Environment:
    """Finds, builds and checks an environment.

    A transition table is believed where it must describe the steps (see `hq_ray.replay`);
    otherwise the Gymnasium loop trains on the environment itself, and a notice says so.

    Raises:
        InputError: unknown id or arguments, a space that is not finite, an environment in the
            manner of the old gym.
    """
    args = dict(args or {})
    spec, notices = _find(env)
    _check_args(spec, args)
    module, colon, _ = env.rpartition(":")
    found = _resolve(f"{module}{colon}{spec.id}", canonical_args(args))
    return replace(found, notices=(*notices, *_at_default(spec, args), *found.notices))


@_while_registered
def _resolve(spec: registration.EnvSpec, env: str, args: str) -> Environment:
    limit = spec.max_episode_steps or DEFAULT_MAX_STEPS
    model, why, hint, source, closing = _examine(env, args)
    engine, notices = "gymnasium", []
    if model is None:
        fingerprint = _known_by_rollouts(env, args, limit)
    elif _model_again(env, args) != model.fingerprint:
        fingerprint, why = UNSEEDED, "has another transition table each time it is built"
    else:
        fingerprint = model.fingerprint
        if not COMPILES:
            why = "has a transition table, but NUMBA_DISABLE_JIT is set"
        elif kernel_tables(model) is None:
            why = "has a transition table that is too large for the kernel"
        else:
            engine = "kernel"
    if engine == "gymnasium" and COMPILES:
        notices.append(
            f"{env} {why}, so it trains on the Gymnasium loop, some hundred times slower{hint}"
        )
    if fingerprint == UNSEEDED:
        notices.append(
            f"{env} with {args} is not the same each time it is built and reset with one seed, so "
            "its seeds are never paired and its trials cannot be replayed; it would have to draw "
            "from np_random alone, or be given arguments that fix it (for FrozenLake: map_name or "
            "desc)"
        )
    if closing is not None:
        notices.append(f"close() of {env} must not raise, but: {closing}")
    return Environment(
        id=env,
        args=args,
        max_steps=limit,
        fingerprint=fingerprint,
        source=source,
        engine=f"{engine}: it {why}",
        notices=tuple(notices),
    )


@contextmanager
def _refused(sentence: str) -> Iterator[None]:
    """Whatever the user's code raises as an InputError; a SystemExit must not end the command."""
    try:
        yield
    except BaseException as problem:
        if isinstance(problem, HqRayError) or _is_ctrl_c(problem):
            raise
        raise InputError(f"{sentence}: {reason_of(problem)}") from problem


def _is_ctrl_c(problem: BaseException) -> bool:
    """Whether a signal raised it, in whatever line the process was, and no `raise` of the code."""
    last = problem.__traceback__
    while last.tb_next is not None:
        last = last.tb_next
    instruction = dis.opname[last.tb_frame.f_code.co_code[last.tb_lasti]]
    return isinstance(problem, KeyboardInterrupt) and instruction != "RAISE_VARARGS"


def _model_again(env: str, args: str) -> str | None:
    """The fingerprint of another build's model."""
    with _built(env, args, NO_LIMIT) as environment, suppress(*RAISED):
        return read_model(environment).fingerprint
    return None


def _known_by_rollouts(env: str, args: str, limit: int) -> str:
    """The fingerprint of an environment without a model.

    Raises:
        InputError: the environment is in the manner of the old gym.
    """
    found = apart(partial(_rollouts, env, args, limit))
    if found is None:
        return ROLLOUT + DIED
    old, digests = found
    if old is not None:
        raise InputError(
            f"environment {env} must have reset(seed=..., options=...) -> (observation, info) and "
            f"step(action) -> (observation, reward, terminated, truncated, info), but {old}"
        )
    return ROLLOUT + digests[0] if len(digests) == 1 else UNSEEDED


def _rollouts(env: str, args: str, limit: int) -> tuple[str | None, list[str]]:
    """In what the environment is of the old gym; the digests of rollouts, more than one or not."""
    with _built(env, args, NO_LIMIT) as environment:
        old = old_manner(environment)
    digests: set[str] = set()
    for _ in range(1 + REPEATS):
        if old is None and len(digests) < 2:
            with _built(env, args, limit) as environment:
                digests.add(rollout_digest(environment))
    return old, list(digests)


def _find(env: str) -> tuple[registration.EnvSpec, tuple[str, ...]]:
    """The registered spec for an id, the present version standing in for an old one."""
    module, colon, name = env.rpartition(":")
    if colon and not module:
        raise InputError(
            f"an environment id must look like 'Name-v0' or 'module:Name-v0', got {env!r}"
        )
    if module:
        with _refused(f"the module of environment {env!r} must be importable, but"):
            _import_users(module)
    if name in gymnasium.registry:
        return gymnasium.registry[name], ()
    try:
        namespace, stem, version = registration.parse_env_id(name)
    except gymnasium_error.Error:
        raise InputError(f"an environment id must look like 'Name-v0', got {env!r}") from None
    newest = registration.find_highest_version(namespace, stem)
    if newest is not None and (version is None or version < newest):
        present = registration.get_env_id(namespace, stem, newest)
        return gymnasium.registry[present], (f"environment {env} is now {present}",)
    hint = near_miss(name, gymnasium.registry)
    if "did you mean" not in hint:
        # Too far for a single guess: ours and the toy-text family are what most people mean.
        entries = ((spec.id, str(spec.entry_point)) for spec in gymnasium.registry.values())
        tabular = [one for one, entry in entries if OURS in entry or "toy_text" in entry]
        hint = f"; known among others: {', '.join(reversed(tabular))}"
    raise InputError(f"unknown environment {env!r}{hint}")


def _creator(spec: registration.EnvSpec) -> Callable:
    if not isinstance(spec.entry_point, str):
        return spec.entry_point
    with _refused(f"environment {spec.id} must be importable, but"):
        return registration.load_env_creator(spec.entry_point)


def _at_default(spec: registration.EnvSpec, args: Mapping[str, object]) -> list[str]:
    """A notice of arguments that change nothing but the ids of trials."""
    parameters = inspect.signature(_creator(spec)).parameters
    defaults = {name: parameter.default for name, parameter in parameters.items()} | spec.kwargs
    same = [
        f"{name} {value!r}"
        for name, value in args.items()
        if isinstance(value, bool | int | float | str) and defaults.get(name) == value
    ]
    if not same:
        return []
    return [
        f"{spec.id} has {' and '.join(same)} by default, but trials with and without an argument "
        "at its default have different ids, and are trained twice"
    ]


def _check_args(spec: registration.EnvSpec, args: Mapping[str, object]) -> None:
    parameters = inspect.signature(_creator(spec)).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    known = [name for name in parameters if name not in ("self", "render_mode")]
    for name in args:
        if name == "render_mode":
            raise InputError("render_mode is not an argument of a trial; use --record_video")
        if name not in known:
            raise InputError(
                f"environment {spec.id} has no argument {name!r}{near_miss(name, known)}"
            )
