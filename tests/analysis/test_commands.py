"""`plot`, `compare` and `report` on usual and odd results: what can be said, or one sentence."""

import subprocess
import sys
import webbrowser
from pathlib import Path

import pandas as pd
import pytest
from small_sweeps import make_up, train

from hq_ray.load import load_trials

ODD = {
    "one seed, one episode": {"seeds": "0-0", "parameters": {}, "episodes": 1},
    "one variant, two seeds": {"variant": "harmonic", "seeds": "0-1"},
    "no standard, and one of three varies": {
        "variant": [
            "minimum",
            "asymmetric",
            {"id": "harmonic", "parameters": {"eps_shift": [1, 9]}},
        ],
        "parameters": {},
    },
    "schedules": {"parameters": {"alpha": [0.1, 0.5], "alpha_schedule": ["constant", "inverse"]}},
    "random search": {
        "method": "random",
        "samples": 5,
        "parameters": {
            "alpha": {"distribution": "uniform", "min": 0.1, "max": 0.9},
            "eps_shift": {"distribution": "log_uniform", "min": 1e-6, "max": 1e3},
        },
    },
    "no model, so no success": {"env": "Blackjack-v1", "seeds": "0-1", "parameters": {}},
}


def drawn(folder):
    return {str(path.relative_to(folder)) for path in Path(folder).rglob("*.png")}


def test_plot_draws_every_figure_with_its_data_beside_it(run, tiny):
    code, out, _ = run("plot", tiny, "--smooth", "5", "--per_seed", "best")
    assert (code, out) == (0, "Figures: plots/tiny\n")
    found = drawn("plots/tiny")
    curves = {"curves_returns.png", "curves_steps.png", "curves_success.png", "difference.png"}
    more = {"by_alpha.png", "value_bias.png", "heat_alpha_eps_shift.png", "importance.png"}
    of_all = {name for name in found if "/" not in name}
    assert of_all == curves | more | {"pairs.png", "health.png"}
    for name in of_all:
        assert len(pd.read_parquet(Path("plots/tiny") / name.replace(".png", ".parquet")))
    # And two of each trial.
    per_seed = found - of_all
    assert len({(Path("plots/tiny") / name).read_bytes() for name in per_seed}) == 2 * 8
    assert {(*Path(name).parts[:3], Path(name).name) for name in per_seed} == {
        ("per_seed", "FrozenLake-v1", variant, f"seed_{quantity}.png")
        for variant in ("standard", "harmonic")
        for quantity in ("returns", "steps")
    }


def test_plot_draws_in_other_formats_and_each_part_of_the_trials_has_a_folder(run, tiny):
    for kind, where in (("svg", "alpha < 0.3 and seed < 1"), ("pdf", "alpha > 0.3 and seed < 1")):
        flags = ["--format", kind, "--where", where, "--per_seed", "best"]
        assert run("plot", tiny, *flags)[0] == 0
        names = {path.name for path in Path("plots").rglob(f"*.{kind}")}
        assert {f"curves_returns.{kind}", f"health.{kind}", f"seed_steps.{kind}"} <= names
    assert not drawn("plots")
    folders = [path.name for path in Path("plots").iterdir()]
    assert len(folders) == 2
    assert all(name.startswith("tiny-where-alpha_0.3_and_seed_1-") for name in folders)


def test_folders_of_hostile_names_are_plain(run, tmp_path, unencoded):
    made = make_up(tmp_path / "made", n_alphas=2)
    assert run("plot", made, "--per_seed", "all", "--out", "out")[0] == 0
    names = " ".join(drawn("out"))
    assert names.count("per_seed/") == 2 * 8
    assert set(names) <= set("abcdefghijklmnopqrstuvwxyzAS0123456789._-/ ")


def test_steps_of_successes_need_successes(run, tmp_path, sketched):
    # No episode of these has a success in the window of every seed.
    never = train(tmp_path, "never", env="CliffWalking-v1", max_steps=2, parameters={})
    _, out, _ = run("plot", never, "--successes_only")
    assert "Note: there is no window in which every seed succeeds" in out
    assert "curves_returns.png" in drawn("plots/never")
    assert "curves_steps.png" not in drawn("plots/never")


def test_compare_has_no_need_of_matplotlib(tiny):
    program = "import sys; import hq_ray; hq_ray.compare(sys.argv[1]); "
    program += "assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", program, str(tiny)], check=True)


def test_compare_says_who_wins_and_draws_nothing(run, tiny):
    assert "Over 1 problem, harmonic against standard:" in run("compare", tiny)[1]
    _, out, _ = run("compare", tiny, "--where", "variant == 'standard'")
    assert "There is only standard, and nothing to compare" in out
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("spec", ODD.values(), ids=list(ODD))
def test_odd_sweeps_have_a_report(spec, tmp_path, run, unencoded):
    code, out, _ = run("report", train(tmp_path, **spec))
    assert code == 0
    assert out.endswith("Report: reports/tiny/report.html\n")
    assert Path("reports/tiny/report.html").exists()


@pytest.mark.parametrize("metric", ["policy_value", "policy_gap"])
def test_values_that_do_not_exist_are_left_out(tmp_path, run, metric, unencoded):
    # After five episodes many a greedy policy circles for ever along the cliff.
    spec = {"env": "CliffWalking-v1", "parameters": {"gamma": [0.99, 1.0]}, "episodes": 5}
    results = train(tmp_path, **spec)
    trials = load_trials(results, "gamma == 1")
    assert trials["policy_value"].isna().any()
    assert (trials["optimal_value"] == -13).all()
    code, out, _ = run("report", results, "--metric", metric)
    assert (code, out.splitlines()[-1]) == (0, "Report: reports/tiny/report.html")


def test_what_is_said_is_what_there_is(run, tiny, tmp_path, sketched):
    out = run("report", tiny, "--smooth", "9999")[1]  # longer than training
    assert "too few seeds, 4 common to all configurations where 5 are needed" in out
    out = run("report", make_up(tmp_path / "failed", n_alphas=0))[1]
    assert "No trial is done, so nothing can be said." in out
    assert "Note: 1 of 1 trials failed" in out
    elsewhere = {"env": "nowhere_at_all:Env-v0", "fingerprint": "0" * 16}
    out = run("report", make_up(tmp_path / "made", n_alphas=2, **elsewhere))[1]
    assert "cannot be made here (the module of environment" in out


def test_the_page_is_opened_where_asked_for(run, tiny, monkeypatch, sketched):
    shown = []
    monkeypatch.setattr(webbrowser, "open", shown.append)
    for flags in ([], ["--open"]):
        assert run("report", tiny, *flags)[0] == 0
        assert len(shown) == len(flags)
    assert shown == [Path("reports/tiny/report.html").resolve().as_uri()]


def test_sweeps_read_together_make_one_report(run, tiny, tmp_path, sketched):
    code, out, _ = run("report", tiny, train(tmp_path, "other", seeds="4-5"), f"{tiny}/")
    assert code == 0
    assert "n = 3 paired seeds" in out
    assert out.endswith("Report: reports/tiny-and-other/report.html\n")


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (
            ["--metric", "final_retrun"],
            "unknown metric 'final_retrun'; did you mean 'final_return'?",
        ),
        (
            ["--metric", "q_bias"],
            "must have a better end, but q_bias is best at 0; take one of final_return,",
        ),
        (["--where", "alhpa < 1"], "did you mean 'alpha'?"),
        (["--where", "alpha <"], "where: must be a condition such as"),
        (["--where", "alpha > 9"], "--where must match a trial of"),
        (["--out", "/dev/null"], "must be writable, got '/dev/null'"),
        (["--out", "/dev/null/x"], "must be writable, got '/dev/null/x'"),
        (["--out", "s3://bucket/x", "--open"], "--open must go with a path to write to, got --out"),
        (["--smooth", "0"], "Invalid value for '--smooth': 0 is not in the range"),
        (["--rope", "-1"], "rope must be"),
        (["--rope", "inf"], "rope must be"),
        (["--threshold", "nan"], "threshold must be a finite number, got nan"),
    ],
)
def test_what_cannot_be_is_one_sentence(tiny, refused, flags, sentence):
    command = "compare" if "--threshold" in flags else "report"
    assert sentence in refused(command, tiny, *flags)
    assert list(Path().iterdir()) == []
