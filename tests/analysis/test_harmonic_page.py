"""docs/harmonic.md says what the code does: its tables, numbers and figures are made again here.

The tables of its results come from a small version of the study. The whole of it is run again, in
some minutes, with

    HQ_RAY_HARMONIC=1 pytest tests/analysis/test_harmonic_page.py
"""

import contextlib
import io
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from numba import njit
from scipy import stats

from hq_ray.analysis.theory import effective_step_size, fixed_point, harmonic_step
from hq_ray.environments import load_model
from hq_ray.sweeps.api import run_sweep
from hq_ray.sweeps.spec import Sweep
from hq_ray.sweeps.spec_text import read_yaml
from hq_ray.updates import harmonic, minimum

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "harmonic.md").read_text()
SCRIPT = runpy.run_path(str(ROOT / "docs" / "theory_figures.py"))
OUTCOMES, PROBABILITIES = SCRIPT["OUTCOMES"], SCRIPT["PROBABILITIES"]
SIMULATED_ALPHA, SIMULATED_SHIFTS = SCRIPT["SIMULATED_ALPHA"], SCRIPT["SIMULATED_SHIFTS"]
STUDY = runpy.run_path(str(ROOT / "docs" / "harmonic_study.py"))
# Those whose compiled loops are few.
WORLDS = ("cliff", "slippery cliff", "lake", "bridge", "overestimation grid")


def tables(text):
    """The rows of each Markdown table, by the line of its head."""
    found = {}
    for part in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        first, _, *rest = part.splitlines()
        found.setdefault(first, []).extend(rest)
    return found


def test_the_table_of_fixed_points():
    begin = "| `eps_shift` | E[U(y - Q)] = 0 |"
    (lines,) = (of for first, of in tables(PAGE).items() if first.startswith(begin))
    found = np.array([line.strip("| ").split("|") for line in lines], dtype=float)
    target = (OUTCOMES, PROBABILITIES)
    assert tuple(found[:, 0]) == SIMULATED_SHIFTS
    law = [fixed_point(*target, shift) for shift in SIMULATED_SHIFTS]
    near = SCRIPT["approximate_fixed_point"](np.array(SIMULATED_SHIFTS))
    columns = law, near, SCRIPT["simulated_points"]()
    np.testing.assert_allclose(found[:, 1:], np.transpose(columns), rtol=0, atol=0.00501)
    assert f"alpha {SIMULATED_ALPHA:g}" in PAGE
    assert "of mean -2 and variance 9" in PAGE
    assert np.dot(OUTCOMES, PROBABILITIES) == pytest.approx(-2)


def test_the_numbers_of_the_text():
    assert "it goes to 10.87; the standard update goes to 14" in PAGE
    assert 10 + 40 * effective_step_size(10.0, 50.0, 0.1, 1e-12) == pytest.approx(10.87, abs=0.005)
    assert 10 + 40 * effective_step_size(10.0, 50.0, 0.1, 1e12) == pytest.approx(14)
    assert "87 * 0.9 / (0.1 * 1e-3) = 783,000" in PAGE
    assert 87 / harmonic_step(1e12, 0.1, 1e-3) == pytest.approx(783_000)


def test_what_is_left_over_above_the_minimum():
    assert "(1 - alpha)/alpha eps_shift of it is left over" in PAGE
    for alpha in (0.02, 0.2, 0.8):
        left = 100 + harmonic_step(-100.0, alpha, 1e-6)
        assert left == pytest.approx((1 - alpha) / alpha * 1e-6, rel=1e-4)
        # Downwards from a positive value to a target of 0, and upwards.
        assert harmonic(1e6, 0.0, alpha, 1e-2) <= (1 - alpha) / alpha * 1e-2
        assert harmonic(0.3, 1e9, alpha, 1e-2) + 1e-2 <= 0.31 / (1 - alpha)
    assert "c (1 + c) = (1 - p) / p" in PAGE
    for p in (0.1, 0.5, 0.9):
        c = (np.sqrt(1 + 4 * (1 - p) / p) - 1) / 2
        settled = fixed_point([-11.0, -1.0], [p, 1 - p], 1e-6)
        assert (settled + 11) / 1e-6 == pytest.approx(c, rel=1e-4)


def test_the_figures_are_the_ones_that_the_command_draws(tmp_path):
    (script,) = re.findall(r"`python (docs/theory_figures\.py) docs/images`", PAGE)
    subprocess.run([sys.executable, script, tmp_path], cwd=ROOT, check=True)
    shown = re.findall(r"!\[[^]]+\]\((images/harmonic[^)]+)\)", PAGE)
    assert sorted(Path(path).name for path in shown) == sorted(p.name for p in tmp_path.iterdir())
    for path in shown:
        ours, fresh = (
            matplotlib.image.imread(folder / Path(path).name)
            for folder in (ROOT / "docs" / "images", tmp_path)
        )
        # Equal where the fonts are; elsewhere letters move by a pixel.
        assert ours.shape == fresh.shape
        assert np.abs(ours - fresh).mean() < 0.02


@njit
def return_by_rounded_values(rule, model, alpha, rounding, n_episodes, rng):
    """Mean return of CliffWalking, greedy in values rounded to multiples of `rounding`."""
    next_state, reward, terminated = model
    q_values, total = np.zeros(reward.shape), 0.0
    for _ in range(n_episodes):
        state = 36
        for _ in range(1000):
            action = np.argmax(np.round(q_values[state] / rounding) * rounding)
            if rng.random() < 0.1:
                action = int(4 * rng.random())
            target, after = reward[state, action], next_state[state, action]
            total += target
            if not terminated[state, action]:
                target += 0.99 * q_values[after].max()
            q_values[state, action] = rule(q_values[state, action], target, alpha)
            if terminated[state, action]:
                break
            state = after
    return total / n_episodes


def test_on_the_cliff_alpha_only_picks_among_ties():
    assert "on *cliff* every alpha gives the return of `minimum`" in PAGE
    model = load_model("CliffWalking-v1", "{}")
    arrays = tuple(a[..., 0] for a in (model.next_state, model.reward, model.terminated))
    blend, least_of = njit(harmonic), njit(minimum)
    rules = (
        njit(lambda q_value, target, alpha: blend(q_value, target, alpha, 1e-6)),
        njit(lambda q_value, target, alpha: least_of(q_value, target)),
    )

    def mean_return(rule, alpha, rounding):
        streams = [np.random.Generator(np.random.PCG64(seed)) for seed in range(20)]
        of = [return_by_rounded_values(rule, arrays, alpha, rounding, 1000, rng) for rng in streams]
        return np.mean(of)

    least = mean_return(rules[1], 0.5, 1e-3)
    for alpha in (0.02, 0.8):
        assert mean_return(rules[0], alpha, 1e-3) == pytest.approx(least, abs=0.2)
    assert mean_return(rules[0], 0.02, 1e-15) < least - 1


BRIDGE = {
    "id": "FrozenLake-v1",
    "desc": ["FFFFFFF", "FFFFFFF", "FFHHHFF", "SFFFFFG"],
    "success_rate": 0.95,
    "reward_schedule": [0, -50, -1],
}


def test_at_a_high_alpha_the_bridge_is_given_up_unless_behaviour_is_random(tmp_path):
    assert "with epsilon 1 throughout it does not" in PAGE
    sweep = Sweep(
        name="bridge",
        env=BRIDGE,
        variant="standard",
        seeds=range(20),
        episodes=20000,
        parameters={"alpha": 0.1, "eps_schedule": "constant", "eps_start": [0.5, 1.0]},
    )
    trials = run_sweep(sweep, results=tmp_path, local=True).trials()
    worth = trials.groupby("eps_start")["policy_value"].median()
    assert worth[0.5] < -11
    assert worth[1.0] > -9


def small(folder):
    """The study with few worlds, seeds and levels and short episodes, all in one folder."""
    one = {"alpha": [0.2], "eps_shift": [10.0]}
    some = {"alpha": [0.02, 0.05, 0.2, 0.7, 1.0], "alpha_power": 0.8}
    some |= {"alpha_schedule": ["constant", "visits"]}
    for name, lengths, parameters in (
        ("harmonic", {"episodes": 60}, some),
        ("harmonic-discount", {}, one),
        ("harmonic-garnets", {"episodes": 20}, one),
    ):
        content = read_yaml((ROOT / "sweeps" / f"{name}.yaml").read_text())
        content |= {"seeds": "0-1", "confirm": {"seeds": 3, "metric": "mean_return"}} | lengths
        if name == "harmonic-garnets":
            content["env"]["instance"] = "0-2"
        else:
            content["env"] = [world for world in content["env"] if world["label"] in WORLDS]
        content["parameters"] |= {"alpha_down": [0.1]} | parameters
        if name == "harmonic":
            del content["parameters"]["alpha_end"], content["parameters"]["alpha_decay_episodes"]
        run_sweep(Sweep.from_mapping(content), results=folder, local=True)
    return folder


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A small study, and what the page's command prints of it."""
    folder = small(tmp_path_factory.mktemp("study"))
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        STUDY["main"](folder, folder / "answer.png")
    assert matplotlib.image.imread(folder / "answer.png").shape[1] == 690
    return folder, tables(printed.getvalue())


def test_the_page_has_the_tables_that_its_command_prints(study):
    assert "python docs/harmonic_study.py results docs/images/which_update_wins.png" in PAGE
    on_page = tables(PAGE)
    for first, lines in study[1].items():
        assert first in on_page
        shown = {line.split("|")[1] for line in on_page[first]}
        for name in (line.split("|")[1] for line in lines):
            name = name.replace("instance 0-2", "instance 0-49")
            assert name.replace("episodes 60", "episodes 3,000") in shown


def test_a_difference_is_what_scipy_makes_of_the_raw_files(study):
    folder, printed = study
    trials = pd.read_parquet(folder / "harmonic" / "trials")
    fresh = trials[(trials["role"] == "confirmation") & (trials["label"] == "cliff")]
    scores = fresh.pivot(index="seed", columns="variant", values="mean_return")
    against = "|  | asymmetric | sarsa | expected_sarsa | double_q |"
    (line,) = (line for line in printed[against] if line.startswith("| cliff, episodes 60, "))
    for cell, baseline in zip(line.split("|")[2:], against.split(" | ")[1:], strict=False):
        gap = scores["harmonic"] - scores[baseline.strip("| ")]
        found = [float(number) for number in re.findall(r"[-+][\d.]+", cell)]
        ends = stats.t.interval(0.95, len(gap) - 1, gap.mean(), stats.sem(gap))
        digits = STUDY["digits"](np.array([gap.mean(), *ends]))
        np.testing.assert_allclose(found, np.round([gap.mean(), *ends], digits))


@pytest.mark.timeout(7200)
def test_the_numbers_of_the_page(tmp_path, capsys):
    if not os.environ.get("HQ_RAY_HARMONIC"):
        pytest.skip("trains 140,000 trials; HQ_RAY_HARMONIC=1 runs it")
    for name in STUDY["SWEEPS"]:
        spec = (ROOT / "sweeps" / f"{name}.yaml").read_text()
        run_sweep(Sweep.from_yaml(spec), results=tmp_path)
    capsys.readouterr()
    STUDY["main"](tmp_path, None)
    on_page = tables(PAGE)
    for first, lines in tables(capsys.readouterr().out).items():
        assert on_page[first] == lines
