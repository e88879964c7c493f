import sys
from types import SimpleNamespace

import pytest

from hq_ray.sweeps import progress
from hq_ray.sweeps.driver import Tally
from hq_ray.sweeps.progress import BarProgress, LineProgress, Progress, describe, progress_on


@pytest.mark.parametrize(
    ("tally", "elapsed", "line"),
    [
        (Tally(), 0.0, "0 of 40 trials, 0.0 k steps/s on 1 core, time unknown"),
        (
            Tally(done=10, steps=5_000_000),
            2.0,
            "10 of 40 trials, 2.5 M steps/s on 1 core, 6 s left",
        ),
        (
            Tally(done=8, failed=2),
            10.0,
            "10 of 40 trials, 2 failed, 0.0 k steps/s on 1 core, 30 s left",
        ),
        (Tally(done=40, steps=10**6), 1.0, "40 of 40 trials, 1.0 M steps/s on 1 core, 0 s left"),
    ],
)
def test_a_line_of_progress(tally, elapsed, line):
    assert describe(tally, 40, elapsed) == line


def test_silent_progress_says_nothing(capsys):
    Progress().show(Tally())
    Progress().say("x")
    assert capsys.readouterr() == ("", "")


def test_lines_come_every_few_seconds_and_on_standard_error(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    lines = LineProgress(100)
    for second in range(1, 61):
        now[0] = float(second)
        for _ in range(50):
            lines.show(Tally(done=second))
    lines.say("stopping")
    shown = capsys.readouterr()
    assert shown.out == ""
    *counts, last = shown.err.splitlines()
    assert 5 <= len(counts) <= 20
    assert counts[-1].startswith("60 of 100 trials")
    assert last == "stopping"


def test_no_bar_where_standard_error_is_no_terminal():
    with progress_on(3) as shown:
        assert isinstance(shown, LineProgress)


def test_a_bar_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress_on(3) as shown:
        assert isinstance(shown, BarProgress)
        shown.show(Tally(done=1, failed=1, steps=10))
        shown.say("stopping")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "stopping" in captured.err


def test_the_bar_is_taken_away_after_an_error(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    stopped = []
    monkeypatch.setattr(BarProgress, "stop", lambda bar: stopped.append(bar._bar.stop()))
    with pytest.raises(ValueError, match="x"), progress_on(3):
        raise ValueError("x")
    assert len(stopped) == 1
