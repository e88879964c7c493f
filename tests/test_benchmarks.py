"""The benchmarks run and compare what they say; nothing here is about time."""

import importlib
import json
import sys
from pathlib import Path

import pandas as pd
import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture
def load(monkeypatch):
    """A module of the benchmarks, which are scripts beside each other and no package."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module


def test_ratios_are_taken_within_a_round(load):
    rates = {"hq-ray": [10.0, 40.0, 60.0], "joblib": [5.0, 10.0, 20.0]}
    rows = (
        pd.DataFrame(rates)
        .rename_axis("round")
        .melt(ignore_index=False, var_name="contender", value_name="trials_per_second")
    )
    rows = rows.reset_index().assign(length="1 ms", trials=10, overhead=1.0)
    found = load("sweeps").medians(rows).set_index("contender")
    assert found.loc["joblib", "ratio"] == 3.0  # of 2, 4 and 3
    assert found.loc["hq-ray", "trials_per_second"] == 40.0


def test_a_busy_machine_is_told(load):
    frame = load("frame")
    assert frame.unquiet({"busy_share": None}) is None
    assert frame.unquiet({"busy_share": 0.05}) is None
    assert "54% of its cores" in frame.unquiet({"busy_share": 0.54})


@pytest.mark.ray
@pytest.mark.timeout(600)
@pytest.mark.parametrize("script", [path.stem for path in sorted(BENCHMARKS.glob("*.py"))])
def test_each_of_them_runs(load, script, tmp_path, monkeypatch):
    if script in ("frame", "run_all"):
        pytest.skip("what the others share, and what runs them")
    target = tmp_path / "found.json"
    monkeypatch.setattr(sys, "argv", [script, "--quick", "--json", str(target)])
    load(script).main()
    found = json.loads(target.read_text())
    assert {"processor", "cores", "load_average", "ray"} <= set(found["machine"])
