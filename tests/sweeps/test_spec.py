"""The spec: what it may say, what is refused and how, overrides."""

import contextlib

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hq_ray.errors import InputError
from hq_ray.hyperparameters import HYPERPARAMETERS
from hq_ray.sweeps.expand import expand
from hq_ray.sweeps.spec import Sweep, read_spec
from hq_ray.sweeps.spec_entries import EnvironmentRequest

BASE = {"name": "a", "env": "FrozenLake-v1"}
LIST = {"name": "a", "configurations": [{"env": "FrozenLake-v1", "variant": "standard"}]}
HEADER = "name: a\nenv: FrozenLake-v1\n"
LISTED = "name: a\nconfigurations: "


def test_yaml_and_python_values_mean_the_same():
    sweep = Sweep.from_yaml(
        "name: a\n"
        "env: {id: VelocityGrid-v0, max_speed: 2}\n"
        "variant: [standard, {id: harmonic, parameters: {eps_shift: {values: [1e-6, 1.0]}}}]\n"
        "seeds: 0-2,7\n"
        "episodes: 1e3\n"
        "constraints: eps_end <= eps_start\n"
    )
    assert sweep == Sweep(
        name="a",
        env=[{"id": "VelocityGrid-v0", "max_speed": 2}],
        variant=["standard", {"id": "harmonic", "parameters": {"eps_shift": np.array([1e-6, 1])}}],
        seeds=(0, 1, 2, 7),
        episodes=1000,
        constraints=["eps_end <= eps_start"],
    )
    assert sweep.env == (EnvironmentRequest("VelocityGrid-v0", '{"max_speed":2}'),)
    assert sweep.variant_parameters == {"harmonic": {"eps_shift": (1e-6, 1.0)}}
    assert Sweep(name="a", env="X", seeds=[0, 1, 2, 2**61]).to_dict()["seeds"] == f"0-2,{2**61}"


def test_defaults():
    sweep = Sweep.from_yaml(HEADER)
    assert sweep == Sweep(**BASE)
    assert (sweep.variant, sweep.seeds) == (("standard", "harmonic"), (0, 1, 2, 3, 4))
    assert (sweep.episodes, sweep.max_steps, sweep.method) == (4000, None, "grid")
    assert Sweep.from_yaml(HEADER + "parameters:\nconstraints:\nseeds: ~\n") == Sweep(**BASE)


@pytest.mark.parametrize(
    "seeds", ["0-3", [0, 1, 2, 3], range(4), np.arange(4), "0,1,2-3", (0, 1.0, "2", 3)]
)
def test_seeds_in_any_form(seeds):
    assert Sweep(**BASE, seeds=seeds).seeds == (0, 1, 2, 3)


UNIFORM = "alpha: {distribution: uniform"
NORMAL = "alpha: {distribution: normal, mean: 0.5, max: 0.9"
KINDS = (
    "must be one of linear, exponential, inverse, constant, got 'linera'; did you mean 'linear'?"
)
WHOLE = "must be a whole number from 1 to 2147483647, got"
TEXTS = [
    ("", "the spec: must be a mapping, got None"),
    ("- a", "the spec: must be a mapping, got ['a']"),
    ("[" * 600, "the spec must be YAML, but is nested too deeply"),
    ("env: X", "name: must be given"),
    ("name: a", "env: must be at least one environment, unless configurations are given"),
    ("name: ../a\nenv: X", "name: must start with a letter or digit and hold only letters"),
    ("name: 2024-01-01\nenv: []", "env: must be at least one environment"),
]
# As `env`.
ENVS = [
    ("[X, {idd: X}]", "env[1]: must be an id or a mapping with an id, got {"),
    ("{id: X, p: .nan}", "env: arguments must be plain JSON values, but: "),
    ("{id: X, p: &a [*a]}", "line 1: must be YAML, but its aliases mean more than 1"),
    (
        "[{id: X, label: a}, {id: X, label: b}]",
        "env: must have X in one entry, got it in two",
    ),
    (
        "[{id: X, p: 3-4, label: a}, {id: X, p: 4}]",
        "env: must have X, p 4 in one entry, got i",
    ),
    ("{id: X, label: 3}", "env.label: must be text of at most 100 letters, got 3"),
    (f"{{id: X, p: 4-5, label: {'l' * 96}}}", "env.label: must be text of at most 100 letters wi"),
    ("{id: X, w: 6-4}", "env.w: a range must rise, got '6-4'; did you mean '4-6'?"),
    ("{id: X, w: 0-5000, h: 3-4}", "env.w: ranges must make at most 10,000 environments, got '0-"),
    ("[{id: X, p: 0-3, label: g}, {id: X, p: 5-6, label: g}]", "env: must give each range a label"),
]
# After a name and an environment.
ONE_KEY = [
    ("name: b", 'line 3: must be YAML, but found duplicate key "name"'),
    ("seeds: [1", "line 3: must be YAML, but expected ',' or ']'"),
    ("seeds:\t- [1", "line 3: must be YAML, but "),
    ("a\x07", "line 3: must be YAML, but special characters are not allowed"),
    ("---\na: 1", "line 3: must be YAML, but found another document"),
    ("seeds: !!python/object:os.system {}", "line 3: must be YAML, but could not"),
    ("seeds: !!bool x", "the spec must be YAML, but has an impossible value: "),
    ("seeds: " + "9" * 5000, "the spec must be YAML, but has an impossible value: "),
    ("episode: 3", "the spec: unknown key 'episode'; did you mean 'episodes'?"),
    ("3: 3", "the spec: unknown key 3"),
    ("seeds: x", "seeds: must be a range like '0-4' or a list like '0,1,2', got 'x'"),
    ("seeds: [1, 1]", "seeds: must be at least one and at most 1,000,000, each"),
    ("seeds: [1, -2]", "seeds[1]: must be at least 0, got -2"),
    ("seeds: true", "seeds: must be a number, got True"),
    (f"seeds: '{'9' * 5000}'", "seeds: must be below 2**63"),
    ("episodes: 0", f"episodes: {WHOLE} 0"),
    ("episodes: 2024-13-45", f"episodes: {WHOLE} '2024-13-45'"),
    ("method: gird", "method: must be one of grid, random, sobol, got 'gird'; did you mean"),
    ("method: sobol", "samples: must be given for method sobol"),
    ("samples: 3", "samples: must not be given for method grid"),
    ("method: random\nsamples: 0", "samples: must be at least 1, got 0"),
    ("variant: harmonc", "variant: unknown variant 'harmonc'; did you mean 'harmonic'?"),
    ("variant: [standard, both]", "variant: must name each variant once, got "),
    ("variant: [3]", "variant[0]: must be a mapping, got 3"),
    ("variant: {id: both}", "variant.id: must be the name of one variant, got 'both'"),
    ("variant: {idd: minimum}", "variant: unknown key 'idd'; did you mean 'id'?"),
    ("variant: [minimum, {id: harmonic, parameters: {alpha: 2}}]", "variant[1].parameters.alpha: "),
    ("variant_parameters: {harmonc: {}}", "variant_parameters.harmonc: unknown variant 'harmonc'"),
    ("variant_parameters: {minimum: {}}", "variant_parameters: unknown variant 'minimum'"),
    ("parameters: [alpha]", "parameters: must be a mapping, got ['alpha']"),
    ("parameters: {alhpa: 1}", "parameters: unknown key 'alhpa'; did you mean 'alpha'?"),
    ("parameters: {alpha: []}", "parameters.alpha: must hold at least one value"),
    ("parameters: {alpha: {values: 0.1}}", "parameters.alpha.values: must be a list, got"),
    ("parameters:\n  alpha: {values: [0.1, 0.2, 1.5]}", "parameters.alpha.values[2]: must be in ("),
    ("parameters: {alpha: [0.1, x]}", "parameters.alpha[1]: must be in (0, 1], got 'x'"),
    ("parameters: {eps_shift: [.inf]}", "parameters.eps_shift[0]: must be a finite number"),
    ("parameters: {max_steps: [9, 0]}", f"parameters.max_steps[1]: {WHOLE} 0"),
    ("parameters: {alpha: {value: [1]}}", "parameters.alpha: unknown key 'value'; did you"),
    ("parameters: {alpha: {}}", "parameters.alpha: must have either values or a distrib"),
    ("parameters: {alpha: {distribution: uniform, min: .1, max: .9}}", "parameters.alpha: a grid"),
    ("constraints: [alpha < 1, 3]", "constraints[1]: must be a valid string, got 3"),
    (f"confirm: {{seeds: {2**20 + 1}}}", "confirm.seeds: must be at most 1048576, got 1048577"),
    ("confirm: {metric: mean_retrun}", "confirm.metric: must be one of "),
    ("confirm: {top: 0}", "confirm.top: must be at least 1, got 0"),
    ("confirm: {sedes: 3}", "confirm: unknown key 'sedes'; did you mean 'seeds'?"),
    ("confirm: 3", "confirm: must be a mapping, got 3"),
    (f"confirm: {{}}\nseeds: {2**62}", "seeds: must be below 2**62 in a sweep that confirms, got "),
]
# As `variant`.
RULES = [
    ("no_own_rules:clipped", "variant: the module of variant 'no_own_rules:clipped' must be im"),
    ("own_rules:clippd", "variant: own_rules must have a Variant 'clippd'; did you mean 'clipped'"),
    ("own_rules:named", "variant: a parameter of a rule must have a name of its own, but own"),
    ("own_rules:averse", "variant: a parameter of a rule must have a name of its own, but own"),
    ("own_rules:clipped\nparameters: {mots: 1}", "parameters: unknown key 'mots'; did you mean '"),
    ("own_rules:clipped\nparameters: {most: much}", "parameters.most: must be a finite number, go"),
    ("standard\nparameters: {most: 1}", "parameters: unknown key 'most'"),
    ("[own_rules:clipped, {id: sarsa, parameters: {most: 1}}]", "variant[1].parameters: unknown"),
    ("{id: sarsa, parameters: {}}\nvariant_parameters: {sarsa: {}}", "variant_parameters.sarsa: "),
]
# Without closing braces, as `parameters` of a random sweep.
DRAWN = [
    ("alpha: {distribution: unifrom", "alpha.distribution: must be one of uniform, log_uniform, "),
    (f"{UNIFORM}, mean: 1, min: 0.1, max: 1", "alpha.mean: must be left out for uniform"),
    (f"{UNIFORM}, min: 0.0, max: 1", "alpha.min: must be in (0, 1], got 0.0"),
    (f"{UNIFORM}, min: 0.5, max: 0.5", "alpha: min must be below max, got 0.5 and"),
    (f"{UNIFORM}, min: 0.5, max: b", "alpha.max: must be a number, got 'b'"),
    (f"{UNIFORM}, min: 0.5", "alpha.max: must be given"),
    ("gamma: {distribution: log_uniform, min: 0, max: 0.9", "gamma.min: must be > 0 for log_unif"),
    (f"{NORMAL}, min: 0.1, std: 0", "alpha.std: must be greater than 0, got 0"),
    (f"{NORMAL}, std: 1", "alpha.min: must be given"),
    (f"{NORMAL}, min: 0.7, std: 0.001", "alpha: min and max must enclose a part of the normal"),
    ("alpha: {distribution: int_uniform, min: 1, max: 2", "alpha.distribution: must be one of un"),
    ("max_steps: {distribution: uniform, min: 1, max: 9", "max_steps.distribution: must be one of"),
    ("max_steps: {distribution: int_uniform, min: 1.5, max: 2", f"max_steps.min: {WHOLE} 1.5"),
    ("eps_schedule: {distribution: uniform", "eps_schedule: unknown key 'distribution'"),
]
# As `configurations`.
CONFIGURATIONS = [
    ("[]", "configurations: must hold at least one value"),
    ("{env: FrozenLake-v1, variant: standard}", "configurations: must be a list, got {"),
    ("[3]", "configurations[0]: must be a mapping, got 3"),
    ("[{variant: standard}]", "configurations[0].env: must be given"),
    ("[{env: X}]", "configurations[0].variant: must be given"),
    ("[{env: [X], variant: standard}]", "configurations[0].env: must be an id or a mapping"),
    ("[{env: X, variant: harmonc}]", "configurations[0].variant: unknown variant 'harmonc'"),
    ("[{env: X, variant: both}]", "configurations[0].variant: must be the name of one"),
]
# In a second configuration.
ENTRY = [
    ("alhpa: 0.1", ": unknown key 'alhpa'; did you mean 'alpha'?"),
    ("3: 0.1", ".3: must be text, as every key is, got 3"),
    ("seed: 3", ": unknown key 'seed'; known: env, "),
    ("alpha: 1.5", ".alpha: must be in (0, 1], got 1.5"),
    ("alpha: [0.1]", ".alpha: must be in (0, 1], got [0.1]"),
    ("gamma: {values: [0.1]}", ".gamma: must be in [0, 1], got {"),
    ("eps_schedule: linera", f".eps_schedule: {KINDS}"),
    ("episodes: 0", f".episodes: {WHOLE} 0"),
]
LAKE = "env: FrozenLake-v1, variant: standard"
BESIDE = ("env: X", "variant: both", "method: grid", "samples: 3", "sample_seed: 0")
BESIDE += ("parameters: {alpha: 0.1}", "constraints: [alpha < 1]", "variant_parameters: {}")
RANDOM = HEADER + "method: random\nsamples: 2\nparameters: "
BROKEN = [
    *TEXTS,
    *((f"name: a\nenv: {text}", message) for text, message in ENVS),
    *((HEADER + text, message) for text, message in ONE_KEY),
    *((f"{HEADER}variant: {text}", message) for text, message in RULES),
    *((f"{RANDOM}{{{text}}}}}", f"parameters.{message}") for text, message in DRAWN),
    *((LISTED + text, message) for text, message in CONFIGURATIONS),
    *(
        (f"{LISTED}[{{{LAKE}}}, {{{LAKE}, {text}}}]", f"configurations[1]{message}")
        for text, message in ENTRY
    ),
    *(
        (f"{LISTED}[{{{LAKE}}}]\n{text}", f"{text.split(':')[0]}: must not be given together with")
        for text in BESIDE
    ),
]


@pytest.mark.parametrize(("text", "message"), BROKEN)
def test_what_is_wrong_is_one_sentence_with_its_place(text, message):
    with pytest.raises(InputError) as caught:
        Sweep.from_yaml(text)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("first", "again"),
    [("[x, x]", "[{}]"), ("{x: 1, y: 2}", "{{<<: [{}]}}")],
    ids=["aliases", "merges"],
)
def test_aliases_of_aliases_do_not_explode(first, again):
    lines = [f"a0: &a0 {first}"]
    lines += [f"a{i}: &a{i} " + again.format(", ".join([f"*a{i - 1}"] * 9)) for i in range(1, 12)]
    with pytest.raises(InputError, match=r"^line \d: must be YAML, but its aliases mean more"):
        Sweep.from_yaml("\n".join(lines))


def test_a_message_is_a_line_or_two():
    huge = {"variant": "x" * 10**5, "seeds": "1," * 10**5, "name": "=" * 10**5}
    for key, value in (huge | {"episodes": 10**5000}).items():
        with pytest.raises(InputError, match=f"^{key}: ") as caught:
            Sweep(**BASE | {key: value})
        assert len(str(caught.value)) < 600


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


def test_a_range_makes_one_environment_of_each_whole_number():
    given = [{"id": "VelocityGrid-v0", "width": "4-6", "height": 3, "label": "grid"}, "Taxi-v4"]
    sweep = Sweep(name="a", env=given)
    assert [one.family for one in sweep.env] == ["grid"] * 3 + [None]
    assert [one.family for one in sweep.with_overrides(["seeds=1"]).env] == ["grid"] * 3 + [None]
    first, *_, last = sweep.env
    assert (first.args, first.label) == ('{"height":3,"width":4}', "grid, width 4")
    assert last.id == "Taxi-v4"
    both = {"id": "VelocityGrid-v0", "width": "4-5", "height": "3-3"}
    args = [one.args for one in Sweep(name="a", env=both).env]
    assert args == ['{"height":3,"width":4}', '{"height":3,"width":5}']
    for text in ("4x4", "4 - 6", "-3", "4-", "a-b", "1-2-3"):
        (plain,) = Sweep(name="a", env={"id": "FrozenLake-v1", "map_name": text}).env
        assert plain.args == f'{{"map_name":"{text}"}}'


# --- overrides

ALWAYS = [
    (["seeds=0-9,20"], {"seeds": [*range(10), 20]}),
    (["max-steps=50", "max_steps=60"], {"max_steps": 60}),
    (["name=2024"], {"name": "2024"}),
    (["confirm.seeds=20", "confirm.top=2"], {"confirm": {"seeds": 20, "top": 2}}),
]
OWN = {"variant": "own_rules:clipped"}
DRAW = {"distribution": "uniform", "min": 0.1, "max": 0.2}
DRAWS = {"method": "random", "samples": 4, "parameters": {"alpha": DRAW}}


@pytest.mark.parametrize(
    ("overrides", "changes"),
    [
        *ALWAYS,
        (["alpha=0.1,0.2"], {"parameters": {"alpha": [0.1, 0.2]}}),
        (["parameters.eps-shift=1e-6"], {"parameters": {"eps_shift": 1e-6}}),
        (["episodes=500,1e3"], {"parameters": {"episodes": [500, 1000]}}),
        (["variant=minimum,standard"], {"variant": ["minimum", "standard"]}),
        (["env=Taxi-v4,{id: X, p: 2}"], {"env": ["Taxi-v4", {"id": "X", "p": 2}]}),
        (["constraints=alpha < 0.3"], {"constraints": ["alpha < 0.3"]}),
        (["variant=own_rules:clipped", "most=1,2"], OWN | {"parameters": {"most": [1, 2]}}),
        (["method=random", "samples=4", f"alpha={DRAW}"], DRAWS),
    ],
)
def test_overrides(overrides, changes):
    for base in (BASE, LIST) if (overrides, changes) in ALWAYS else (BASE,):
        assert Sweep(**base).with_overrides(overrides) == Sweep(**base | changes)


def test_an_override_replaces_all_that_the_spec_says_of_it():
    sweep = Sweep(
        **BASE,
        variant=["standard", {"id": "harmonic", "parameters": {"alpha": 0.5, "eps_shift": 1}}],
        parameters={"alpha": 0.1, "episodes": [1, 2]},
    )
    changed = sweep.with_overrides(["alpha=0.3", "episodes=7"])
    assert changed.episodes == 7
    assert changed.parameters == {"alpha": (0.3,)}
    assert changed.variant_parameters == {"harmonic": {"eps_shift": (1.0,)}}
    assert sweep.with_overrides(["variant=standard"]).variant_parameters == {}
    sampled = Sweep(**BASE, method="random", samples=3)
    assert sampled.with_overrides(["method=grid"]) == Sweep(**BASE)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("alpha=x", "--set alpha: unknown key of listed configurations; known: name, seeds, "),
        ("seed=0-9", "--set seed: unknown key of listed configurations; did you mean 'seeds'?"),
        ("alpha", "--set must be like alpha=0.1,0.2, got 'alpha'"),
        ("parameters={}", "--set parameters: unknown key; "),
        ("alhpa=0.1", "--set alhpa: unknown key; did you mean 'alpha'?"),
        ("seed=0-9", "--set seed: unknown key; did you mean 'seeds'?"),
        ("confirm.sedes=3", "confirm: unknown key 'sedes'; did you mean 'seeds'?"),
        ("env.max_speed=3", "--set env.max_speed: unknown key; "),
        ("alpha=0.1]", "--set alpha: must be values with commas between, got '0.1]'"),
        ("alpha=", "parameters.alpha: must hold at least one value"),
        ("alpha=0.1,3", "parameters.alpha[1]: must be in (0, 1], got 3"),
        ("seeds=4-0", "seeds: a range of seeds must rise, got '4-0'; did you mean '0-4'?"),
    ],
)
def test_overrides_that_cannot_be(override, message):
    with pytest.raises(InputError) as caught:
        Sweep(**LIST if "listed" in message else BASE).with_overrides([override])
    assert str(caught.value).startswith(message)


# --- any input at all

KEYS = [*Sweep.model_fields, "id", "values", "distribution", "min", "max", "mean", "std"]
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
mappings = st.dictionaries(st.sampled_from(list(Sweep.model_fields)), nested, max_size=6)


def use(make):
    """Whatever comes in, only an InputError of one line comes out; what is accepted can be used."""
    try:
        sweep = make()
    except InputError as problem:
        return str(problem)
    assert Sweep(**sweep.to_dict()) == sweep
    if (sweep.samples or 0) < 100 and len(sweep.seeds) < 100:
        with contextlib.suppress(InputError):
            assert expand(sweep).trials.configurations
    return ""


@given(nested | mappings | mappings.map(lambda given: BASE | given))
@settings(max_examples=400)
def test_any_nested_value_is_a_sweep_or_one_sentence(spec):
    assert "\n" not in use(lambda: Sweep.from_mapping(spec))


YAML_PARTS = [": ", "\n", "\n  ", "- ", "[", "]", "{", "}", ", ", "&a ", "*a", "<<: ", "'", "? "]
YAML_PARTS += [f"!!{tag} " for tag in ("int", "bool", "set", "binary", "timestamp", "omap")]
YAML_PARTS += ["|", "# ", "=", "~"]


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
