"""Whether a transition table is believed: whose code makes the steps, and a replay of some.

A replay cannot show what happens rarely, so two things must hold. `step` and `reset` are the
functions of a class that is known to follow its table, or that says `table_describes_steps = True`
in its own body, and nothing that these functions use is replaced. And a replay agrees.
"""

import inspect
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.toy_text import CliffWalkingEnv, FrozenLakeEnv, TaxiEnv
from gymnasium.wrappers import OrderEnforcing

from hq_ray.envs.table_env import TableEnv
from hq_ray.errors import ModelError
from hq_ray.model import Model, model_from_table
from hq_ray.user_code import RAISED

REPLAY_SEED = 20_260_000
REPLAY_STEPS = 2_000
REPLAY_EPISODE = 100

KNOWN = (CliffWalkingEnv, FrozenLakeEnv, TaxiEnv, TableEnv)
OPT_IN = "table_describes_steps"
HOOKS = {"__getattribute__", "__getattr__", "__setattr__", "__delattr__"}
# No step depends on these.
HARMLESS = {"close", "metadata", "render"}


def believed_model(environment: gymnasium.Env) -> tuple[Model | None, str]:
    """The model if its table is believed, and why it is or is not.

    Args:
        environment: made without a step limit, which would hide one of its own.
    """
    try:
        bare: Any = environment.unwrapped
        if getattr(bare, "P", None) is None or getattr(bare, "initial_state_distrib", None) is None:
            return None, "has no transition table that the kernel could use"
        doubt = next(_doubts(_inner(environment)), None)
        if doubt is not None:
            return None, f"has {doubt}"
        model = read_model(environment)
    except RAISED as problem:
        reason = f"{problem}" if isinstance(problem, ModelError) else type(problem).__name__
        return None, f"has a transition table that cannot be read ({reason})"
    agrees = False
    with suppress(*RAISED):  # the table may allow steps that the environment refuses
        agrees = replay_agrees(environment, model)
    if not agrees:
        return None, "has a transition table that does not describe its steps"
    owner = _defining_class(type(bare), "step").__name__
    return model, f"has a transition table that describes the steps of {owner}"


def read_model(environment: gymnasium.Env) -> Model:
    """The arrays of `P` and `initial_state_distrib`.

    Raises:
        ModelError: they are no transition table.
    """
    bare: Any = environment.unwrapped
    # Where the greatest reward does not tell success.
    goal = getattr(bare, "goal_states", None)
    if isinstance(bare, FrozenLakeEnv):
        goal = np.ravel(bare.desc) == b"G"
    is_mask = isinstance(goal, np.ndarray) and goal.dtype == bool and goal.shape == (len(bare.P),)
    return model_from_table(bare.P, bare.initial_state_distrib, goal if is_mask else None)


def _inner(environment: gymnasium.Env) -> gymnasium.Env:
    """The environment without the wrapper of gymnasium.make that passes its steps on unchanged."""
    inner: Any = environment
    while type(inner) is OrderEnforcing and not vars(inner).keys() & {"step", "reset"}:
        inner = inner.env
    return inner


def _defining_class(kind: type, name: str) -> type:
    return next(cls for cls in kind.__mro__ if name in vars(cls))


def _doubts(inner: gymnasium.Env) -> Iterator[str]:
    """What an environment has that its table need not describe."""
    kind = type(inner)
    if isinstance(inner, gymnasium.Wrapper):
        yield f"steps of the wrapper {kind.__name__}, which its transition table need not describe"
    if getattr(inner, "fickle_passenger", False):
        yield "a fickle passenger, which its transition table does not describe"
    believed: set[type] = set()
    names = set(vars(gymnasium.Env))
    for method in ("step", "reset"):
        owner = _defining_class(kind, method)
        if owner not in KNOWN and vars(owner).get(OPT_IN) is not True:
            yield _own(method, f"in {owner.__name__}")
        code: Any = getattr(vars(owner)[method], "__code__", None)
        if code is None or code.co_qualname != f"{owner.__qualname__}.{method}":
            yield f"a {method} that was put into {owner.__name__} from elsewhere"
        believed |= set(owner.__mro__)
        # A known class uses no others; another class may use any.
        names |= set(dir(owner) if owner not in KNOWN else code.co_names)
    # The code of a believed class meets another class's only through a name that it uses or a hook.
    names -= HARMLESS
    for cls in (cls for cls in kind.__mro__ if cls not in believed):
        for name in vars(cls):
            dunder = name.startswith("__") and name.endswith("__")
            if name in HOOKS or (name in names and not dunder):
                yield _own(name, f"in {cls.__name__}")
    for name in sorted(vars(inner).keys() & names):
        if callable(inspect.getattr_static(kind, name, None)):
            yield _own(name, "on the instance")


def _own(name: str, where: str) -> str:
    return (
        f"a {name} of its own {where}, which its transition table need not describe (if it does, "
        f"{OPT_IN} = True in the body of the class that defines step and reset says so)"
    )


def replay_agrees(environment: gymnasium.Env, model: Model) -> bool:
    """Steps the environment at random beside its model, with one random stream for both.

    True if every state, reward, flag, and the generator's state at the end agree. Observations
    must be the state numbers themselves.
    """
    for space, n in (
        (environment.observation_space, model.n_states),
        (environment.action_space, model.n_actions),
    ):
        if not isinstance(space, gymnasium.spaces.Discrete) or (space.start, space.n) != (0, n):
            return False
    environment = _inner(environment)
    ours = np.random.Generator(np.random.PCG64(np.random.SeedSequence(REPLAY_SEED)))
    choose = np.random.Generator(np.random.PCG64(0))
    seed: int | None = REPLAY_SEED
    steps = 0
    while steps < REPLAY_STEPS:
        observation, _ = environment.reset(seed=seed)
        seed = None
        # The first sum above the draw, or index 0, as in Gymnasium's `categorical_sample`.
        state = int(np.argmax(model.start_cumulative > ours.random()))
        if observation != state:
            return False
        for _ in range(REPLAY_EPISODE):
            steps += 1
            action = int(choose.integers(model.n_actions))
            observation, reward, terminated, truncated, _ = environment.step(action)
            outcome = np.argmax(model.cumulative[state, action] > ours.random())
            here = (state, action, outcome)
            expected = (model.next_state[here], model.reward[here], model.terminated[here], False)
            if (observation, reward, terminated, truncated) != expected:
                return False
            state = int(model.next_state[here])
            if terminated:
                break
    return environment.np_random.bit_generator.state == ours.bit_generator.state
