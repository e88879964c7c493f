import pytest
from hypothesis import given
from hypothesis import strategies as st

from hq_ray.errors import InputError
from hq_ray.sweeps.expand import configurations, expand
from hq_ray.sweeps.spec import Sweep

BASE = {"name": "a", "env": "FrozenLake-v1"}
UNIFORM = {"distribution": "uniform", "min": 0.1, "max": 0.9}
RANDOM = [0.721122133299, 0.548031794337, 0.806855628]
MANY = [i / 999 for i in range(1, 999)]
SOBOL = [0.427959670871, 0.70289112404, 0.547972451895]


def points(sweep, *names):
    """(variant, values of the names) of every configuration, in order."""
    found = [one.settings for one in configurations(sweep)]
    return [tuple(settings[name] for name in ("variant", *names)) for settings in found]


def column(name, **spec):
    return [values[1] for values in points(Sweep(**BASE, variant="standard", **spec), name)]


def test_a_grid_is_the_product_with_the_last_parameter_fastest():
    sweep = Sweep(
        **BASE, variant="standard", parameters={"alpha": [0.1, 0.2], "gamma": [0.5, 0.7, 0.9]}
    )
    assert points(sweep, "alpha", "gamma") == [
        ("standard", 0.1, 0.5),
        ("standard", 0.1, 0.7),
        ("standard", 0.1, 0.9),
        ("standard", 0.2, 0.5),
        ("standard", 0.2, 0.7),
        ("standard", 0.2, 0.9),
    ]


def test_what_a_variant_does_not_read_collapses():
    sweep = Sweep(
        **BASE,
        variant=["standard", "harmonic", "minimum", "asymmetric"],
        parameters={"alpha": [0.1, 0.2], "eps_shift": [1.0, 2.0, 3.0], "alpha_down": [0.3, 0.4]},
    )
    found = points(sweep, "alpha", "eps_shift", "alpha_down")
    assert sorted(found, key=str) == sorted(
        [
            ("standard", 0.1, None, None),
            ("standard", 0.2, None, None),
            ("harmonic", 0.1, 1.0, None),
            ("harmonic", 0.1, 2.0, None),
            ("harmonic", 0.1, 3.0, None),
            ("harmonic", 0.2, 1.0, None),
            ("harmonic", 0.2, 2.0, None),
            ("harmonic", 0.2, 3.0, None),
            ("minimum", None, None, None),
            ("asymmetric", 0.1, None, 0.3),
            ("asymmetric", 0.1, None, 0.4),
            ("asymmetric", 0.2, None, 0.3),
            ("asymmetric", 0.2, None, 0.4),
        ],
        key=str,
    )


def test_environments_are_outside_of_configurations():
    envs = ["A-v0", {"id": "B-v0", "p": 1}, "A-v0"]
    found = configurations(Sweep("a", envs, "both", parameters={"alpha": [0.1, 0.2]}))
    assert [(of.env.id, of.settings["variant"], of.settings["alpha"]) for of in found] == [
        ("A-v0", "standard", 0.1),
        ("A-v0", "harmonic", 0.1),
        ("A-v0", "standard", 0.2),
        ("A-v0", "harmonic", 0.2),
        ("B-v0", "standard", 0.1),
        ("B-v0", "harmonic", 0.1),
        ("B-v0", "standard", 0.2),
        ("B-v0", "harmonic", 0.2),
    ]


def test_a_block_replaces_and_joins_the_common_parameters():
    sweep = Sweep(
        **BASE,
        variant=["standard", {"id": "harmonic", "parameters": {"alpha": 0.5, "eps_shift": [1, 2]}}],
        parameters={"alpha": [0.1, 0.2]},
    )
    assert sorted(points(sweep, "alpha", "eps_shift"), key=str) == [
        ("harmonic", 0.5, 1.0),
        ("harmonic", 0.5, 2.0),
        ("standard", 0.1, None),
        ("standard", 0.2, None),
    ]


def test_constraints_drop_points():
    sweep = Sweep(
        **BASE,
        variant=["standard", "harmonic"],
        parameters={"alpha": [0.1, 0.2], "eps_shift": [1.0, 2.0]},
        constraints=["eps_shift > 1 or alpha > 0.1", "variant == 'harmonic' or alpha < 0.2"],
    )
    assert sorted(points(sweep, "alpha", "eps_shift")) == [
        ("harmonic", 0.1, 2.0),
        ("harmonic", 0.2, 1.0),
        ("harmonic", 0.2, 2.0),
        ("standard", 0.1, None),
    ]


def test_a_constraint_can_exclude_a_contradiction():
    spec = {"eps_schedule": ["exponential", "linear"], "eps_end": [0, 0.1]}
    with pytest.raises(InputError, match=r"^parameters: eps_start and eps_end must be > 0 for an"):
        configurations(Sweep(**BASE, parameters=spec))
    only = "eps_end > 0 or eps_schedule != 'exponential'"
    sweep = Sweep(**BASE, variant="standard", parameters=spec, constraints=[only])
    assert points(sweep, "eps_schedule", "eps_end") == [
        ("standard", "exponential", 0.1),
        ("standard", "linear", 0.0),
        ("standard", "linear", 0.1),
    ]


def test_nothing_left_and_too_much_are_said():
    with pytest.raises(InputError, match=r"^constraints: must leave a configuration, but no "):
        configurations(Sweep(**BASE, constraints=["alpha > 0.9"]))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"seeds": "0-999999", "parameters": {"alpha": [i / 100 for i in range(1, 101)]}},
            "seeds: must be fewer than 1,000,000, because the spec means 200,000,000 trials, and",
        ),
        (
            {
                "parameters": {"alpha": MANY, "gamma": MANY, "eps_end": MANY},
            },
            "parameters.alpha: must be fewer than 998, because the spec means 1,988,023,984 conf",
        ),
        (
            {"seeds": "0-99", "method": "sobol", "samples": 10**6},
            "samples: must be fewer than 1,000,000, because the spec means 2,000,000 conf",
        ),
        ({"seeds": "0-9999999"}, "seeds: must be below 2**63, at most 1 million of them, got"),
        ({"seeds": range(10**12)}, "seeds: must be at least one and at most 1,000,000, each"),
        (
            {"seeds": 0, "env": {"id": "VelocityGrid-v0", "max_speed": 100_000}},
            'env: environment VelocityGrid-v0 refuses {"max_speed":100000}: ValueError: width * '
            "height * (2 * max_speed + 1)**2 must be at most 500,000 states, got 2,560,025,600,064",
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_it_is_made(spec, message):
    with pytest.raises(InputError) as caught:
        expand(Sweep(**BASE | spec))
    assert str(caught.value).startswith(message)


# --- samples


@pytest.mark.parametrize("method", ["random", "sobol"])
def test_more_samples_extend_the_same_sweep(method):
    def made(samples):
        return points(
            Sweep(
                **BASE,
                method=method,
                samples=samples,
                sample_seed=3,
                parameters={"alpha": UNIFORM, "eps_shift": [1.0, 2.0], "max_steps": [5, 6, 7]},
            ),
            *("alpha", "eps_shift", "max_steps"),
        )

    longest = made(37)
    for samples in (1, 2, 8, 20, 36):
        assert made(samples) == longest[: 2 * samples]


@pytest.mark.parametrize("method", ["random", "sobol"])
def test_samples_are_the_same_for_every_variant_and_environment(method):
    sweep = Sweep(
        "a",
        ["A-v0", "B-v0"],
        ["standard", {"id": "harmonic", "parameters": {"eps_shift": UNIFORM}}],
        method=method,
        samples=6,
        parameters={"alpha": UNIFORM},
    )
    columns = {}
    for of in configurations(sweep):
        column = columns.setdefault((of.env.id, of.settings["variant"]), [])
        column.append(of.settings["alpha"])
    assert len(columns) == 4
    assert len(set(map(tuple, columns.values()))) == 1


@given(st.integers(0, 2**63 - 1), st.integers(1, 9))
def test_another_parameter_moves_no_random_value(sample_seed, samples):
    spec = {"method": "random", "samples": samples, "sample_seed": sample_seed}
    alone = column("alpha", **spec, parameters={"alpha": UNIFORM})
    other = {"gamma": UNIFORM, "alpha": UNIFORM, "eps_end": [0.1, 0.2]}
    assert column("alpha", **spec, parameters=other) == alone


def test_sample_seeds_and_parameters_differ():
    spec = {"method": "random", "samples": 5, "parameters": {"alpha": UNIFORM, "gamma": UNIFORM}}
    columns = [column(name, **spec, sample_seed=s) for name in ("alpha", "gamma") for s in (0, 1)]
    assert len({tuple(values) for values in columns}) == 4


def test_these_samples_stay_these_samples():
    spec = {"samples": 3, "parameters": {"alpha": UNIFORM}}
    assert column("alpha", method="random", **spec) == RANDOM
    assert column("alpha", method="sobol", **spec) == SOBOL
