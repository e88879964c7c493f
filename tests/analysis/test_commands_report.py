"""`hq-ray report` on odd results: a report of what can be said, or one sentence."""

import json
import webbrowser
from pathlib import Path

import pytest
from small_sweeps import blank_picture, make_up, train

from hq_ray.analysis import figure_files
from hq_ray.cli import run_command_line
from hq_ray.load import load_trials

FOUR = ["standard", "harmonic", "minimum", "asymmetric"]
ODD = {
    "one seed": {"seeds": "0-0"},
    "two seeds": {"seeds": "0-1"},
    "one variant": {"variant": "harmonic"},
    "one configuration": {"parameters": {}},
    "one episode": {"parameters": {}, "episodes": 1},
    "controls only": {"variant": FOUR[2:], "parameters": {"alpha": [0.1, 0.5]}},
    "four variants": {"variant": FOUR, "parameters": {"alpha": [0.1, 0.5]}},
    "one variant varies": {
        "variant": ["standard", {"id": "harmonic", "parameters": {"eps_shift": [0.01, 1.0]}}],
        "parameters": {},
    },
    "schedules": {
        "parameters": {"alpha": [0.1, 0.5], "alpha_schedule": ["constant", "inverse"]},
    },
    "random search": {
        "method": "random",
        "samples": 5,
        "parameters": {
            "alpha": {"distribution": "uniform", "min": 0.1, "max": 0.9},
            "eps_shift": {"distribution": "log_uniform", "min": 1e-6, "max": 1e3},
        },
    },
    "no discount": {"parameters": {"gamma": [0.99, 1.0]}, "episodes": 5},
    "no model, so no success": {"env": "Blackjack-v1", "seeds": "0-1", "parameters": {}},
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return train(tmp_path_factory.mktemp("results"))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Another folder, and figures that are made but not encoded, which takes most of the time."""
    monkeypatch.chdir(tmp_path)
    picture = blank_picture()
    monkeypatch.setattr(figure_files, "picture", lambda figure, kind: picture)


def run(capsys, *arguments):
    code = run_command_line([str(one) for one in arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def refused(capsys, *arguments):
    """The one sentence of an error."""
    code, out, err = run(capsys, *arguments)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize("spec", ODD.values(), ids=list(ODD))
def test_odd_sweeps_have_a_report(spec, tmp_path, capsys):
    results = train(tmp_path, **spec)
    capsys.readouterr()
    code, out, _ = run(capsys, "report", results)
    assert code == 0
    assert out.endswith("Report: reports/tiny/report.html\n")
    assert Path("reports/tiny/report.html").exists()


@pytest.mark.parametrize("metric", ["policy_value", "policy_gap", "q_rmse"])
def test_values_that_do_not_exist_are_left_out(tmp_path, capsys, metric):
    # After five episodes many a greedy policy circles for ever along the cliff.
    spec = {"env": "CliffWalking-v1", "parameters": {"gamma": [0.99, 1.0]}, "episodes": 5}
    results = train(tmp_path, **spec)
    trials = load_trials(results, "gamma == 1")
    assert trials["policy_value"].isna().any()
    assert (trials["optimal_value"] == -13).all()
    capsys.readouterr()
    code, out, _ = run(capsys, "report", results, "--metric", metric)
    assert (code, out.splitlines()[-1]) == (0, "Report: reports/tiny/report.html")


def test_what_is_said_is_what_there_is(tiny, tmp_path, capsys):
    code, out, _ = run(capsys, "report", tiny)
    assert code == 0
    assert "too few seeds, 4 common to all configurations where 5 are needed" in out
    code, out, _ = run(capsys, "report", tiny, "--where", "variant == 'harmonic'")
    assert code == 0
    assert "\nOnly harmonic was run, " in out
    code, out, _ = run(capsys, "report", make_up(tmp_path / "failed", n_alphas=0))
    assert code == 0
    assert "No trial is done, so nothing can be said." in out
    assert "Note: 1 of 1 trials failed" in out


def test_an_environment_that_is_not_here_has_no_references(tmp_path, capsys):
    elsewhere = {"env": "nowhere_at_all:Env-v0", "fingerprint": "0" * 16}
    code, out, _ = run(capsys, "report", make_up(tmp_path / "made", n_alphas=2, **elsewhere))
    assert code == 0
    assert "cannot be made here (the module of environment" in out


def test_a_partial_sweep_says_what_is_missing(tmp_path, capsys):
    results = train(tmp_path)
    described = json.loads((results / "sweep.json").read_text())
    for row in described["planned"].values():
        row.update({variant: 2 * n for variant, n in row.items()})
    (results / "sweep.json").write_text(json.dumps(described))
    capsys.readouterr()
    code, out, _ = run(capsys, "report", results)
    assert code == 0
    assert "Note: 24 of 48 planned trials are not in" in out
    assert "24 of 48 planned trials done" in Path("reports/tiny/report.html").read_text()


def test_the_page_is_opened_where_asked_for(tiny, capsys, monkeypatch):
    shown = []
    monkeypatch.setattr(webbrowser, "open", shown.append)
    assert run(capsys, "report", tiny)[0] == 0
    assert shown == []
    assert run(capsys, "report", tiny, "--open")[0] == 0
    assert shown == [Path("reports/tiny/report.html").resolve().as_uri()]


def test_sweeps_read_together_make_one_report(tiny, tmp_path, capsys):
    other = train(tmp_path, "other", seeds="4-5")
    capsys.readouterr()
    code, out, _ = run(capsys, "report", tiny, other, f"{tiny}/")
    assert code == 0
    assert "n = 3 paired seeds" in out
    assert out.endswith("Report: reports/tiny-and-other/report.html\n")


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--metric", "final_retrun"], "did you mean 'final_return'?"),
        (["--metric", "q_bias"], "must have a better end"),
        (["--where", "alhpa < 1"], "did you mean 'alpha'?"),
        (["--where", "alpha <"], "where: must be a condition such as"),
        (["--where", "alpha > 9"], "--where must match a trial of"),
        (["--out", "file"], "must be one that can be written, got 'file'"),
        (["--out", "file/below"], "must be one that can be written, got 'file/below'"),
        (["--out", "s3://bucket/x", "--open"], "--open must go with a path to write to, got --out"),
        (["--smooth", "0"], "smooth must be a whole number"),
        (["--rope", "-1"], "rope must be"),
        (["--rope", "inf"], "rope must be"),
    ],
)
def test_what_cannot_be_is_one_sentence(tiny, tmp_path, capsys, flags, sentence):
    (tmp_path / "file").write_text("x")
    assert sentence in refused(capsys, "report", tiny, *flags)
    assert not Path("reports").exists()


@pytest.mark.parametrize("command", ["report", "compare", "plot"])
def test_what_is_no_results_folder_is_refused(tmp_path, capsys, command):
    (tmp_path / "empty").mkdir()
    for place in ("nowhere", "empty"):
        assert "must be a folder that a run or sweep wrote" in refused(capsys, command, place)
    assert sorted(tmp_path.iterdir()) == [tmp_path / "empty"]


def test_a_window_longer_than_training_is_a_running_mean(tiny, capsys):
    assert run(capsys, "report", tiny, "--smooth", "9999")[0] == 0
