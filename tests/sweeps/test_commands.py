"""`hq-ray plan`, `sweep` and `status` in this process: counts, growth, failures, exit codes."""

import json
import re
import shutil
from pathlib import Path

import jsonschema
import pytest

from hq_ray.load import load_trials
from hq_ray.store import Results
from hq_ray.sweeps.spec_text import read_yaml

SPEC = """
name: mine
env: FrozenLake-v1
seeds: 0-1
episodes: 20
parameters:
  alpha: [0.1, 0.2]
"""
RUN = "sweep mine.yaml --local"
GOLDEN = Path(__file__).parent.parent / "golden" / "specs.yaml"


@pytest.fixture(autouse=True)
def specs(tmp_path):
    (tmp_path / "mine.yaml").write_text(SPEC)


@pytest.fixture
def moody(register_acting):
    """An environment, Moody-v0, whose steps raise until `moody` is cleared."""
    problems = [RuntimeError("out of [/red] order")]

    def act(env, action):
        for problem in problems:
            raise problem
        return 1.0

    register_acting("Moody-v0", act)
    return problems


def cells(text, *begin):
    """The numbers in the row of a table that begins with these words."""
    rows = [[part.strip() for part in line.split("│")[1:-1]] for line in text.splitlines()]
    (row,) = (row for row in rows if tuple(row[: len(begin)]) == begin)
    return [int(number) for number in row[len(begin) :]]


def test_a_spec_is_planned_and_run_once(call, said, tmp_path):
    out = said("plan mine.yaml --no_pilot")
    assert cells(out, "FrozenLake-v1", "standard") == [2, 4, 0, 0]
    assert cells(out, "FrozenLake-v1", "harmonic") == [2, 4, 0, 0]
    assert out.endswith("8 trials: 8 new, 0 done, 0 failed\n")
    code, out, err = call("plan mine.yaml --cores 3")
    assert (code, err) == (0, "running pilot trials for the estimate; --no_pilot leaves them out\n")
    cost = r"\S+ core-hours, \S+ s on 3 cores, \S+ \wB on disk\n$"
    assert re.search(rf"Estimate from 4 pilot trials: {cost}", out)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.yaml"], "nothing is written"
    out = said(RUN)
    assert out.startswith("Ran 8 trials (")
    assert out.endswith("Look at it with: hq-ray status results/mine\n")
    files = [path for path in (tmp_path / "results").rglob("*") if path.is_file()]
    before = [(path, path.stat().st_mtime_ns) for path in files]
    assert call(RUN) == (0, "All 8 trials are done in results/mine; nothing to run.\n", "")
    assert [(path, path.stat().st_mtime_ns) for path in files] == before
    one = ["--set", "seeds=0", "--set", "alpha=0.1", "--set", "variant=standard"]
    assert said(RUN, *one) == "The 1 trial is done in results/mine; nothing to run.\n"
    assert said("plan mine.yaml").endswith("8 trials: 0 new, 8 done, 0 failed\n")
    out = said("plan mine.yaml --no_pilot --set", "alpha=0.1,0.2,0.3")
    assert cells(out, "FrozenLake-v1", "standard") == [3, 2, 4, 0]
    assert out.endswith("12 trials: 4 new, 8 done, 0 failed\n")


@pytest.mark.parametrize(
    ("override", "new"),
    [
        ("seeds=0-4", 12),
        ("alpha=0.1,0.15,0.2", 4),
        ("env=CliffWalking-v1,FrozenLake-v1", 8),
        ("variant=standard,harmonic,minimum", 2),
        ("max_steps=100", 0),
    ],
)
def test_growth_runs_what_is_new(said, override, new):
    said(RUN)
    out = said(RUN, "--set", override)
    ran = f"Ran {new} trials ("
    assert out.startswith(
        ran if new else "All 8 trials are done in results/mine; nothing to run.\n"
    )
    assert (", 8 were there): results/mine" in out) is (new > 0)
    assert said(RUN, "--set", override).endswith("; nothing to run.\n")
    assert len(Results.at("results/mine").published()) == 8 + new


MOODY = ("--set", "env=FrozenLake-v1,Moody-v0", "--set", "alpha=0.1")


def test_failures_are_told_counted_and_tried_again(call, moody, said):
    code, out, _ = call(RUN, *MOODY)
    assert code == 1
    assert "Ran 4 trials (" in out
    assert "4 failed: RuntimeError: out of [/red] order" in out
    out = said("plan mine.yaml --no_pilot", *MOODY)
    assert cells(out, "Moody-v0", "standard") == [1, 0, 0, 2]
    assert out.endswith("8 trials: 0 new, 4 done, 4 failed\n")
    code, out, _ = call(RUN, *MOODY)
    assert code == 1
    assert out.endswith(
        "4 trials failed before; --retry_failed tries again\n"
        "Nothing else to run in results/mine: 4 trials done.\n"
    )
    out = said("status results/mine")
    assert cells(out, "Moody-v0", "standard") == [2, 0, 2, 0, 0]
    assert cells(out, "FrozenLake-v1", "harmonic") == [2, 2, 0, 0, 0]
    assert "│ RuntimeError: out of [/red] order │      4 │" in out
    assert "4 trials done, 4 failed, " in out
    assert call(RUN, *MOODY, "--set", "seeds=0-1,5")[0] == 1
    moody.clear()
    assert "Ran 4 trials (" in said(RUN, *MOODY, "--retry_failed")
    said(RUN, *MOODY)


def test_a_plan_whose_pilots_fail(moody, tmp_path, said):
    out = said("plan mine.yaml", *MOODY)
    assert "Estimate from 2 pilot trials: " in out
    told = "A pilot trial failed, and the estimate leaves out its kind: Moody-v0, standard: Runtime"
    assert told in out
    assert "Estimate" not in said("plan mine.yaml --set env=Moody-v0")
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("plan a.yaml", "the spec must be a readable file, got 'a.yaml': No such file or "),
        ("sweep bad.yaml", "bad.yaml: the spec: unknown key 'episode'; did you mean 'episodes'?"),
        ("plan mine.yaml --set alhpa=1", "--set alhpa: unknown key; did you mean 'alpha'?"),
        ("plan mine.yaml --cores 0", "Invalid value for '--cores': 0 is not in the range"),
        (f"{RUN} --engine kernle", "unknown engine 'kernle'; did you mean 'kernel'?"),
        (f"{RUN} --trials_per_task none", "Invalid value for '--trials_per_task': 'none' is "),
        *(
            (line, "results must be a folder that a run or sweep wrote, got '")
            for line in ("status none", "status .", "replay none abc", "verify .")
        ),
        ("init mine.yaml", "init must write a new file, but 'mine.yaml' is there"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_exit_code_2(call, tmp_path, line, error):
    (tmp_path / "bad.yaml").write_text(SPEC + "episode: 3")
    code, out, err = call(line)
    assert (code, out) == (2, "")
    assert err.startswith(f"Error: {error}")
    assert err.count("\n") == 1
    assert not (tmp_path / "results").exists()
    assert (tmp_path / "mine.yaml").read_text() == SPEC


def test_the_spec_of_init_is_planned_and_fits_the_schema(tmp_path, said):
    said("init")
    text = (tmp_path / "sweep.yaml").read_text()
    assert "320 trials: 320 new" in said("plan sweep.yaml --no_pilot")
    validator = jsonschema.Draft202012Validator(json.loads(said("schema")))
    for spec in map(read_yaml, [text, *GOLDEN.read_text().split("---\n")]):
        # Text that counts as a number, and a note of earlier versions.
        if spec["name"] not in ("numbers", "quick-stage-2"):
            validator.validate(spec)
    for wrong in ({"episode": 3}, {"method": "gird"}, {"env": 3}):
        assert not validator.is_valid(read_yaml(text) | wrong)


def test_a_label_names_an_environment_and_is_no_part_of_its_trials(said):
    fast = "id: VelocityGrid-v0, max_speed: 2"
    labelled = f'env={{{fast}, label: " fast\\n grid"}}'
    assert "│ fast grid │ standard │" in said("plan mine.yaml --no_pilot --set", labelled)
    said(RUN, "--set", labelled)
    assert "All 8 trials are done" in said(RUN, "--set", f"env={{{fast}}}")
    trials = Results.at("results/mine")
    frame = load_trials(trials)
    assert set(frame["label"]) == {"fast grid"}
    assert set(frame["env_args"]) == {'{"max_speed":2}'}
    (env,) = trials.description()["spec"]["env"]
    assert env == {"id": "VelocityGrid-v0", "label": "fast grid", "max_speed": 2}


def test_status_of_a_folder_of_sweeps_and_of_settings_that_nobody_asked_for_together(said):
    spec = {"name": "one", "env": "FrozenLake-v1", "seeds": [0, 1], "episodes": 5}
    Path("one.yaml").write_text(json.dumps(spec | {"confirm": {"seeds": 3}}))
    spec |= {"name": "two", "parameters": {"gamma": [0.9, 1]}}
    Path("two.yaml").write_text(json.dumps(spec))
    for line in ("one.yaml", "one.yaml --set episodes=6", "two.yaml"):
        said(f"sweep {line} --local")
    out = said("status results")
    assert cells(out, "one") == [4, 8, 0, 0, 12]
    assert cells(out, "two") == [8, 8, 0, 0, 0]
    told = "Notice: FrozenLake-v1 has trials with episodes 5 and 6, which are compared separately"
    assert told in said("status results/one")
    assert "Notice" not in said("status results/two")
    # Before the first batch is there.
    shutil.rmtree("results/two/trials")
    assert cells(said("status results/two"), "FrozenLake-v1", "standard") == [4, 0, 0, 4, 0]
    assert cells(said("status results"), "two") == [8, 0, 0, 8, 0]
