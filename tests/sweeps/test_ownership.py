"""One driver at a time: on a disk, with and without locks, and on moto's object store."""

import json
import os
import shutil
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import obstore
import pytest

from hq_ray.location import Location, StoreError
from hq_ray.store import Superseded
from hq_ray.sweeps import ownership
from hq_ray.sweeps.ownership import (
    GONE_SECONDS,
    OWNER_FILE,
    Held,
    Ownership,
    holds,
    is_gone,
    read_owner,
    this_process,
)

SILENT = {"host": "elsewhere", "beat": time.time() - GONE_SECONDS - 1}
DEAD = {"pid": 2**22 + 1}
HELD = f"one driver at a time, but process {os.getpid()} on {socket.gethostname()} has held them"


@pytest.fixture
def on_store(prefix):
    return Location.of(prefix)


@pytest.fixture
def on_disk(tmp_path):
    return Location.of(tmp_path / "results")


@pytest.fixture
def place(anywhere):
    return Location.of(anywhere)


def card(**changes):
    """The card of another driver in this process."""
    card = {"token": "another", **this_process(), "since": "noon", "beat": time.time()}
    return json.dumps(card | changes).encode()


def drive_together(place, drivers):
    """Starts some drivers at once; returns how many hold the results, and the other's errors."""
    start, over = threading.Barrier(drivers), threading.Barrier(drivers)

    def drive(_):
        start.wait()
        try:
            with Ownership(place) as owner:
                over.wait()
                found = holds(place, owner.token)
                over.wait()
        except Held as problem:
            over.wait()
            over.wait()
            return str(problem)
        return found

    with ThreadPoolExecutor(drivers) as pool:
        found = list(pool.map(drive, range(drivers)))
    return found.count(True), [one for one in found if isinstance(one, str)]


def test_the_holder_is_named_and_leaves_no_name_behind(place):
    with Ownership(place) as owner:
        assert not owner.took_over
        assert holds(place, owner.token)
        assert read_owner(place)["pid"] == os.getpid()
        owner.check()
        with pytest.raises(Held, match=HELD):
            Ownership(place).__enter__()
        assert holds(place, owner.token)
    assert read_owner(place) == {}
    assert not holds(place, owner.token)


def test_who_holds_the_results_is_asked_once_a_beat(place, monkeypatch):
    with Ownership(place) as owner:
        place.write("sweep.json", b"{}")
        place.write(OWNER_FILE, card())
        assert not holds(place, owner.token)
        owner.check()
        monkeypatch.setattr(ownership, "BEAT_SECONDS", 0.0)
        with pytest.raises(Superseded, match="another driver has taken over"):
            owner.check()
    assert read_owner(place)["token"] == "another", "a card of another driver stays"
    place.delete(OWNER_FILE)
    monkeypatch.setattr(ownership, "BEAT_SECONDS", 10.0)
    with Ownership(place) as owner:
        monkeypatch.setattr(ownership, "BEAT_SECONDS", 0.0)
        if place.is_local:
            shutil.rmtree(place.path)
        else:
            place.delete(OWNER_FILE)
        with pytest.raises(Superseded, match="or the folder is gone"):
            owner.check()


@pytest.mark.parametrize(
    "content",
    [b"", b"{half", b"\xff\xfe\x00", b"\x00" * 1024, b"[1, 2]", b"[" * 100_000, b'{"a":1}'],
)
def test_a_damaged_card_keeps_nobody_out_and_is_no_reason_to_stop(place, content):
    place.write(OWNER_FILE, content)
    assert is_gone(read_owner(place))
    with Ownership(place) as owner:
        assert holds(place, owner.token)
        place.write(OWNER_FILE, content)
        assert holds(place, owner.token)


@pytest.mark.parametrize("drivers", [2, 5])
@pytest.mark.parametrize("before", [None, SILENT], ids=["free", "left"])
def test_of_drivers_that_start_together_exactly_one_goes_on(place, drivers, before):
    if before:
        place.write(OWNER_FILE, card(**before))
    holding, refused = drive_together(place, drivers)
    told = "one driver at a time" if place.is_local else HELD
    assert (holding, sum(told in sentence for sentence in refused)) == (1, drivers - 1)


# On a disk.


def test_a_driver_that_is_just_starting_is_not_one_of_1970(on_disk):
    """It has the lock, and has not yet written who it is."""
    fcntl = pytest.importorskip("fcntl")
    on_disk.write(OWNER_FILE, card(**DEAD))
    with (Path(on_disk.path) / "_driver.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Held, match=r"one driver at a time, but another one is just starting"):
            Ownership(on_disk).__enter__()


def test_a_lock_that_goes_while_it_is_taken_is_taken_anew(on_disk, monkeypatch):
    """Its last holder ends between the opening of its file and the locking."""
    before, take_lock = [Ownership(on_disk).__enter__()], ownership.take_lock

    def late(file):
        while before:
            before.pop().__exit__(None, None, None)
        return take_lock(file)

    monkeypatch.setattr(ownership, "take_lock", late)
    with Ownership(on_disk):
        for _ in range(2):
            with pytest.raises(Held):
                Ownership(on_disk).__enter__()
    assert list(Path(on_disk.path).iterdir()) == [], "no lock is left, either"


def test_drivers_that_start_together_on_a_disk_without_locks(on_disk, monkeypatch):
    """Exactly one of them holds the results in the end, however slow they are."""

    def no_locks(*arguments):
        raise OSError("no locks here")

    monkeypatch.setattr(pytest.importorskip("fcntl"), "flock", no_locks)
    monkeypatch.setattr(ownership, "SETTLE_SECONDS", 0.2)
    assert drive_together(on_disk, 3)[0] == 1


def test_a_beat_that_took_a_minute_may_have_hidden_another_driver(on_disk, monkeypatch):
    """The driver was stopped between reading the file and writing over it."""
    monkeypatch.setattr(ownership, "BEAT_SECONDS", 0.01)
    now, put, asleep = time.time, Ownership._put, []

    def sleeps(self, version):
        if self._beats.is_alive():
            asleep.append(GONE_SECONDS + 1)
        put(self, version)

    monkeypatch.setattr(Ownership, "_put", sleeps)
    monkeypatch.setattr(ownership.time, "time", lambda: now() + sum(asleep[:1]))
    with Ownership(on_disk) as owner:
        while len(asleep) < 2:
            time.sleep(0.001)
        assert holds(on_disk, owner.token)
        with pytest.raises(Superseded):
            owner.check()


# On an object store.


@pytest.mark.parametrize(
    ("changes", "gone"),
    [
        ({}, False),
        ({"process_started": "another"}, True),
        (DEAD, True),
        ({"host": "elsewhere"}, False),
        ({"host": "elsewhere", **DEAD}, False),
        ({"pid_namespace": "pid:[1]", **DEAD}, False),
        (SILENT, True),
    ],
)
def test_a_living_holder_is_not_disturbed_and_one_that_is_gone_is_replaced(on_store, changes, gone):
    on_store.write(OWNER_FILE, card(**changes))
    if gone:
        with Ownership(on_store) as owner:
            assert owner.took_over
            assert holds(on_store, owner.token)
        return
    host = changes.get("host", socket.gethostname())
    with pytest.raises(Held, match=f"on {host} has held them since noon"):
        Ownership(on_store).__enter__()
    assert read_owner(on_store)["token"] == "another"


@pytest.mark.parametrize("before", [None, DEAD], ids=["free", "left"])
def test_a_slow_driver_does_not_take_what_a_quick_one_got_meanwhile(on_store, monkeypatch, before):
    """However long it is between looking for a card and writing one."""
    if before:
        on_store.write(OWNER_FILE, card(**before))
    put, quick = Ownership._put, Ownership(on_store)

    def late(self, version):
        monkeypatch.setattr(Ownership, "_put", put)
        quick.__enter__()
        put(self, version)

    monkeypatch.setattr(Ownership, "_put", late)
    with pytest.raises(Held):
        Ownership(on_store).__enter__()
    assert holds(on_store, quick.token)
    quick.__exit__(None, None, None)


def test_while_a_store_is_away_nobody_is_replaced_and_afterwards_nobody_is_kept_out(
    on_store, object_store
):
    with Ownership(on_store) as first:
        object_store.fault = lambda method, path: 403
        with pytest.raises(StoreError, match="must be in a store that answers"):
            Ownership(on_store).__enter__()
        assert holds(on_store, "another"), "work is not thrown away for it"
    object_store.heal()
    assert read_owner(on_store)["token"] == first.token
    with Ownership(on_store) as owner:
        assert holds(on_store, owner.token)


def test_beats_renew_the_card_and_never_another_drivers(on_store, monkeypatch):
    monkeypatch.setattr(ownership, "BEAT_SECONDS", 0.01)
    put, taken, refused = Ownership._put, threading.Event(), threading.Event()

    def late(self, version):
        if taken.is_set():
            on_store.write(OWNER_FILE, card())
        try:
            put(self, version)
        except ownership._Changed:
            refused.set()
            raise

    monkeypatch.setattr(Ownership, "_put", late)
    with Ownership(on_store) as owner:
        first = read_owner(on_store)["beat"]
        while read_owner(on_store)["beat"] == first:
            pass
        taken.set()
        assert refused.wait(60)
        monkeypatch.setattr(ownership, "BEAT_SECONDS", 0.0)
        with pytest.raises(Superseded):
            owner.check()
    assert read_owner(on_store)["token"] == "another"


def test_a_store_without_conditional_puts_is_one_sentence(on_store, monkeypatch):
    def put(*arguments, **options):
        raise NotImplementedError("no such header\n\nDebug source: ...")

    monkeypatch.setattr(obstore, "put", put)
    with pytest.raises(StoreError, match=r"by a conditional put there failed: no such header$"):
        Ownership(on_store).__enter__()
