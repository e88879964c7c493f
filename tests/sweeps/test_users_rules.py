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
from hq_ray.load import load_trials
from hq_ray.published import problems
from hq_ray.store import DONE, Results
from hq_ray.sweeps.api import run_sweep
from hq_ray.sweeps.expand import expand
from hq_ray.sweeps.spec import Sweep
from hq_ray.sweeps.status import status

SPEC = {"name": "own", "env": "FrozenLake-v1", "seeds": "0-1", "episodes": 20}
RULES = Path(own_rules.__file__).read_text()


def settings(spec):
    found = expand(Sweep.from_mapping(SPEC | spec)).trials.configurations
    return [{"variant": one.variant, "alpha": one.alpha} | one.rule_values for one in found]


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


def test_the_schema_knows_rules_of_ones_own():
    validator = jsonschema.Draft202012Validator(Sweep.model_json_schema())
    block = {"id": "own_rules:clipped", "parameters": {"most": [1, 2]}}
    for variant in ("own_rules:clipped", ["standard", block], "sarsa,double_q"):
        parameters = {"alpha_schedule": "visits", "alpha_power": [0.6, 1]}
        validator.validate(SPEC | {"variant": variant, "parameters": parameters})
    assert not validator.is_valid(SPEC | {"variant": "harmonc"})


def test_a_rule_that_numba_cannot_compile_is_told_and_trains(tmp_path):
    variants = [f"own_rules:{name}" for name in ("slow", "nan")]
    sweep = Sweep.from_mapping(SPEC | {"variant": variants})
    done = run_sweep(sweep, tmp_path, local=True)
    (notice,) = done.notices
    assert notice.startswith("own_rules:slow trains on the Gymnasium loop, some hundred times")
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
    results = Results.at(tmp_path / "results" / "own")
    trials = load_trials(results, quiet=True)
    (told,) = problems(results, trials)
    assert told.startswith("trials of my_rules:clipped were trained on 2 different versions of its")
    found = status(results)
    assert (found.totals["planned"], found.totals[DONE], found.totals["missing"]) == (6, 6, 0)
    assert found.mixed[0].startswith("4 trials of my_rules:clipped on ")
    own = trials[trials["variant"] == "my_rules:clipped"]
    assert set(trials["engine"]) == {"kernel"}
    assert own["rule"].nunique() == 2
    same = own.pivot(index=["rule_args", "seed"], columns="rule", values="mean_steps")
    pd.testing.assert_series_equal(same.iloc[:, 0], same.iloc[:, 1], check_names=False)
    (row,) = cells_by_problem(trials[~trials["rule"].eq(own["rule"].iloc[0])]).values()
    assert row["my_rules:clipped"].labels == ["most 0.01", "most 2"]
    (row,) = cells_by_problem(trials).values()
    assert all("rule " in label for label in row["my_rules:clipped"].labels)
