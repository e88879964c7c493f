import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hq_ray.location import Location
from hq_ray.store import Superseded
from hq_ray.sweeps import ownership
from hq_ray.sweeps.ownership import (
    GONE_SECONDS,
    LOCK_FILE,
    OWNER_FILE,
    Held,
    Ownership,
    holds,
    is_gone,
    read_owner,
    this_process,
)


@pytest.fixture
def place(tmp_path):
    return Location.of(tmp_path / "results")


def owner_of_this_process(**changes):
    return {
        **this_process(),
        "beat": time.time(),
        **changes,
    }


def test_the_holder_is_named_and_leaves_no_name_behind(place):
    with Ownership(place) as owner:
        assert holds(place, owner.token)
        assert read_owner(place)["pid"] == os.getpid()
    assert read_owner(place) == {}
    assert not holds(place, owner.token)


def test_a_second_driver_is_refused_with_the_first_ones_name(place):
    with Ownership(place) as first:
        with pytest.raises(Held, match=f"process {os.getpid()} on {socket.gethostname()}"):
            Ownership(place).__enter__()
        assert holds(place, first.token)


def test_a_driver_that_was_killed_holds_nothing(place):
    code = (
        "import os, sys; from hq_ray.location import Location;"
        "from hq_ray.sweeps.ownership import Ownership;"
        "Ownership(Location.of(sys.argv[1])).__enter__(); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", code, place.path], check=False)
    assert killed.returncode == -9
    assert read_owner(place)["pid"] != os.getpid()
    with Ownership(place) as owner:
        assert holds(place, owner.token)


def test_a_token_that_was_replaced_no_longer_holds(place):
    with Ownership(place) as owner:
        place.write(OWNER_FILE, json.dumps({"token": "another"}).encode())
        assert not holds(place, owner.token)
    assert read_owner(place) == {"token": "another"}, "a file of another driver stays"


def test_a_file_that_cannot_be_read_is_no_reason_to_stop(place):
    with Ownership(place) as owner:
        place.write(OWNER_FILE, b"{half")
        assert holds(place, owner.token)


def test_a_driver_that_is_just_starting_is_not_one_of_1970(place, monkeypatch):
    """It has the lock, and has not yet written who it is."""
    fcntl = pytest.importorskip("fcntl")
    folder = Path(place.path)
    folder.mkdir()
    place.write(OWNER_FILE, json.dumps(owner_of_this_process(pid=2**22 + 1)).encode())
    with (folder / LOCK_FILE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with monkeypatch.context() as patch:
            patch.setattr(ownership, "POLL_SECONDS", 0.001)
            with pytest.raises(Held, match=r"one driver at a time, but another one is just starti"):
                Ownership(place).__enter__()
        written = owner_of_this_process(since=time.time())
        pauses = []

        def pause(seconds):
            pauses.append(seconds)
            if len(pauses) == 3:
                place.write(OWNER_FILE, json.dumps(written).encode())

        monkeypatch.setattr(ownership.time, "sleep", pause)
        with pytest.raises(Held, match=f"process {os.getpid()} on "):
            Ownership(place).__enter__()


def test_drivers_that_start_within_milliseconds(place):
    start, over, refused = threading.Barrier(4), threading.Barrier(4), []

    def drive():
        start.wait()
        try:
            with Ownership(place):
                over.wait()
        except Held as problem:
            refused.append(str(problem))
            over.wait()

    threads = [threading.Thread(target=drive) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 3
    for sentence in refused:
        assert f"but process {os.getpid()} on {socket.gethostname()} has held them" in sentence


def test_drivers_that_start_together_on_a_disk_without_locks(place, monkeypatch):
    """Exactly one of them holds the results in the end, however slow they are."""
    fcntl = pytest.importorskip("fcntl")

    def no_locks(*arguments):
        raise OSError("no locks here")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    monkeypatch.setattr(ownership, "SETTLE_SECONDS", 0.2)
    start, over, holding = threading.Barrier(3), threading.Barrier(3), []

    def drive():
        start.wait()
        try:
            with Ownership(place) as owner:
                over.wait()
                holding.append(holds(place, owner.token))
                over.wait()
        except Held:
            over.wait()
            over.wait()

    threads = [threading.Thread(target=drive) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert holding.count(True) == 1


def test_a_damaged_card_is_named_once_and_replaced(place, capsys):
    place.write(OWNER_FILE, b"{half")
    for _ in range(2):
        with Ownership(place) as owner:
            assert holds(place, owner.token)
    told = f"Damaged: {place.path}/{OWNER_FILE} must be as a driver writes it"
    assert capsys.readouterr().err.count(told) == 1


def test_a_folder_that_is_removed_is_told_to_be_gone(place, monkeypatch):
    with Ownership(place) as owner:
        # Asked at once, while the thread that keeps the card fresh waits for its first beat.
        monkeypatch.setattr(ownership, "BEAT_SECONDS", 0.0)
        owner.check()
        shutil.rmtree(place.path)
        with pytest.raises(Superseded, match="but the folder is gone"):
            owner.check()


def test_who_holds_the_folder_is_asked_once_a_beat(place, monkeypatch):
    with Ownership(place) as owner:
        place.write("sweep.json", b"{}")
        place.write(OWNER_FILE, json.dumps({"token": "another"}).encode())
        owner.check()
        monkeypatch.setattr(ownership, "BEAT_SECONDS", 0.0)
        with pytest.raises(Superseded, match="another driver has taken over"):
            owner.check()


def test_a_beat_that_took_a_minute_may_have_hidden_another_driver(place, monkeypatch):
    """The driver was stopped between reading the file and writing over it."""
    monkeypatch.setattr(ownership, "BEAT_SECONDS", 0.01)
    now, put, asleep = time.time, Ownership._put, []

    def sleeps(self, version):
        if self._beats.is_alive():
            asleep.append(GONE_SECONDS + 1)
        put(self, version)

    monkeypatch.setattr(Ownership, "_put", sleeps)
    monkeypatch.setattr(ownership.time, "time", lambda: now() + sum(asleep[:1]))
    with Ownership(place) as owner:
        while len(asleep) < 2:
            pass
        assert holds(place, owner.token)
        with pytest.raises(Superseded):
            owner.check()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00",
        b"\x00" * 1024,
        b"[1, 2]",
        b"7",
        b"[" * 100_000,
        b'{"pid": "x", "host": 3, "since": "then", "beat": []}',
        b'{"pid": -1, "host": "\\ud800", "since": 1e300, "beat": NaN, "token": 0}',
    ],
)
def test_a_file_without_sense_keeps_nobody_out(place, content):
    place.write(OWNER_FILE, content)
    place.write(LOCK_FILE, content)
    assert is_gone(read_owner(place))
    with Ownership(place) as owner:
        assert holds(place, owner.token)
        place.write(OWNER_FILE, content)
        assert holds(place, owner.token), "no reason to throw work away"


@pytest.mark.parametrize("name", [OWNER_FILE, LOCK_FILE])
def test_a_folder_in_the_place_of_a_file_is_named(place, name):
    (Path(place.path) / name).mkdir(parents=True)
    assert read_owner(place) == {}
    with pytest.raises(IsADirectoryError, match=name):
        Ownership(place).__enter__()
    (Path(place.path) / name).rmdir()
    with Ownership(place) as owner:
        assert holds(place, owner.token), "the lock was given back"


@pytest.mark.parametrize(
    ("changes", "gone"),
    [
        ({}, False),
        ({"process_started": "another"}, True),
        ({"pid": 2**22 + 1}, True),
        ({"host": "elsewhere"}, False),
        ({"host": "elsewhere", "pid": 2**22 + 1}, False),
        ({"pid_namespace": "pid:[1]", "pid": 2**22 + 1}, False),
        ({"host": "elsewhere", "beat": time.time() - GONE_SECONDS - 1}, True),
    ],
)
def test_when_a_holder_is_gone(changes, gone):
    assert is_gone(owner_of_this_process(**changes)) == gone
