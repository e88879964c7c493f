"""One driver at a time where there are no locks: on moto's object store, in a thread here."""

import json
import os
import socket
import subprocess
import sys
import threading
import time

import pytest
from moto.server import ThreadedMotoServer

from hq_ray.location import Location, StoreError
from hq_ray.sweeps import ownership
from hq_ray.sweeps.ownership import (
    CLAIMS,
    GONE_SECONDS,
    OWNER_FILE,
    Held,
    Ownership,
    holds,
    read_owner,
    this_process,
)

PLAIN = str.maketrans("[]", "--")


@pytest.fixture(scope="module")
def endpoint():
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def place(endpoint, monkeypatch, request):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setattr(ownership, "CLAIM_SECONDS", 0.01)
    Location.of("s3://owned?allow_bucket_creation=true").filesystem.create_dir("owned")
    return Location.of(f"s3://owned/{request.node.name.translate(PLAIN)}")


def card(**changes):
    """What an owner file or claim of this process says."""
    return {
        "token": "another",
        **this_process(),
        "since": time.time(),
        "beat": time.time(),
        **changes,
    }


def write(place, name, **changes):
    place.write(name, json.dumps(card(**changes)).encode())


SILENT = {"host": "elsewhere", "beat": time.time() - GONE_SECONDS - 1}
DEAD = {"pid": 2**22 + 1}


def test_the_holder_is_named_and_leaves_no_name_behind(place):
    with Ownership(place) as owner:
        assert holds(place, owner.token)
        assert read_owner(place)["pid"] == os.getpid()
        assert place.child(CLAIMS).files() == []
    assert read_owner(place) == {}
    assert not holds(place, owner.token)


def test_a_second_driver_is_refused_with_the_first_ones_name(place):
    with Ownership(place) as first:
        with pytest.raises(Held, match=f"process {os.getpid()} on {socket.gethostname()}"):
            Ownership(place).__enter__()
        assert holds(place, first.token)
        assert place.child(CLAIMS).files() == []


def test_a_living_holder_elsewhere_is_not_disturbed(place):
    write(place, OWNER_FILE, host="elsewhere")
    with pytest.raises(Held, match="on elsewhere"):
        Ownership(place).__enter__()
    assert read_owner(place)["token"] == "another"


@pytest.mark.parametrize("changes", [SILENT, DEAD], ids=["silent", "dead"])
def test_a_holder_that_is_gone_is_replaced(place, changes):
    write(place, OWNER_FILE, **changes)
    write(place.child(CLAIMS), "0.json", **changes)
    with Ownership(place) as owner:
        assert holds(place, owner.token)
        assert not holds(place, "another")
        assert place.child(CLAIMS).files() == []


def test_a_driver_that_was_killed_holds_nothing(place):
    code = (
        "import os, sys; from hq_ray.location import Location;"
        "from hq_ray.sweeps.ownership import Ownership;"
        "Ownership(Location.of(sys.argv[1])).__enter__(); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", code, place.text], check=False)
    assert killed.returncode == -9
    assert read_owner(place)["pid"] != os.getpid()
    with Ownership(place) as owner:
        assert holds(place, owner.token)


@pytest.mark.parametrize("drivers", [2, 5])
def test_of_drivers_that_start_together_exactly_one_goes_on(place, drivers):
    start, over = threading.Barrier(drivers), threading.Barrier(drivers)
    went_on, problems = [], []

    def drive():
        owner = Ownership(place)
        start.wait()
        try:
            owner.__enter__()
        except Exception as problem:
            problems.append(type(problem))
            over.wait()
        else:
            went_on.append(owner)
            over.wait()
            owner.__exit__(None, None, None)

    for _ in range(3):
        threads = [threading.Thread(target=drive) for _ in range(drivers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(went_on) == 1
        assert problems == [Held] * (drivers - 1)
        went_on.clear()
        problems.clear()
    assert place.child(CLAIMS).files() == []


def test_a_slow_driver_does_not_take_what_a_quick_one_got_meanwhile(place, monkeypatch):
    """However long it is between looking for others and being named."""
    slow, quick = Ownership(place), Ownership(place)
    slow.token, quick.token = "a", "b"
    outcome = []
    look = Ownership._rivals

    def interrupted(self, claims, mine):
        found = look(self, claims, mine)
        if self is slow and not outcome:
            outcome.append("tried")
            with pytest.raises(Held):
                quick.__enter__()
        return found

    monkeypatch.setattr(Ownership, "_rivals", interrupted)
    with slow:
        assert outcome == ["tried"]
        assert holds(place, slow.token)


def test_a_claim_that_comes_first_in_order_is_given_way(place):
    write(place.child(CLAIMS), "0.json")
    with pytest.raises(Held):
        Ownership(place).__enter__()
    assert place.child(CLAIMS).files() == ["0.json"]
    assert read_owner(place) == {}


def test_a_claim_that_comes_last_in_order_is_waited_for(place, monkeypatch):
    later = "z.json"
    write(place.child(CLAIMS), later)
    monkeypatch.setattr(ownership.time, "sleep", lambda s: place.child(CLAIMS).delete(later))
    with Ownership(place) as owner:
        assert holds(place, owner.token)


def test_a_holder_that_cannot_be_asked_for_is_not_replaced(place, monkeypatch):
    write(place, OWNER_FILE)

    def away(self, name):
        raise StoreError("away")

    with monkeypatch.context() as patch:
        patch.setattr(Location, "read", away)
        with pytest.raises(StoreError, match="away"):
            Ownership(place).__enter__()
        assert holds(place, "another"), "work is not thrown away for it"
    assert read_owner(place)["token"] == "another"
    assert place.child(CLAIMS).files() == []


def test_beats_renew_the_name_and_never_another_drivers(place, monkeypatch):
    monkeypatch.setattr(ownership, "BEAT_SECONDS", 0.01)
    taken, beaten = threading.Event(), threading.Event()
    named = Ownership._named

    def watched(self):
        if taken.is_set():
            write(place, OWNER_FILE)
            beaten.set()
        return named(self)

    monkeypatch.setattr(Ownership, "_named", watched)
    with Ownership(place) as owner:
        first = read_owner(place)["beat"]
        while read_owner(place)["beat"] == first:
            pass
        taken.set()
        assert beaten.wait(20)
    assert not holds(place, owner.token)
    assert read_owner(place)["token"] == "another"


def test_a_store_that_is_away_at_the_end_keeps_nobody_out(place, monkeypatch):
    def away(self):
        raise StoreError("away")

    with monkeypatch.context() as patch, Ownership(place) as first:
        patch.setattr(Ownership, "_named", away)
    assert read_owner(place)["token"] == first.token
    with Ownership(place) as owner:
        assert holds(place, owner.token)


def test_what_a_driver_says_of_itself_is_always_as_long(place, monkeypatch):
    with Ownership(place) as owner:
        lengths = {len(place.read(OWNER_FILE))}
        for beat in (1.0, time.time() + 1e-7):
            monkeypatch.setattr(ownership.time, "time", lambda beat=beat: beat)
            owner._write(place, OWNER_FILE)
            lengths.add(len(place.read(OWNER_FILE)))
    assert len(lengths) == 1


def test_a_claim_that_could_not_be_taken_away_keeps_nobody_out(place):
    write(place.child(CLAIMS), "0.json", beat=time.time() - GONE_SECONDS - 1)
    with Ownership(place) as owner:
        assert holds(place, owner.token)
    assert place.child(CLAIMS).files() == []
