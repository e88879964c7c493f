"""From a spec to trials: grids, samples, constraints, growth, and what is too much."""

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


def test_a_grid_is_the_product_with_the_last_parameter_fastest():
    grid = {"alpha": [0.1, 0.2], "gamma": [0.5, 0.7, 0.9]}
    assert points("alpha gamma", variant="standard", parameters=grid) == [
        (0.1, 0.5),
        (0.1, 0.7),
        (0.1, 0.9),
        (0.2, 0.5),
        (0.2, 0.7),
        (0.2, 0.9),
    ]


def test_what_a_variant_does_not_read_collapses():
    found = points(
        "variant alpha eps_shift alpha_down",
        variant=["standard", "harmonic", "minimum", "asymmetric"],
        parameters={"alpha": [0.1, 0.2], "eps_shift": [1.0, 2.0], "alpha_down": [0.3, 0.4]},
    )
    assert sorted(found, key=str) == [
        ("asymmetric", 0.1, None, 0.3),
        ("asymmetric", 0.1, None, 0.4),
        ("asymmetric", 0.2, None, 0.3),
        ("asymmetric", 0.2, None, 0.4),
        ("harmonic", 0.1, 1.0, None),
        ("harmonic", 0.1, 2.0, None),
        ("harmonic", 0.2, 1.0, None),
        ("harmonic", 0.2, 2.0, None),
        ("minimum", None, None, None),
        ("standard", 0.1, None, None),
        ("standard", 0.2, None, None),
    ]


def test_the_order_of_trials():
    """Seeds outermost, then environments, then points, then variants; repeats count once."""
    sweep = Sweep(
        **BASE | {"env": ["Taxi-v4", {"id": "FrozenLake-v1", "is_slippery": False}, "Taxi-v4"]},
        parameters={"alpha": [0.1, 0.2]},
    )
    found = [(one.seed, one.env[0], one.alpha, one.variant) for one in expand(sweep).trials]
    variants = ("standard", "harmonic")
    assert found == [
        (s, e, a, v) for s in (0, 1) for e in "TF" for a in (0.1, 0.2) for v in variants
    ]


def test_a_block_replaces_and_joins_the_common_parameters():
    block = {"alpha": 0.5, "eps_shift": [1, 2]}
    expected = [("standard", 0.1, None), ("harmonic", 0.5, 1.0), ("standard", 0.2, None)]
    for more in (
        {"variant": ["standard", {"id": "harmonic", "parameters": block}]},
        {"variant_parameters": {"harmonic": block}},
    ):
        found = points("variant alpha eps_shift", parameters={"alpha": [0.1, 0.2]}, **more)
        assert found == [*expected, ("harmonic", 0.5, 2.0)]


def test_constraints_drop_points():
    found = points(
        "variant alpha eps_shift",
        parameters={"alpha": [0.1, 0.2], "eps_shift": [1.0, 2.0]},
        constraints=["eps_shift > 1 or alpha > 0.1", "variant == 'harmonic' or alpha < 0.2"],
    )
    assert sorted(found, key=str) == [
        ("harmonic", 0.1, 2.0),
        ("harmonic", 0.2, 1.0),
        ("harmonic", 0.2, 2.0),
        ("standard", 0.1, None),
    ]


def test_a_constraint_can_exclude_a_contradiction():
    spec = {"eps_schedule": ["exponential", "linear"], "eps_end": [0, 0.1]}
    with pytest.raises(InputError, match=r"^parameters: eps_start and eps_end must be > 0 for an"):
        points("alpha", parameters=spec)
    only = "eps_end > 0 or eps_schedule != 'exponential'"
    found = points("eps_schedule eps_end", variant="standard", parameters=spec, constraints=[only])
    assert found == [("exponential", 0.1), ("linear", 0.0), ("linear", 0.1)]


LAKE = {"env": "FrozenLake-v1", "variant": "standard"}
UNREAD = "must be read by a variant or schedule of the spec, but none does"
REFUSED = [
    ({"constraints": "alpha > 0.9"}, "constraints: must leave a configuration, but no"),
    ({"constraints": "alpha"}, "constraints[0]: must be a condition such as "),
    ({"constraints": "alhpa < 1"}, "constraints[0]: unknown name 'alhpa'; did you mean 'alpha'?"),
    ({"constraints": "alpha / 0 < 1"}, "constraints[0]: must be a condition such as "),
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
    (
        {"env": ["FrozenLake-v1", {"id": "VelocityGrid-v0", "max_sped": 2}]},
        "env VelocityGrid-v0, max_s",
    ),
    (
        {"env": ["FrozenLake-v1", "nowhere:A-v0"]},
        "env nowhere:A-v0: the module of environment 'nowher",
    ),
    # What nothing reads.
    ({"variant": "standard", "parameters": {"eps_shift": 1}}, f"parameters.eps_shift: {UNREAD}"),
    (
        {"parameters": {"alpha_end": 0.1}},
        f"parameters.alpha_end: {UNREAD}; did you mean 'alpha'?",
    ),
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


def test_two_names_of_one_environment_are_one():
    spec = {"env": ["CliffWalking-v0", "CliffWalking-v1"], "variant": "standard"}
    found = expand(Sweep(**BASE | spec))
    assert [one.env for one in found.trials] == ["CliffWalking-v1"] * 2
    assert found.notices == ("environment CliffWalking-v0 is now CliffWalking-v1",)
    assert list(found.fingerprints) == ["CliffWalking-v1 {}"]


# --- samples


@pytest.mark.parametrize("method", ["random", "sobol"])
def test_more_samples_extend_the_same_sweep(method):
    parameters = {"alpha": UNIFORM, "eps_shift": [1.0, 2.0], "max_steps": [5, 6, 7]}
    spec = {"method": method, "sample_seed": 3, "parameters": parameters}
    longest = points("variant alpha eps_shift max_steps", **spec, samples=37)
    for samples in (1, 8, 36):
        found = points("variant alpha eps_shift max_steps", **spec, samples=samples)
        assert found == longest[: 2 * samples]


@pytest.mark.parametrize("method", ["random", "sobol"])
def test_samples_are_the_same_for_every_variant_and_environment(method):
    found = points(
        "env variant alpha",
        env=["FrozenLake-v1", "CliffWalking-v1"],
        variant=["standard", {"id": "harmonic", "parameters": {"eps_shift": UNIFORM}}],
        method=method,
        samples=6,
        parameters={"alpha": UNIFORM},
    )
    columns = {}
    for env, variant, alpha in found:
        columns.setdefault((env, variant), []).append(alpha)
    assert len(columns) == 4
    assert len(set(map(tuple, columns.values()))) == 1


def test_a_random_value_depends_on_its_name_and_the_sample_seed_alone():
    def drawn(sample_seed, **parameters):
        spec = {"method": "random", "samples": 5, "variant": "standard"}
        return points("alpha gamma", **spec, sample_seed=sample_seed, parameters=parameters)

    alone = [alpha for alpha, _ in drawn(1, alpha=UNIFORM)]
    both = drawn(1, gamma=UNIFORM, eps_end=[0.1, 0.2], alpha=UNIFORM)
    assert [alpha for alpha, _ in both] == alone != [gamma for _, gamma in both]
    assert [alpha for alpha, _ in drawn(2, alpha=UNIFORM)] != alone
