"""Rules of a user's own, all the way: spec, plan, Ray, resumed after an edit, tables."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import own_rules
import pandas as pd
import pytest

from hq_ray.analysis.cells import cells_by_problem
from hq_ray.errors import InputError
from hq_ray.load import load_trials
from hq_ray.sweeps.api import open_sweep, run_sweep
from hq_ray.sweeps.expand import expand
from hq_ray.sweeps.spec import Sweep

SPEC = {"name": "own", "env": "FrozenLake-v1", "seeds": "0-1", "episodes": 20}
RULES = Path(own_rules.__file__).read_text()


def settings(spec):
    found = expand(Sweep.from_mapping(SPEC | spec)).trials.configurations
    return [{"variant": one.variant, "alpha": one.alpha} | one.rule_values for one in found]


def ids(spec):
    return list(expand(Sweep.from_mapping(spec)).trials.ids())


def test_a_parameter_of_a_rule_is_swept_like_any_other():
    clipped = "own_rules:clipped"
    found = settings({"variant": ["standard", clipped], "parameters": {"most": [0.5, "1e1"]}})
    own = [(one["variant"], one.get("most")) for one in found]
    assert own == [("standard", None), (clipped, 0.5), (clipped, 10.0)]
    block = {"id": clipped, "parameters": {"most": 3}}
    assert [one.get("most") for one in settings({"variant": ["standard", block]})] == [None, 3.0]
    drawn = {"most": {"distribution": "log_uniform", "min": 0.1, "max": 10}}
    for method in ("random", "sobol"):
        spec = {"variant": clipped, "parameters": drawn, "method": method, "samples": 4}
        assert len({one["most"] for one in settings(spec)}) == 4
    spec = {"variant": clipped, "parameters": {"most": [0.1, 1, 2]}, "constraints": "most > alpha"}
    assert [one["most"] for one in settings(spec)] == [1.0, 2.0]


def test_what_is_understood_means_the_same_again():
    spec = SPEC | {"variant": "standard,own_rules:clipped", "parameters": {"most": [1, 2]}}
    sweep = Sweep.from_mapping(spec)
    assert ids(json.loads(json.dumps(sweep.to_dict()))) == ids(spec)
    grown = sweep.with_overrides(["most=1,2,4"])
    assert len(ids(grown.to_dict())) == len(ids(spec)) + 2
    listed = [{"env": "FrozenLake-v1"} | one for one in settings(spec)]
    spec_of_list = {"name": "listed", "seeds": "0-1", "episodes": 20, "configurations": listed}
    assert ids(spec_of_list) == ids(spec)


def test_the_schema_knows_rules_of_ones_own():
    validator = jsonschema.Draft202012Validator(Sweep.model_json_schema())
    block = {"id": "own_rules:clipped", "parameters": {"most": [1, 2]}}
    for variant in ("own_rules:clipped", ["standard", block], "sarsa,double_q"):
        parameters = {"alpha_schedule": "visits", "alpha_power": [0.6, 1]}
        validator.validate(SPEC | {"variant": variant, "parameters": parameters})
    assert not validator.is_valid(SPEC | {"variant": "harmonc"})


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"parameters": {"mots": 1}}, "parameters: unknown key 'mots'; did you mean 'most'?"),
        ({"parameters": {"most": "much"}}, "parameters.most: must be a finite number, got 'much'"),
        (
            {"variant": "own_rules:clippd"},
            "must have a Variant 'clippd'; did you mean 'clipped'?",
        ),
        ({"variant": "no_own_rules:clipped"}, "must be importable, but: ModuleNotFoundError"),
        ({"variant": "standard", "parameters": {"most": 1}}, "parameters: unknown key 'most'"),
        (
            {"variant": ["own_rules:clipped", {"id": "standard", "parameters": {"most": 1}}]},
            "variant[1].parameters: unknown key 'most'",
        ),
        ({"variant": "own_rules:named"}, "must have a name of its own, but "),
        ({"variant": "own_rules:averse"}, "has 'regret', which is a column of the results or of"),
    ],
)
def test_what_cannot_be_is_refused(spec, message):
    with pytest.raises(InputError) as refusal:
        Sweep.from_mapping(SPEC | {"variant": "own_rules:clipped"} | spec)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_an_unread_parameter_is_refused(tmp_path):
    spec = SPEC | {"variant": ["standard", "own_rules:clipped"], "parameters": {"eps_shift": 1}}
    with pytest.raises(InputError, match=r"eps_shift: must be read by a variant or schedule"):
        open_sweep(Sweep.from_mapping(spec), tmp_path)


def test_a_rule_that_numba_cannot_compile_is_told_and_trains(tmp_path):
    variants = [f"own_rules:{name}" for name in ("slow", "nan")]
    sweep = Sweep.from_mapping(SPEC | {"variant": variants})
    done = run_sweep(sweep, tmp_path, local=True)
    (notice,) = done.notices
    assert notice.startswith(
        "own_rules:slow trains on the Gymnasium loop, some hundred times slower"
    )
    trials = load_trials(done.results, quiet=True).set_index("variant")
    assert list(trials.loc[variants[0], "engine"]) == ["gymnasium"] * 2
    assert list(trials.loc[variants[1], "status"]) == ["failed"] * 2
    assert (done.tally.done, done.tally.failed) == (2, 2)


@pytest.mark.ray
def test_a_sweep_by_ray_goes_on_after_the_module_was_edited(tmp_path):
    (tmp_path / "my_rules.py").write_text(RULES)
    spec = SPEC | {"variant": ["standard", "my_rules:clipped"], "parameters": {"most": [0.01, 2]}}
    (tmp_path / "own.yaml").write_text(json.dumps(spec))
    said = []
    for edit in ("", "\n# edited\n"):
        with (tmp_path / "my_rules.py").open("a") as module:
            module.write(edit)
        command = [sys.executable, "-m", "hq_ray", "sweep", "own.yaml"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        said.append(done.stdout)
    assert "Ran 6 trials (" in said[0]
    assert "Ran 4 trials (" in said[1]
    assert "2 were there" in said[1]
    trials = load_trials(tmp_path / "results" / "own")
    own = trials[trials["variant"] == "my_rules:clipped"]
    assert set(trials["engine"]) == {"kernel"}
    assert own["rule"].nunique() == 2
    same = own.pivot(index=["rule_args", "seed"], columns="rule", values="mean_steps")
    pd.testing.assert_series_equal(same.iloc[:, 0], same.iloc[:, 1], check_names=False)
    (row,) = cells_by_problem(trials[~trials["rule"].eq(own["rule"].iloc[0])]).values()
    assert row["my_rules:clipped"].labels == ["most 0.01", "most 2"]
    (row,) = cells_by_problem(trials).values()
    assert all("rule " in label for label in row["my_rules:clipped"].labels)


def test_a_range_makes_one_environment_of_each_whole_number():
    given = [{"id": "VelocityGrid-v0", "width": "4-6", "height": 3, "label": "grid"}, "Taxi-v4"]
    sweep = Sweep(name="a", env=given)
    assert [one.family for one in sweep.env] == ["grid"] * 3 + [None]
    assert [one.family for one in sweep.with_overrides(["seeds=1"]).env] == ["grid"] * 3 + [None]
    first, *_, last = sweep.env
    assert (first.args, first.label) == ('{"height":3,"width":4}', "grid, width 4")
    assert last.id == "Taxi-v4"
    both = {"id": "VelocityGrid-v0", "width": "4-5", "height": "3-3"}
    assert [one.arguments["width"] for one in Sweep(name="a", env=both).env] == [4, 5]
    for text in ("4x4", "4 - 6", "-3", "4-", "a-b", "1-2-3"):
        (plain,) = Sweep(name="a", env={"id": "FrozenLake-v1", "map_name": text}).env
        assert plain.arguments == {"map_name": text}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("6-4", r"^env.width: a range must rise, got '6-4'; did you mean '4-6'\?$"),
        ("0-10000", "^env.width: ranges must make at most 10,000 environments, got '0-10000'$"),
        ("0-5000", "^env.width: ranges must make at most 10,000 environments, got '0-5000'$"),
    ],
)
def test_a_range_that_is_none_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        Sweep(name="a", env={"id": "VelocityGrid-v0", "width": text, "height": "3-4"})
