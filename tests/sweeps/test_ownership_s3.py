"""One driver at a time where there are no locks: on moto's object store, in a thread here."""

import json
import os
import socket
import subprocess
import sys
import threading
import time

import obstore
import pytest
from object_store import empty_store, point_at, served

from hq_ray.location import Location, StoreError
from hq_ray.store import Superseded
from hq_ray.sweeps import ownership
from hq_ray.sweeps.ownership import (
    GONE_SECONDS,
    OWNER_FILE,
    Held,
    Ownership,
    holds,
    read_owner,
    this_process,
)

SILENT = {"host": "elsewhere", "beat": time.time() - GONE_SECONDS - 1}
DEAD = {"pid": 2**22 + 1}


class CountingStore:
    """A store that keeps the paths it was asked for, and refuses everything while it is away."""

    def __init__(self):
        self.store, self.paths, self.away = empty_store(), [], False

    def __call__(self, environ, start_response):
        self.paths.append(environ["PATH_INFO"])
        if not self.away:
            return self.store(environ, start_response)
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response("403 Forbidden", [("Content-Length", "0")])
        return [b""]


@pytest.fixture(scope="module")
def server():
    store = CountingStore()
    with served(store) as store.endpoint:
        yield store


@pytest.fixture
def place(server, monkeypatch, request):
    point_at(server.endpoint, monkeypatch, "owned")
    server.paths.clear()
    yield Location.of(f"s3://owned/{request.node.name.translate(str.maketrans('[]', '--'))}")
    server.away = False
    assert not [path for path in server.paths if path.startswith("/latest")], "asked the cloud"


def write(place, **changes):
    """The card of another driver in this process."""
    card = {"token": "another", **this_process(), "since": time.time(), "beat": time.time()}
    place.write(OWNER_FILE, json.dumps(card | changes).encode())


def test_the_holder_is_named_and_leaves_no_name_behind(place):
    with Ownership(place) as owner:
        assert not owner.took_over
        assert holds(place, owner.token)
        assert read_owner(place)["pid"] == os.getpid()
        owner.check()
    assert read_owner(place) == {}
    assert not holds(place, owner.token)


def test_a_second_driver_is_refused_with_the_first_ones_name(place):
    with Ownership(place) as first:
        with pytest.raises(Held, match=f"process {os.getpid()} on {socket.gethostname()}"):
            Ownership(place).__enter__()
        assert holds(place, first.token)


def test_a_living_holder_elsewhere_is_not_disturbed(place):
    write(place, host="elsewhere")
    with pytest.raises(Held, match="on elsewhere"):
        Ownership(place).__enter__()
    assert read_owner(place)["token"] == "another"


@pytest.mark.parametrize("changes", [SILENT, DEAD], ids=["silent", "dead"])
def test_a_holder_that_is_gone_is_replaced(place, changes):
    write(place, **changes)
    with Ownership(place) as owner:
        assert owner.took_over
        assert holds(place, owner.token)
        assert not holds(place, "another")


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
@pytest.mark.parametrize("before", [None, SILENT], ids=["free", "left"])
def test_of_drivers_that_start_together_exactly_one_goes_on(place, drivers, before):
    if before:
        write(place, **before)
    start, over = threading.Barrier(drivers), threading.Barrier(drivers)
    outcomes = []

    def drive():
        start.wait()
        try:
            with Ownership(place):
                outcomes.append("holds")
                over.wait()
        except Held as problem:
            outcomes.append(str(problem))
            over.wait()

    threads = [threading.Thread(target=drive) for _ in range(drivers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("holds") == 1
    assert sum(f"process {os.getpid()} on " in outcome for outcome in outcomes) == drivers - 1


@pytest.mark.parametrize("before", [None, DEAD], ids=["free", "left"])
def test_a_slow_driver_does_not_take_what_a_quick_one_got_meanwhile(place, monkeypatch, before):
    """However long it is between looking for a card and writing one."""
    if before:
        write(place, **before)
    put, quick = Ownership._put, Ownership(place)

    def late(self, version):
        monkeypatch.setattr(Ownership, "_put", put)
        quick.__enter__()
        put(self, version)

    monkeypatch.setattr(Ownership, "_put", late)
    with pytest.raises(Held):
        Ownership(place).__enter__()
    assert holds(place, quick.token)
    quick.__exit__(None, None, None)


def test_a_put_whose_answer_is_lost_is_recognized(place, monkeypatch):
    put = obstore.put

    def twice(*arguments, **options):
        put(*arguments, **options)
        return put(*arguments, **options)

    monkeypatch.setattr(obstore, "put", twice)
    with Ownership(place) as owner:
        assert holds(place, owner.token)


def test_a_holder_that_cannot_be_asked_for_is_not_replaced(place, server):
    write(place)
    server.away = True
    with pytest.raises(StoreError, match="must be in a store that answers"):
        Ownership(place).__enter__()
    assert holds(place, "another"), "work is not thrown away for it"
    server.away = False
    assert read_owner(place)["token"] == "another"


def test_beats_renew_the_card_and_never_another_drivers(place, monkeypatch):
    monkeypatch.setattr(ownership, "BEAT_SECONDS", 0.01)
    put, taken, beaten = Ownership._put, threading.Event(), threading.Event()

    def late(self, version):
        if taken.is_set():
            write(place)
            put_late(self, version)
            beaten.set()
        put(self, version)

    def put_late(self, version):
        with pytest.raises(ownership._Changed):
            put(self, version)

    monkeypatch.setattr(Ownership, "_put", late)
    with Ownership(place) as owner:
        first = read_owner(place)["beat"]
        while read_owner(place)["beat"] == first:
            pass
        taken.set()
        assert beaten.wait(60)
        monkeypatch.setattr(ownership, "BEAT_SECONDS", 0.0)
        with pytest.raises(Superseded):
            owner.check()
    assert read_owner(place)["token"] == "another"


def test_a_store_that_is_away_at_the_end_keeps_nobody_out(place, server):
    with Ownership(place) as first:
        server.away = True
    server.away = False
    assert read_owner(place)["token"] == first.token
    with Ownership(place) as owner:
        assert holds(place, owner.token)


def test_a_damaged_card_is_named_once_and_replaced(place, capsys):
    place.write(OWNER_FILE, b"{half")
    for _ in range(2):
        with Ownership(place) as owner:
            assert holds(place, owner.token)
    err = capsys.readouterr().err
    assert err.count(f"Damaged: {place.text}/{OWNER_FILE} must be as a driver writes it") == 1


@pytest.fixture
def profile(place, monkeypatch, tmp_path):
    """Credentials in a file of the AWS tools alone."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    file = tmp_path / "credentials"
    file.write_text("[default]\naws_access_key_id = somebody\naws_secret_access_key = secret\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))


def test_credentials_of_a_profile(place, profile):
    with Ownership(Location.of(place.text)) as owner:
        assert holds(place, owner.token)


def test_a_bucket_that_is_not_there_is_one_sentence(place):
    with pytest.raises(StoreError, match=r"results at s3://nowhere/x .* does not exist$"):
        Ownership(Location.of("s3://nowhere/x")).__enter__()


def test_a_store_without_conditional_puts_is_one_sentence(place, monkeypatch):
    def put(*arguments, **options):
        raise NotImplementedError("no such header\n\nDebug source: ...")

    monkeypatch.setattr(obstore, "put", put)
    with pytest.raises(StoreError, match=r"by a conditional put there failed: no such header$"):
        Ownership(place).__enter__()
