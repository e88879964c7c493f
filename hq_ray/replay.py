"""Whether a transition table is believed: whose functions make the steps, and a replay of some.

A replay cannot show what happens rarely, so it is not enough. A table must describe the steps
where `step` and `reset` are the very functions of a class that is known to follow its table, or
that says so by `table_describes_steps = True` in its own body, and nothing stands between these
functions and the learner.
"""

import functools
import inspect
from collections.abc import Iterator
from types import CodeType, FunctionType

import gymnasium
import numpy as np
from gymnasium.envs.toy_text import CliffWalkingEnv, FrozenLakeEnv, TaxiEnv
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker

from hq_ray.env_identity import RAISED
from hq_ray.envs.velocity_grid import VelocityGridEnv
from hq_ray.errors import ModelError
from hq_ray.model import Model, model_from_table

REPLAY_SEED = 20_260_000
REPLAY_STEPS = 2_000
REPLAY_EPISODE = 100

KNOWN = (CliffWalkingEnv, FrozenLakeEnv, TaxiEnv)
OPT_IN = "table_describes_steps"
HINT = (
    f"; if its table does describe it, {OPT_IN} = True in the body of the class that defines step "
    "and reset says so"
)
# What gymnasium.make adds besides the step limit; they pass every step on as it is.
PLAIN_WRAPPERS = (OrderEnforcing, PassiveEnvChecker)
HOOKS = ("__getattribute__", "__getattr__", "__setattr__")


def believed_model(environment: gymnasium.Env) -> tuple[Model | None, str, str]:
    """The model, why it is believed or not, and what the person can do about that."""
    try:
        bare, names = environment.unwrapped, ("P", "initial_state_distrib")
        if any(getattr(bare, name, None) is None for name in names):
            return None, "has no transition table that the kernel could use", ""
        doubt = mistrust(environment)
        if doubt is not None:
            what, hint = doubt
            return None, f"has {what}, which its transition table need not describe", hint
        model = read_model(environment)
    except RAISED as problem:
        reason = f"{problem}" if isinstance(problem, ModelError) else type(problem).__name__
        return None, f"has a transition table that cannot be read ({reason})", ""
    try:
        agrees = table_describes_steps(environment, model)
    except RAISED:
        # Steps that the table allows and the environment refuses: not its description either.
        agrees = False
    if not agrees:
        return None, "has a transition table that does not describe its steps", ""
    owner = type(stepped(environment)).step.__qualname__.split(".")[-2]
    return model, f"has a transition table that describes the steps of {owner}", ""


def read_model(environment: gymnasium.Env) -> Model:
    """The arrays of `P` and `initial_state_distrib`.

    Raises:
        ModelError: they are no transition table.
    """
    bare = environment.unwrapped
    return model_from_table(bare.P, bare.initial_state_distrib, _goal(bare, len(bare.P)))


def _goal(bare: gymnasium.Env, n_states: int) -> np.ndarray | None:
    """The goal states of environments whose rewards need not tell; None for any other.

    Of the cliff and the taxi they do: their own tables end an episode nowhere else.
    """
    if isinstance(bare, FrozenLakeEnv):
        goal = np.ravel(bare.desc) == b"G"
    elif isinstance(bare, VelocityGridEnv):
        goal = np.arange(n_states) // (2 * bare.max_speed + 1) ** 2 == bare.width * bare.height - 1
    else:
        return None
    return goal if len(goal) == n_states else None


def stepped(environment: gymnasium.Env) -> gymnasium.Env:
    """What makes the steps: the environment without the wrappers that pass them on unchanged."""
    while type(environment) in PLAIN_WRAPPERS and not vars(environment).keys() & {"step", "reset"}:
        environment = environment.env
    return environment


def mistrust(environment: gymnasium.Env) -> tuple[str, str] | None:
    """What an environment has that its table need not describe, and what to do; None: nothing.

    Args:
        environment: made without a step limit, which would hide one of its own.
    """
    inner = stepped(environment)
    kind = type(inner)
    if isinstance(inner, gymnasium.Wrapper) or inner.unwrapped is not inner:
        return f"steps of the wrapper {kind.__name__}", ""
    for method in ("step", "reset"):
        owner = next(cls for cls in kind.__mro__ if method in vars(cls))
        if owner not in KNOWN and vars(owner).get(OPT_IN) is not True:
            return f"a {method} of its own in {owner.__name__}", HINT
        if owner is TaxiEnv and getattr(inner, "fickle_passenger", False):
            return "a fickle passenger", ""
        used = {method, *_used(owner, method, human=inner.render_mode == "human")}
        for cls in kind.__mro__[:-1]:  # without object
            for name in sorted(used & vars(cls).keys()):
                if cls not in owner.__mro__:
                    return f"a {name} of its own in {cls.__name__}", HINT
                trusted = owner not in KNOWN and (cls, name) != (owner, method)
                if not trusted and not _written_in(cls, name):
                    return f"a {name} that was put into {cls.__name__} from elsewhere", HINT
        for name in sorted(used & vars(inner).keys()):
            if callable(inspect.getattr_static(kind, name, None)):
                return f"a {name} of its own on the instance", HINT
    return None


@functools.lru_cache(maxsize=256)
def _used(owner: type, method: str, human: bool) -> frozenset[str]:
    """The names that a method of a class goes through, also by way of other methods."""
    names, looked_up = set(HOOKS), [method]
    for name in looked_up:
        for cls in owner.__mro__:
            for code in _codes(vars(cls).get(name)):
                # Pictures change no step, and nobody looks where the mode is not human.
                new = set(code.co_names) - names - ({"render"} if not human else set())
                names |= new
                looked_up += new
    return frozenset(names)


def _codes(attribute: object) -> Iterator[CodeType]:
    """The code of a function, property or the like, with that of functions inside it."""
    parts = ("__func__", "fget", "fset", "func", "__wrapped__")
    functions = [attribute, *(getattr(attribute, part, None) for part in parts)]
    codes = [function.__code__ for function in functions if isinstance(function, FunctionType)]
    for code in codes:
        yield code
        codes += [constant for constant in code.co_consts if isinstance(constant, CodeType)]


def _written_in(cls: type, name: str) -> bool:
    """Whether what a class has by that name is no function, or one of the class's own body."""
    function = vars(cls)[name]
    return not callable(function) or (
        isinstance(function, FunctionType)
        and function.__code__.co_qualname == f"{cls.__qualname__}.{name}"
        and function.__globals__.get("__name__") == cls.__module__
    )


def table_describes_steps(environment: gymnasium.Env, model: Model) -> bool:
    """Steps the environment at random beside its model, with one random stream for both.

    True when every state, reward, flag, and the generator's state at the end agree. Observations
    must be the state numbers themselves.
    """
    space = environment.observation_space
    actions = environment.action_space
    if not isinstance(space, gymnasium.spaces.Discrete) or (space.start, actions.start) != (0, 0):
        return False
    if (int(space.n), int(actions.n)) != (model.n_states, model.n_actions):
        return False
    environment = stepped(environment)
    ours = np.random.Generator(np.random.PCG64(np.random.SeedSequence(REPLAY_SEED)))
    choose = np.random.Generator(np.random.PCG64(0))
    seed: int | None = REPLAY_SEED
    steps = 0
    while steps < REPLAY_STEPS:
        observation, _ = environment.reset(seed=seed)
        seed = None
        # The first sum above the draw, or index 0, as Gymnasium's `categorical_sample` has it.
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
