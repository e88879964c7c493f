"""Locations on an object store: moto's, in a thread here, behind faults of our own."""

import socket

import pytest

from hq_ray.cli import run_command_line
from hq_ray.errors import InputError
from hq_ray.location import Location, StoreError

MANY = 1000


@pytest.fixture
def place(object_store, prefix):
    return Location.of(prefix)


@pytest.fixture
def fail(object_store):
    """Answers the next requests of a method, whose path holds a text, with a status."""

    def fail(methods, status, times, part=""):
        left = [status] * times

        def fault(method, path):
            return left.pop() if left and method in methods and part in path else None

        object_store.fault = fault

    return fail


# What sends a request of that method.
ASK = {
    "PUT": lambda place: place.write("x", b"1"),
    "GET": Location.files,
    "HEAD": lambda place: place.child("x").exists(),
}


@pytest.mark.parametrize("size", [0, 4_000_000])
def test_one_request_puts_a_whole_object(place, object_store, size):
    place.write("x.bin", b"x" * size)
    assert [method for method, _ in object_store.requests] == ["PUT"], (
        "an upload in parts begins with a POST"
    )


def test_a_large_object_is_there_whole_or_not_at_all(place, fail):
    content = b"x" * 25_000_000
    fail("PUT", 403, 1, "partNumber=2")
    with pytest.raises(StoreError, match=r"writing x\.bin there failed"):
        place.write("x.bin", content)
    assert place.files() == []
    place.write("x.bin", content)
    assert place.read("x.bin") == content


@pytest.mark.parametrize(("method", "status"), [("PUT", 500), ("GET", 503), ("HEAD", 429)])
def test_a_passing_fault_is_not_noticed_and_a_lasting_one_is_a_sentence(
    place, fail, method, status
):
    place.write("x", b"1")
    fail(method, status, 2)
    ASK[method](place)
    assert place.read("x") == b"1"
    fail(method, status, MANY)
    with pytest.raises(StoreError, match=r"results at s3://.* must be in a store that answers"):
        ASK[method](place)


@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_who_is_refused_is_told_at_once(place, object_store, fail, method):
    fail(method, 403, MANY)
    with pytest.raises(StoreError, match=r"there failed: .*403 Forbidden$") as caught:
        ASK[method](place)
    assert "\n" not in str(caught.value)
    assert [asked for asked, _ in object_store.requests] == [method]


def test_a_bucket_that_is_not_there_is_named(object_store):
    place = Location.of("s3://nowhere/results")
    for request in (place.files, place.exists, lambda: place.write("x", b"1")):
        with pytest.raises(StoreError, match=r"s3://nowhere.*bucket does not exist$"):
            request()


@pytest.mark.parametrize("text", ["s3://", "https://example.org/x"])
def test_what_names_no_place_is_one_sentence(object_store, text):
    with pytest.raises(InputError, match=f"results must be a path or a URI, got '{text}'"):
        Location.of(text)


RUN = "run --env FrozenLake-v1 --episodes 5 --local --results"


@pytest.mark.parametrize(
    ("command", "wrong"), [("status", "port"), ("verify", "key"), (RUN, "bucket")]
)
def test_the_command_line_says_it_in_one_line(fail, capfd, monkeypatch, tmp_path, command, wrong):
    monkeypatch.chdir(tmp_path)
    if wrong == "port":
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    elif wrong == "key":
        fail(("GET", "HEAD", "PUT"), 403, MANY)
    assert run_command_line([*command.split(), "s3://nowhere/results"]) in (1, 2)
    output, problem = capfd.readouterr()
    assert problem.startswith("Error: results at s3://nowhere/results")
    assert problem.count("\n") == 1
    assert "Traceback" not in output + problem
