"""The benchmarks run, and the model on paper adds up; nothing here is about time."""

import importlib
import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture
def load(monkeypatch):
    """A module of the benchmarks, which are scripts beside each other and no package."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module


@pytest.fixture
def model(load):
    return load("cost_model")


@pytest.fixture
def costs(model):
    return model.Costs(
        batch_seconds=0.01,
        task_seconds=0.001,
        trial_seconds=1e-5,
        plan_seconds=2e-6,
        base_bytes=3e8,
        trial_bytes=100.0,
        argument_bytes=110.0,
        report_bytes=20.0,
    )


@pytest.fixture
def kind(model):
    return model.Kind("5 ms", episodes=4000, worker_seconds=0.005, disk_bytes=20_000.0)


def test_needs_by_hand(model, costs, kind):
    need = model.needs(costs, kind, cores=10, trials=1_000_000)
    assert need.trials_per_task == 200  # of 5 ms make a second
    assert need.tasks == 5_000
    assert need.workers_seconds == pytest.approx((5_000 + 50) / 10)
    assert need.driver_seconds == pytest.approx(5 + 10)
    assert need.seconds == need.workers_seconds
    assert need.plan_seconds == pytest.approx(2)
    assert need.driver_bytes == pytest.approx(4e8)
    assert need.under_way_bytes == pytest.approx(2 * 10 * 200 * 110)
    assert need.report_bytes == pytest.approx(4_000)
    assert need.files == 10_000
    assert need.disk_bytes == pytest.approx(2e10)


def test_tasks_are_bounded_by_rows_and_hold_a_trial_at_least(model, costs):
    short = model.Kind("short", episodes=40_000, worker_seconds=1e-6, disk_bytes=0.0)
    assert model.needs(costs, short, 1, 1_000).trials_per_task == 100
    long = model.Kind("long", episodes=10, worker_seconds=60.0, disk_bytes=0.0)
    assert model.needs(costs, long, 1, 7).tasks == 7


def test_longer_tasks_are_fewer(model, costs, kind):
    need = model.needs(costs, kind, 10, 1_000_000, task_seconds=5.0)
    assert (need.trials_per_task, need.tasks) == (1_000, 1_000)


def test_shares_by_hand(model, costs, kind):
    limits = model.Limits(
        driver_bytes=8e8,
        store_bytes=4.4e6,
        puts_per_second=100.0,
        footer_seconds=0.08,
        resume_seconds=500.0,
    )
    shares = model.shares(model.needs(costs, kind, 10, 1_000_000), limits)
    assert shares == {
        "driver's core": pytest.approx(15 / 505),
        "driver's memory": pytest.approx(0.5),
        "object store": pytest.approx(0.1),
        "files a second": pytest.approx(10_000 / 505 / 100),
        "files to resume": pytest.approx(5_000 * 0.08 / 8 / 500),
    }


def test_many_cores_fill_the_driver_first(model, costs, kind):
    need = model.needs(costs, kind, 1_000, 10_000_000)
    name, share = model.first_full(need, model.Limits())
    assert name == "driver's core"
    assert share == pytest.approx(150 / 50.5)
    assert need.seconds == need.driver_seconds
    assert model.cores_fed(costs, kind) == pytest.approx(5_050 / 15)


def test_drivers_share_cores_and_trials(model, costs, kind):
    assert model.drivers(costs, kind, 1_000, 10_000_000, model.Limits()) == 3
    assert model.drivers(costs, kind, 10, 10_000, model.Limits()) == 1
    assert model.drivers(costs, kind, 10, 10_000, model.Limits(driver_bytes=1.0)) is None


def test_the_driver_beside_its_workers(model, costs, kind):
    assert model.rate_beside_driver(costs, kind, 2) == pytest.approx(1e6 / (5_050 / 2 + 15 / 2))


def test_costs_from_two_sweeps(load):
    costs = load("costs")
    # 400 tasks of one trial, then 20 tasks of 1,000: a task 1 ms, a trial 10 us.
    found = costs.solved(400 * 0.00101, 400, 20 * 0.001 + 20_000 * 1e-5, 20_000, 20)
    assert found == (pytest.approx(0.001), pytest.approx(1e-5))
    points = [{"trials": n, "peak_bytes": 3e8 + 100 * n} for n in (10, 1_000, 50_000)]
    assert costs.memory_line(points) == (pytest.approx(3e8), pytest.approx(100))


def test_an_outcome(load):
    outcome = load("contenders").Outcome(trials=100, seconds=4.0, train_seconds=2.0, cores=2)
    assert (outcome.rate, outcome.overhead) == (25.0, 4.0)


def test_ratios_are_taken_within_a_round(load):
    rows = pd.DataFrame(
        {
            "round": number,
            "contender": name,
            "length": "1 ms",
            "trials": 10,
            "run": 10,
            "trials_per_second": rate,
            "overhead": 1.0,
            "train_milliseconds": 1.0,
        }
        for number, rates in enumerate([(10.0, 5.0), (40.0, 10.0), (60.0, 20.0)])
        for name, rate in zip(("hq-ray", "Pool"), rates, strict=True)
    )
    found = load("sweep_against_others").medians(rows).set_index("contender")
    assert found.loc["Pool", "ratio"] == 3.0  # of 2, 4 and 3
    assert found.loc["hq-ray", "trials_per_second"] == 40.0


def test_what_is_not_installed_is_left_out(load, monkeypatch):
    @contextmanager
    def absent():
        raise ImportError("No module named 'absent'")
        yield

    others = load("sweep_against_others")
    monkeypatch.setattr(others, "CONTENDERS", {"Absent": absent})
    rows, starts, skipped = others.measure([], rounds=2)
    assert rows.empty
    assert starts == {}
    assert others.sentences(skipped, others.CELLS)[-1] == (
        "Absent is left out: No module named 'absent'"
    )


def test_a_busy_machine_is_told(load):
    machine = load("machine")
    assert machine.unquiet({"busy_share": None}) is None
    assert machine.unquiet({"busy_share": 0.05}) is None
    assert "54% of its cores" in machine.unquiet({"busy_share": 0.54})


def test_units_in_brackets_are_shown(load, tmp_path, capsys):
    frame = load("frame")
    options = frame.parser("A script.", "little")
    given = options.parse_args(["--json", str(tmp_path / "found.json")])
    given.machine = {"cores": 2}
    frame.conclude(given, [frame.grid("cost [us]", ["", "rate [k/s]"], [["a", "1"]], 1)], rows=[1])
    shown = capsys.readouterr().out
    assert "cost [us]" in shown
    assert "rate [k/s]" in shown
    assert json.loads((tmp_path / "found.json").read_text()) == {
        "machine": {"cores": 2},
        "rows": [1],
    }


@pytest.mark.ray
@pytest.mark.timeout(600)
def test_all_of_them_run(load, tmp_path):
    target = tmp_path / "all.json"
    command = [sys.executable, BENCHMARKS / "run_all.py", "--quick", "--json", target]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(target.read_text())
    assert list(found["scripts"]) == [script.name for script in load("run_all").SCRIPTS]
    assert all("machine" in content for content in found["scripts"].values())
    assert {"processor", "cores", "load_average", "ray"} <= set(found["machine"])
