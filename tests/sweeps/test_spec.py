import contextlib
import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hq_ray.errors import InputError
from hq_ray.hyperparameters import HYPERPARAMETERS
from hq_ray.schedules import SCHEDULE_KINDS
from hq_ray.sweeps.distributions import Distribution, Values
from hq_ray.sweeps.space import configurations
from hq_ray.sweeps.spec import EnvironmentRequest, Sweep, read_spec
from hq_ray.sweeps.spec_text import read_yaml

BASE = {"name": "a", "env": "FrozenLake-v1"}
HEADER = "name: a\nenv: FrozenLake-v1\n"
TEXT = """
name: alpha-by-schedule
env: [CliffWalking-v1, {id: VelocityGrid-v0, max_speed: 2}]
variant: [standard, {id: harmonic, parameters: {eps_shift: {values: [1e-6, 1.0]}}}]
seeds: 0-2,7
episodes: 1e3
method: random
samples: 8
sample_seed: 3
parameters:
  alpha: {values: [0.05, 0.1]}
  gamma: {distribution: uniform, min: 0.5, max: 0.9}
  eps_schedule: [linear, constant]
constraints:
  - eps_end <= eps_start
"""


def test_yaml_and_python_values_mean_the_same():
    sweep = Sweep.from_yaml(TEXT)
    assert sweep == Sweep(
        name="alpha-by-schedule",
        env=["CliffWalking-v1", {"id": "VelocityGrid-v0", "max_speed": 2}],
        variant=["standard", {"id": "harmonic", "parameters": {"eps_shift": [1e-6, 1.0]}}],
        seeds=(0, 1, 2, 7),
        episodes=1000,
        method="random",
        samples=8,
        sample_seed=3,
        parameters={
            "alpha": np.array([0.05, 0.1]),
            "gamma": Distribution("uniform", 0.5, 0.9),
            "eps_schedule": Values(("linear", "constant")),
        },
        constraints="eps_end <= eps_start",
    )
    assert sweep.env[1] == EnvironmentRequest("VelocityGrid-v0", '{"max_speed":2}')
    assert sweep.variant_parameters == {"harmonic": {"eps_shift": Values((1e-6, 1.0))}}
    assert Sweep(**json.loads(json.dumps(sweep.to_dict()))) == sweep


def test_defaults():
    sweep = Sweep.from_yaml(HEADER)
    assert sweep == Sweep(**BASE)
    assert (sweep.variant, sweep.seeds) == (("standard", "harmonic"), (0, 1, 2, 3, 4))
    assert (sweep.episodes, sweep.max_steps, sweep.method) == (4000, None, "grid")


def test_a_key_without_a_value_is_not_given():
    assert Sweep.from_yaml(HEADER + "parameters:\nconstraints:\nseeds: ~\n") == Sweep(**BASE)


@pytest.mark.parametrize(
    "seeds", ["0-3", [0, 1, 2, 3], range(4), np.arange(4), "0,1,2-3", (0, 1.0, "2", 3)]
)
def test_seeds_in_any_form(seeds):
    assert Sweep(**BASE, seeds=seeds).seeds == (0, 1, 2, 3)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-6", 1e-6), ("1E-6", 1e-6), ("1.0e-6", 1e-6), ("'1e-6'", 1e-6), ("+.5", 0.5), ("1", 1.0)],
)
def test_numbers_as_people_write_them(text, value):
    sweep = Sweep.from_yaml(f"{HEADER}parameters: {{eps_shift: {text}}}")
    assert sweep.parameters == {"eps_shift": Values((value,))}


@pytest.mark.parametrize(("text", "episodes"), [("0100", 100), ("1_000", 1000), ("2e2", 200)])
def test_whole_numbers_are_decimal(text, episodes):
    assert Sweep.from_yaml(f"{HEADER}episodes: {text}").episodes == episodes


def test_anchors_and_merges():
    text = """
method: random
samples: 2
parameters:
  alpha: &wide {distribution: uniform, min: 0.1, max: 0.9}
  gamma: {<<: *wide, max: 0.5}
"""
    assert Sweep.from_yaml(HEADER + text).parameters == {
        "alpha": Distribution("uniform", 0.1, 0.9),
        "gamma": Distribution("uniform", 0.1, 0.5),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the spec: must be a mapping, got None"),
        ("- a", "the spec: must be a mapping, got ['a']"),
        ("env: X", "name: must be given in the spec"),
        ("name: a", "env: must be given in the spec"),
        (HEADER + "episode: 3", "the spec: unknown key 'episode'; did you mean 'episodes'?"),
        (HEADER + "3: 3", "the spec: unknown key 3; known: name, env, "),
        (HEADER + "name: b", "line 3: must be YAML, but 'name' stands on line 1 too"),
        (HEADER + "seeds: [1", "line 3: must be YAML, but expected ',' or ']'"),
        (HEADER + "seeds:\t- [1", "line 3: must be YAML, but "),
        (HEADER + "a\x07", "line 3: must be YAML, but special characters are not allowed"),
        (HEADER + "---\na: 1", "line 3: must be YAML, but found another document"),
        (HEADER + "seeds: !!python/object:os.system {}", "line 3: must be YAML, but could not"),
        (HEADER + "seeds: !!bool x", "the spec must be YAML, but has an impossible value: 'x'"),
        ("[" * 3000, "the spec must be YAML, but is nested too deeply"),
        (HEADER + "seeds: x", "seeds: must be a range like '0-4' or a list like '0,1,2', got 'x'"),
        (HEADER + "seeds: 1:30", "seeds: must be a range like '0-4'"),
        (HEADER + "seeds: [1, 1]", "seeds: must be at least one, each given once"),
        (HEADER + "seeds: []", "seeds: must be at least one, each given once"),
        (HEADER + "seeds: [1, -2]", "seeds[1]: must be a whole number from 0 to 92233720368547"),
        (HEADER + "seeds: yes", "seeds: must be a whole number from 0 to "),
        (HEADER + f"seeds: '{'9' * 5000}'", "seeds: must be below 2**63"),
        (HEADER + "episodes: 0", "episodes: must be a whole number from 1 to 2147483647, got 0"),
        (HEADER + "episodes: 2024-13-45", "episodes: must be a whole number from 1 to 2147483647"),
        (HEADER + "episodes: .inf", "episodes: must be a whole number from 1 to 2147483647"),
        (HEADER + "max_steps: .nan", "max_steps: must be a whole number from 1 to 2147483647"),
        (HEADER + "sample_seed: -1", "sample_seed: must be a whole number from 0 to "),
        (HEADER + "method: gird", "method: unknown method 'gird'; did you mean 'grid'?"),
        (HEADER + "method: [grid]", "method: unknown method ['grid']"),
        (HEADER + "method: sobol", "samples: must be given for method sobol"),
        (HEADER + "samples: 3", "samples: must not be given for method grid, got 3"),
        (HEADER + "method: random\nsamples: 0", "samples: must be a whole number from 1 to 1000"),
        (
            HEADER + "variant: harmonc",
            "variant: unknown variant 'harmonc'; did you mean 'harmonic'?",
        ),
        (HEADER + "variant: [standard, both]", "variant: must name each variant once, got "),
        (HEADER + "variant: []", "variant: must name each variant once, got none"),
        (HEADER + "variant: [3]", "variant[0]: must be a mapping, got 3"),
        (HEADER + "variant: {id: [1]}", "variant.id: unknown variant [1]; known: standard"),
        (HEADER + "variant: {idd: minimum}", "variant: unknown key 'idd' of a variant; did you"),
        (
            HEADER + "variant: [minimum, {id: harmonic, parameters: {alpha: 2}}]",
            "variant[1].parameters.alpha: must be in (0, 1], got 2",
        ),
        (
            HEADER + "variant_parameters: {harmonc: {}}",
            "variant_parameters: unknown variant 'harmonc'; did you mean 'harmonic'?",
        ),
        (
            HEADER + "variant: {id: harmonic, parameters: {}}\nvariant_parameters: {harmonic: {}}",
            "variant_parameters.harmonic: must be given once, with variant",
        ),
        (HEADER + "parameters: [alpha]", "parameters: must be a mapping of parameters, got ["),
        (
            HEADER + "parameters:\n  alpha: {values: [0.1, 0.2, 1.5]}",
            "parameters.alpha.values[2]: must be in (0, 1], got 1.5",
        ),
        (HEADER + "parameters: {alpha: on}", "parameters.alpha: must be in (0, 1], got True"),
        (HEADER + "parameters: {1: 2}", "parameters: 1: unknown parameter; known: alpha"),
        (HEADER + "constraints: [alpha]", "constraints[0]: must be a condition like "),
        ("name: ../a\nenv: X", "name: must start with a letter or digit and hold only letters"),
        ("name: 2024-01-01\nenv: []", "env: must name at least one environment"),
        ("name: a\nenv: 3", "env: must be a mapping, got 3"),
        ("name: a\nenv: [X, {idd: X}]", "env[1]: must be an id or a mapping with an id, got {"),
        ("name: a\nenv: {id: X, p: .nan}", "env: arguments must be plain JSON values, but: "),
        ("name: a\nenv: {id: X, p: &a [*a]}", "env: arguments must be at most 10,000 values"),
    ],
)
def test_what_is_wrong_is_one_sentence_with_its_place(text, message):
    with pytest.raises(InputError) as caught:
        Sweep.from_yaml(text)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["parameters", "env", "variant", "seeds", "method", "name"])
def test_aliases_of_aliases_do_not_explode(key):
    lines = ["  p: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"  p{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    spec = BASE | read_yaml("\n".join([f"{key}:", "  id: X", *lines]))
    with pytest.raises(InputError) as caught:
        Sweep.from_mapping(spec)
    assert len(str(caught.value)) < 1000


def test_a_file_is_named_in_its_errors(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(HEADER + "episodes: 0")
    with pytest.raises(InputError, match=r"a\.yaml: episodes: must be"):
        read_spec(path)
    path.write_bytes(b"name: \xff")
    for unreadable in (path, tmp_path, tmp_path / "none.yaml", "a\0b", None, 3.5):
        with pytest.raises(InputError, match=r"^the spec must be a readable file, got "):
            read_spec(unreadable)
    path.write_text("\ufeff" + HEADER, encoding="utf-8")
    assert read_spec(path) == Sweep(**BASE)


def test_a_number_too_long_to_be_shown():
    with pytest.raises(InputError, match=r"^episodes: must be a whole number from 1 to 2147483647"):
        Sweep(**BASE, episodes=10**5000)


# --- overrides


@pytest.mark.parametrize(
    ("overrides", "changes"),
    [
        (["alpha=0.1,0.2"], {"parameters": {"alpha": [0.1, 0.2]}}),
        (["alpha=[0.1, 0.2]"], {"parameters": {"alpha": [0.1, 0.2]}}),
        (["parameters.eps-shift=1e-6"], {"parameters": {"eps_shift": 1e-6}}),
        (["seeds=0-9,20"], {"seeds": [*range(10), 20]}),
        (["episodes = 500"], {"episodes": 500}),
        (["episodes=500,1e3"], {"parameters": {"episodes": [500, 1000]}}),
        (["max_steps=50", "max_steps=60"], {"max_steps": 60}),
        (["variant=minimum,standard"], {"variant": ["minimum", "standard"]}),
        (
            ["env=CliffWalking-v1,{id: VelocityGrid-v0, max_speed: 2}"],
            {"env": ["CliffWalking-v1", {"id": "VelocityGrid-v0", "max_speed": 2}]},
        ),
        (["name=2024"], {"name": "2024"}),
        (["constraints=alpha < 0.3"], {"constraints": ["alpha < 0.3"]}),
        (
            ["method=random", "samples=4", "alpha={distribution: uniform, min: 0.1, max: 0.2}"],
            {
                "method": "random",
                "samples": 4,
                "parameters": {"alpha": {"distribution": "uniform", "min": 0.1, "max": 0.2}},
            },
        ),
    ],
)
def test_overrides(overrides, changes):
    assert Sweep(**BASE).with_overrides(overrides) == Sweep(**BASE | changes)


def test_an_override_replaces_all_that_the_spec_says_of_it():
    sweep = Sweep(
        **BASE,
        variant=["standard", {"id": "harmonic", "parameters": {"alpha": 0.5, "eps_shift": 1}}],
        parameters={"alpha": 0.1, "episodes": [1, 2]},
    )
    changed = sweep.with_overrides(["alpha=0.3", "episodes=7"])
    assert changed.episodes == 7
    assert changed.parameters == {"alpha": Values((0.3,))}
    assert changed.variant_parameters == {"harmonic": {"eps_shift": Values((1.0,))}}
    assert sweep.with_overrides(["variant=standard"]).variant_parameters == {}
    sampled = Sweep(**BASE, method="random", samples=3)
    assert sampled.with_overrides(["method=grid"]) == Sweep(**BASE)
    assert sweep.with_overrides([]) == sweep


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("alpha", "--set must be like alpha=0.1,0.2, got 'alpha'"),
        ("=3", "--set must be like alpha=0.1,0.2, got '=3'"),
        ("parameters={}", "--set takes one parameter by its own name, got 'parameters={}'"),
        ("alhpa=0.1", "--set alhpa: unknown key; did you mean 'alpha'?"),
        ("seed=0-9", "--set seed: unknown key; did you mean 'seeds'?"),
        ("alpha=0.1]", "--set alpha: must be values with commas between, got '0.1]'"),
        ("alpha=2024-13-45", "parameters.alpha.values[0]: must be in (0, 1], got '2024-13-45'"),
        ("alpha=", "parameters.alpha.values: must hold at least one value"),
        ("alpha=0.1,3", "parameters.alpha.values[1]: must be in (0, 1], got 3"),
        ("episodes=0", "episodes: must be a whole number from 1 to 2147483647, got 0"),
        ("seeds=4-0", "seeds: a range of seeds must rise, got '4-0'; did you mean '0-4'?"),
    ],
)
def test_overrides_that_cannot_be(override, message):
    with pytest.raises(InputError) as caught:
        Sweep(**BASE).with_overrides([override])
    assert str(caught.value) == message


# --- any input at all

KEYS = [*Sweep.__dataclass_fields__, "id", "values", "distribution", "min", "max", "mean", "std"]
WORDS = [*KEYS, *HYPERPARAMETERS, "grid", "random", "both", "harmonic", "uniform", "log_uniform"]
WORDS += ["int_uniform", "normal", "0-3", "alpha < 0.5", "FrozenLake-v1", "linear", "1e-3"]
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 8)
    | st.integers()
    | st.floats()
    | st.sampled_from(WORDS)
    | st.text(max_size=5)
    | st.sampled_from([10**400, b"x", object(), {1}, 1j, np.float64(0.1), range(3)])
)
nested = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(WORDS) | st.integers(), inner, max_size=4)
    ),
    max_leaves=12,
)
mappings = st.dictionaries(st.sampled_from(list(Sweep.__dataclass_fields__)), nested, max_size=6)


def use(make):
    """Whatever comes in, only an InputError of one line comes out; what is accepted can be used."""
    try:
        sweep = make()
    except InputError as problem:
        return str(problem)
    assert Sweep(**sweep.to_dict()) == sweep
    small = (sweep.samples or 0) < 100 and len(sweep.seeds) < 100
    if small:
        with contextlib.suppress(InputError):
            assert configurations(sweep)
    return ""


@given(nested | mappings | mappings.map(lambda given: BASE | given))
@settings(max_examples=400)
def test_any_nested_value_is_a_sweep_or_one_sentence(spec):
    assert "\n" not in use(lambda: Sweep.from_mapping(spec))


@given(mappings.map(lambda given: BASE | given))
def test_any_nested_argument_is_a_sweep_or_one_sentence(spec):
    assert "\n" not in use(lambda: Sweep(**spec))


YAML_PARTS = [
    ": ",
    "\n",
    "\n  ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    ", ",
    "&a ",
    "*a",
    "<<: ",
    "!!int ",
    "'",
]
YAML_PARTS += [
    "!!bool ",
    "!!set ",
    "!!binary ",
    "!!timestamp ",
    "!!omap ",
    "? ",
    "|",
    "# ",
    "=",
    "~",
]


@given(
    st.text(max_size=80) | st.lists(st.sampled_from(WORDS + YAML_PARTS), max_size=20).map("".join)
)
@example("parameters: !!timestamp x")
@example("{[a]: 1}")
@example("!!float ''")
@example('"\\UFFFFFFFF"')
@example("&a {*a: 1}")
@example("\ud800")
@settings(max_examples=400)
def test_any_text_is_a_sweep_or_one_sentence(text):
    assert "\n" not in use(lambda: Sweep.from_yaml(text))
    assert "\n" not in use(lambda: Sweep.from_yaml(HEADER + text))


@given(st.lists(st.text(max_size=20) | st.sampled_from(WORDS).map("{}=0.1".format), max_size=3))
def test_any_override_is_a_sweep_or_one_sentence(overrides):
    assert "\n" not in use(lambda: Sweep(**BASE).with_overrides(overrides))


# --- the way there and back


@st.composite
def sweeps(draw):
    method = draw(st.sampled_from(["grid", "random", "sobol"]))
    alphas = st.lists(st.floats(0.01, 1), min_size=1, max_size=3)
    parameters = {
        "alpha": alphas,
        "eps_shift": st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=3),
        "eps_schedule": st.lists(st.sampled_from(SCHEDULE_KINDS), min_size=1, max_size=4),
        "max_steps": st.lists(st.integers(1, 500), min_size=1, max_size=3),
        "episodes": st.lists(st.integers(1, 500), min_size=1, max_size=2),
    }
    chosen = draw(st.fixed_dictionaries({}, optional=parameters))
    if method != "grid" and draw(st.booleans()):
        low = draw(st.floats(0.01, 0.4))
        kind = draw(st.sampled_from(["uniform", "log_uniform"]))
        chosen["gamma"] = {"distribution": kind, "min": low, "max": low + 0.5}
    block = draw(st.none() | alphas)
    harmonic = "harmonic" if block is None else {"id": "harmonic", "parameters": {"alpha": block}}
    return Sweep(
        name=draw(st.from_regex(r"[a-z0-9][a-z0-9.=+_-]{0,9}", fullmatch=True)),
        env=draw(st.lists(st.sampled_from(["A-v0", {"id": "B-v1", "p": [1, None]}]), min_size=1)),
        variant=draw(st.sampled_from([["standard", harmonic], [harmonic, "minimum"], harmonic])),
        seeds=draw(st.lists(st.integers(0, 50), min_size=1, max_size=9, unique=True)),
        episodes=draw(st.integers(1, 10**6)),
        method=method,
        samples=None if method == "grid" else draw(st.integers(1, 5)),
        sample_seed=draw(st.integers(0, 2**63 - 1)),
        parameters=chosen,
        constraints=draw(st.sampled_from([[], ["eps_end <= eps_start"]])),
    )


@given(sweeps())
def test_there_and_back(sweep):
    assert Sweep(**sweep.to_dict()) == sweep
    assert Sweep.from_yaml(json.dumps(sweep.to_dict())) == sweep
    assert sweep.with_overrides([]) == sweep
    assert configurations(Sweep(**sweep.to_dict())) == configurations(sweep)
