import pytest

from hq_ray.errors import InputError
from hq_ray.sweeps.expand import expand
from hq_ray.sweeps.spec import Sweep

BASE = {"name": "a", "env": "FrozenLake-v1", "variant": "standard", "seeds": "0-1", "episodes": 5}


def test_seeds_are_the_outermost_loop():
    trials = expand(Sweep(**BASE, parameters={"alpha": [0.1, 0.2]})).trials
    assert [(t.seed, t.alpha) for t in trials] == [(0, 0.1), (0, 0.2), (1, 0.1), (1, 0.2)]
    assert {t.max_steps for t in trials} == {100}


def test_two_names_of_one_environment_are_one():
    found = expand(Sweep(**BASE | {"env": ["CliffWalking-v0", "CliffWalking-v1"]}))
    assert [t.env for t in found.trials] == ["CliffWalking-v1"] * 2
    assert found.notices == ("environment CliffWalking-v0 is now CliffWalking-v1",)
    assert list(found.fingerprints) == ["CliffWalking-v1 {}"]


@pytest.mark.parametrize(
    "growth",
    [
        {"seeds": "0-5"},
        {"parameters": {"alpha": [0.1, 0.3, 0.2]}},
        {"env": ["CliffWalking-v1", "FrozenLake-v1"]},
        {"variant": "both"},
    ],
)
def test_growth_keeps_every_trial(growth):
    base = BASE | {"parameters": {"alpha": [0.1, 0.2]}}
    before = expand(Sweep(**base)).trials.ids()
    after = expand(Sweep(**base | growth)).trials.ids()
    assert set(before) < set(after)
    assert len(set(after)) == len(after)


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ("FrozenLak-v1", "env: unknown environment 'FrozenLak-v1'; did you mean 'FrozenLake"),
        (["FrozenLake-v1", {"id": "VelocityGrid-v0", "max_sped": 2}], "env[1]: environment "),
        (["FrozenLake-v1", "nowhere:A-v0"], "env[1]: the module of environment 'nowhere:A-v0'"),
    ],
)
def test_an_environment_that_cannot_be_is_named_with_its_place(env, message):
    with pytest.raises(InputError) as caught:
        expand(Sweep(**BASE | {"env": env}))
    assert str(caught.value).startswith(message)
