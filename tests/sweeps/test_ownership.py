import json
import os
import socket
import subprocess
import sys
import time

import pytest

from hq_ray.location import Location
from hq_ray.sweeps.ownership import (
    GONE_SECONDS,
    OWNER_FILE,
    Held,
    Ownership,
    holds,
    is_gone,
    process_started,
    read_owner,
)


@pytest.fixture
def place(tmp_path):
    return Location.of(tmp_path / "results")


def owner_of_this_process(**changes):
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "process_started": process_started(os.getpid()),
        "beat": time.time(),
        **changes,
    }


def test_the_holder_is_named_and_leaves_no_name_behind(place):
    with Ownership(place) as owner:
        assert owner.holds()
        assert read_owner(place)["pid"] == os.getpid()
    assert read_owner(place) == {}
    assert not holds(place, owner.token)


def test_a_second_driver_is_refused_with_the_first_ones_name(place):
    with Ownership(place) as first:
        with pytest.raises(Held, match=f"process {os.getpid()} on {socket.gethostname()}"):
            Ownership(place).__enter__()
        assert first.holds()


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
        assert owner.holds()


def test_a_token_that_was_replaced_no_longer_holds(place):
    with Ownership(place) as owner:
        place.write(OWNER_FILE, json.dumps({"token": "another"}).encode())
        assert not owner.holds()
    assert read_owner(place) == {"token": "another"}, "a file of another driver stays"


def test_a_file_that_cannot_be_read_is_no_reason_to_stop(place):
    with Ownership(place) as owner:
        place.write(OWNER_FILE, b"{half")
        assert owner.holds()


@pytest.mark.parametrize(
    ("changes", "gone"),
    [
        ({}, False),
        ({"process_started": "another"}, True),
        ({"pid": 2**22 + 1}, True),
        ({"host": "elsewhere"}, False),
        ({"host": "elsewhere", "beat": time.time() - GONE_SECONDS - 1}, True),
    ],
)
def test_when_a_holder_is_gone(changes, gone):
    assert is_gone(owner_of_this_process(**changes)) == gone
