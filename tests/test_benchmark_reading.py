"""The reading benchmark runs and compares what it says; nothing here is about time."""

import importlib
import json
import math
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture
def reading(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("reading")


def test_differences(reading):
    rows = [["standard", 0.1, 0, 1.5], ["standard", 0.1, 1, 2.5]]
    assert reading.largest_difference(rows, rows) == 0.0
    other = [["standard", 0.1, 0, 1.5], ["standard", 0.1, 1, 2.25]]
    assert reading.largest_difference(rows, other) == 0.25
    assert reading.largest_difference(rows, rows[:1]) == math.inf
    assert reading.largest_difference(rows, [row[:3] for row in rows]) == math.inf
    assert reading.largest_difference([["a"]], [["b"]]) == math.inf
    assert reading.largest_difference([[math.nan], [1.0]], [[1.0], [1.0]]) == math.inf


def test_another_answer_ends_the_script(reading, monkeypatch):
    def child(reader, query, data, flag, target):
        target.write_text(json.dumps([["a", 1.0 if reader == reading.OURS else 1.1]]))
        return {}

    monkeypatch.setattr(reading, "child", child)
    with pytest.raises(SystemExit, match=r"pandas must answer .* off by 0"):
        reading.check([reading.OURS, "pandas"], None, ["trials"])


def test_a_reader_that_fails_is_told(reading, monkeypatch):
    def child(reader, query, data, flag, target):
        target.write_text("[[1.0]]")
        return {"failed": "MemoryError"} if reader == "pandas" else {}

    monkeypatch.setattr(reading, "child", child)
    compared = reading.check([reading.OURS, "pandas"], None, ["curves"])
    assert reading.failures([*compared, *compared]) == ["pandas failed at curves: MemoryError"]
    assert reading.told_checks(compared) == []


def test_ratios_are_taken_within_a_round(reading):
    rows = pd.DataFrame(
        {"query": "curves", "round": number, "reader": name, "first": 1.0, "later": seconds}
        for number, both in enumerate([(1.0, 2.0), (4.0, 4.0), (2.0, 6.0)])
        for name, seconds in zip((reading.OURS, "Polars"), both, strict=True)
    )
    (found,) = reading.ratios(rows).to_dict("records")
    assert found == {"query": "curves", "reader": "Polars", "later": 2.0, "first": 1.0}


def test_it_runs_and_all_agree(reading, tmp_path):
    target = tmp_path / "reading.json"
    command = [sys.executable, BENCHMARKS / "reading.py", "--quick", "--json", target]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(target.read_text())
    assert "machine" in found
    readers = {"hq-ray", "pandas", "DuckDB", "Polars"} - set(found["skipped"])
    assert {row["reader"] for row in found["rows"]} == readers
    assert {cell["reader"] for cell in found["compared"]} == readers - {"hq-ray"}
    assert {(cell["query"], cell["rows"]) for cell in found["compared"]} == {
        ("curves", 2 * 2 * 2 * 100),
        ("filtered rows", 4 * 10),
        ("trials", 2 * 2 * 2),
    }
    assert all(cell["difference"] <= 1e-9 for cell in found["compared"])
