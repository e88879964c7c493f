import sys
from types import SimpleNamespace

import pytest

from hq_ray.sweeps import progress
from hq_ray.sweeps.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now.seconds))
    return now


def test_lines_come_every_few_seconds_on_standard_error_each_activity_with_its_time(capsys, clock):
    with Progress() as lines:
        for second in range(61):
            clock.seconds = 100.0 + second
            for _ in range(50):
                lines.show("training", second, 100, "2 failed")
        lines.show("drawing", 0, 2_000)
        clock.seconds += 6
        lines.show("drawing", 1_000, 2_000)
        lines.say("stopping")
    said = capsys.readouterr()
    assert said.out == ""
    *counts, training, drawing, last = said.err.splitlines()
    assert 4 <= len(counts) <= 19
    assert training == "training: 60 of 100, 2 failed, 40 s left"
    assert drawing == "drawing: 1,000 of 2,000, 6 s left"
    assert last == "stopping"


def test_a_bar_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Progress() as bar:
        bar.show("training", 2, 3, "1 failed")
        bar.say("stopping")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "stopping" in captured.err
    assert "1 failed" in captured.err
