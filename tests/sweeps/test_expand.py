"""From a spec to trials: their order, samples, and what is refused.

That grids, blocks and constraints mean what they meant is pinned in tests/golden/specs.yaml.
"""

import itertools

import pytest

from hq_ray.errors import InputError
from hq_ray.sweeps.api import open_sweep
from hq_ray.sweeps.expand import expand
from hq_ray.sweeps.spec import Sweep

BASE = {"name": "a", "env": "FrozenLake-v1", "seeds": "0-1", "episodes": 5}
UNIFORM = {"distribution": "uniform", "min": 0.1, "max": 0.9}
MANY = [i / 999 for i in range(1, 999)]


def points(names, **spec):
    """The named values of every configuration, in order."""
    found = expand(Sweep(**BASE | spec)).trials.configurations
    return [tuple(getattr(one, name) for name in names.split()) for one in found]


def test_the_order_of_trials():
    """Seeds outermost, then environments, then points, the last parameter fastest, then variants.

    Repeats count once.
    """
    envs = ["Taxi-v4", {"id": "FrozenLake-v1", "is_slippery": False}, "Taxi-v4"]
    grid = {"alpha": [0.1, 0.2], "gamma": [0.5, 0.9]}
    found = expand(Sweep(**BASE | {"env": envs}, parameters=grid)).trials
    assert [(one.seed, one.env[0], one.alpha, one.gamma, one.variant) for one in found] == list(
        itertools.product((0, 1), "TF", (0.1, 0.2), (0.5, 0.9), ("standard", "harmonic"))
    )


LAKE = {"env": "FrozenLake-v1", "variant": "standard"}
OWN = ["standard", "own_rules:clipped"]
UNREAD = "must be read by a variant or schedule of the spec, but none does"
REFUSED = [
    (
        {"parameters": {"eps_schedule": ["exponential", "linear"], "eps_end": [0, 0.1]}},
        "parameters: eps_start and eps_end must be > 0 for an",
    ),
    ({"constraints": "alpha > 0.9"}, "constraints: must leave a configuration, but no"),
    ({"constraints": "alpha"}, "constraints[0]: must be a condition such as "),
    ({"constraints": "alhpa < 1"}, "constraints[0]: unknown name 'alhpa'; did you mean 'alpha'?"),
    # What does not fit is refused before it is made.
    (
        {"seeds": "0-199999", "parameters": {"alpha": MANY}},
        "seeds: must be fewer than 200,000, because the spec means 399,200,000 trials, and may",
    ),
    (
        {"parameters": {"alpha": MANY, "gamma": MANY, "eps_end": MANY}},
        "parameters.gamma: must be fewer than 998, because the spec means 1,988,023,984 conf",
    ),
    (
        {"seeds": "0-99", "method": "sobol", "samples": 10**6},
        "samples: must be fewer than 1,000,000, because the spec means 2,000,000 conf",
    ),
    (
        {"seeds": 0, "env": {"id": "VelocityGrid-v0", "max_speed": 100_000}},
        'env: environment VelocityGrid-v0 refuses {"max_speed":100000}: ValueError: ',
    ),
    # Environments.
    ({"env": "FrozenLak-v1"}, "env: unknown environment 'FrozenLak-v1'; did you mean 'FrozenLake"),
    ({"env": ["FrozenLake-v1", "a:A-v0"]}, "env a:A-v0: the module of environment 'a:A-v0'"),
    # What nothing reads.
    ({"variant": OWN, "parameters": {"eps_shift": 1}}, f"parameters.eps_shift: {UNREAD}"),
    (
        {"variant": {"id": "standard", "parameters": {"eps_shift": 1}}},
        f"variant_parameters.standard.eps_shift: {UNREAD}",
    ),
    ({"parameters": {"alpha_end": 0.1}}, f"parameters.alpha_end: {UNREAD}; did you mean 'alpha'?"),
]
REFUSED_LISTED = [
    ({"env": "FrozenLak-v1"}, "env FrozenLak-v1: unknown environment 'FrozenLak-v1'; did you"),
    ({"eps_shift": 1.0}, f"configurations[1].eps_shift: {UNREAD}"),
    ({"eps_schedule": "constant", "eps_end": 0.1}, f"configurations[1].eps_end: {UNREAD}"),
    (
        {"eps_schedule": "exponential", "eps_end": 0},
        "configurations[1]: eps_start and eps_end must be > 0 for an exponential eps_schedule",
    ),
]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        *((BASE | spec, message) for spec, message in REFUSED),
        *(
            ({"name": "a", "configurations": [LAKE, LAKE | changes]}, message)
            for changes, message in REFUSED_LISTED
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(tmp_path, spec, message):
    with pytest.raises(InputError) as caught:
        open_sweep(Sweep(**spec), tmp_path)
    assert str(caught.value).startswith(message)


# --- samples


@pytest.mark.parametrize("method", ["random", "sobol"])
def test_more_samples_extend_the_same_sweep(method):
    parameters = {"alpha": UNIFORM, "eps_shift": [1.0, 2.0], "max_steps": [5, 6, 7]}
    spec = {"method": method, "sample_seed": 3, "parameters": parameters}
    longest = points("variant alpha eps_shift max_steps", **spec, samples=37)
    for samples in (1, 8, 36):
        found = points("variant alpha eps_shift max_steps", **spec, samples=samples)
        assert found == longest[: 2 * samples]


def test_a_random_value_depends_on_its_name_and_the_sample_seed_alone():
    def drawn(sample_seed, **parameters):
        spec = {"method": "random", "samples": 5, "variant": "standard"}
        return points("alpha gamma", **spec, sample_seed=sample_seed, parameters=parameters)

    alone = [alpha for alpha, _ in drawn(1, alpha=UNIFORM)]
    both = drawn(1, gamma=UNIFORM, eps_end=[0.1, 0.2], alpha=UNIFORM)
    assert [alpha for alpha, _ in both] == alone != [gamma for _, gamma in both]
    assert [alpha for alpha, _ in drawn(2, alpha=UNIFORM)] != alone
