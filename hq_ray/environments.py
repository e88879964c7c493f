"""Environments by id: resolved, checked, made, and read into models.

`resolve` does what is done once, where the sweep starts; `load_model` is what every process needs.
"""

import contextlib
import difflib
import importlib
import inspect
import json
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import gymnasium
import numpy as np
from gymnasium import error as gymnasium_error
from gymnasium.envs import registration
from gymnasium.envs.toy_text import CliffWalkingEnv, FrozenLakeEnv, TaxiEnv

import hq_ray
from hq_ray import envs  # registers VelocityGrid-v0
from hq_ray.envs.velocity_grid import VelocityGridEnv
from hq_ray.errors import HqRayError, InputError, ModelError, near_miss, reason_of
from hq_ray.model import Model, model_from_table
from hq_ray.replay import table_describes_steps
from hq_ray.spaces import numbering

DEFAULT_MAX_STEPS = 1000
OURS = envs.__name__


@dataclass(frozen=True)
class Environment:
    """A resolved environment.

    Attributes:
        id: the Gymnasium id that exists here.
        args: keyword arguments as canonical JSON.
        max_steps: its own step limit, or 1000 where it has none.
        fingerprint: of its model; None where it has no table that describes its steps.
        notices: sentences to show the person, such as an old id that was replaced.
    """

    id: str
    args: str
    max_steps: int
    fingerprint: str | None
    notices: tuple[str, ...] = ()


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


@lru_cache(maxsize=64)
def load_model(env: str, args: str) -> Model | None:
    """The environment's model, read once per process; None where it has no transition table."""
    environment = make(env, args)
    try:
        return read_model(environment)
    finally:
        close(environment)


def close(environment: gymnasium.Env) -> str | None:
    """Closes an environment that is of no more use; what it raises is only told."""
    try:
        environment.close()
    except Exception as problem:
        return reason_of(problem)
    return None


def read_model(environment: gymnasium.Env) -> Model | None:
    """The arrays of `P` and `initial_state_distrib`; None where they are missing.

    Also None for an id registered with wrappers of its own, which the table knows nothing of.
    """
    if environment.spec is not None and environment.spec.additional_wrappers:
        return None
    bare = environment.unwrapped
    table = getattr(bare, "P", None)
    start = getattr(bare, "initial_state_distrib", None)
    if table is None or start is None:
        return None
    return model_from_table(table, start, _goal(bare, len(table)))


def _goal(bare: gymnasium.Env, n_states: int) -> np.ndarray | None:
    """The goal states of the environments that are known; None for any other."""
    if isinstance(bare, CliffWalkingEnv | TaxiEnv):
        return np.ones(n_states, bool)  # nothing else ends an episode
    if isinstance(bare, FrozenLakeEnv):
        goal = np.ravel(bare.desc) == b"G"
    elif isinstance(bare, VelocityGridEnv):
        goal = np.arange(n_states) // (2 * bare.max_speed + 1) ** 2 == bare.width * bare.height - 1
    else:
        return None
    return goal if len(goal) == n_states else None


def resolve(env: str, args: Mapping[str, object] | None = None) -> Environment:
    """Finds, builds and checks an environment.

    A transition table is believed only after it has reproduced a few thousand random steps of the
    environment bit for bit, generator included; otherwise the Gymnasium loop trains on the
    environment itself, and a notice says so.

    Raises:
        InputError: unknown id or arguments, a space that is not finite, an environment that
            differs each time it is built.
    """
    args = dict(args or {})
    spec, notices = _find(env)
    resolved = _full_id(env, spec)
    _check_args(spec, args)
    text = canonical_args(args)
    with _refused(f"environment {resolved} refuses {text}"):
        environment, again = make(resolved, text), make(resolved, text)
    numbering(environment, resolved)
    try:
        model = read_model(environment)
        other = read_model(again)
    except ModelError as problem:
        raise InputError(f"environment {resolved} with {text}: {problem}") from None
    if model is not None and other.fingerprint != model.fingerprint:
        raise InputError(
            f"environment {resolved} with {text} must be the same each time it is built, but two "
            "builds differ; give arguments that fix it (for FrozenLake: map_name or desc)"
        )
    why = "has no transition table that the kernel could use"
    if model is not None and not _believed(environment, model):
        model, why = None, "has a transition table that does not describe its steps"
    if model is None:
        slow = "so it trains on the Gymnasium loop, some hundred times slower"
        notices = (*notices, f"{resolved} {why}, {slow}")
    raised = [reason for reason in (close(environment), close(again)) if reason]
    if raised:
        notices = (*notices, f"close() of {resolved} must not raise, but: {raised[0]}")
    return Environment(
        id=resolved,
        args=text,
        max_steps=spec.max_episode_steps or DEFAULT_MAX_STEPS,
        fingerprint=model.fingerprint if model is not None else None,
        notices=notices,
    )


@contextlib.contextmanager
def _refused(sentence: str) -> Iterator[None]:
    """Whatever the user's code raises as an InputError; a SystemExit must not end the command."""
    try:
        yield
    except (HqRayError, KeyboardInterrupt):
        raise
    except BaseException as problem:
        raise InputError(f"{sentence}: {reason_of(problem)}") from problem


def _believed(environment: gymnasium.Env, model: Model) -> bool:
    try:
        return table_describes_steps(environment, model)
    except Exception:
        # Steps that the table allows and the environment refuses: not its description either.
        return False


def _full_id(asked: str, spec: registration.EnvSpec) -> str:
    module, colon, _ = asked.rpartition(":")
    return f"{module}{colon}{spec.id}"


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
    if newest is None or (version is not None and version > newest):
        if newest is not None:
            hint = f"; did you mean '{registration.get_env_id(namespace, stem, newest)}'?"
        else:
            hint = _near_env(name)
        raise InputError(f"unknown environment {env!r}{hint}")
    present = registration.get_env_id(namespace, stem, newest)
    return gymnasium.registry[present], (f"environment {env} is now {present}",)


def _near_env(name: str) -> str:
    hint = near_miss(name, gymnasium.registry)
    if hint.startswith("; did"):
        return hint
    # Too far for a single guess; the toy-text family is what most people mean.
    tabular = sorted(
        spec.id
        for spec in gymnasium.registry.values()
        if spec.namespace is None and ("toy_text" in str(spec.entry_point) or OURS in spec.id)
    )
    close = difflib.get_close_matches(name, tabular, n=3, cutoff=0.3) or tabular
    return f"; known among others: {', '.join(dict.fromkeys(['VelocityGrid-v0', *close]))}"


def _check_args(spec: registration.EnvSpec, args: Mapping[str, object]) -> None:
    creator = spec.entry_point
    if isinstance(creator, str):
        with _refused(f"environment {spec.id} must be importable, but"):
            creator = registration.load_env_creator(creator)
    parameters = inspect.signature(creator).parameters
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
