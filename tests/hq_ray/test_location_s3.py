"""Locations on an object store: moto's, in a thread here, behind faults of our own."""

import socket

import pytest
from object_store import empty_store, point_at, served

from hq_ray.cli import run_command_line
from hq_ray.errors import InputError
from hq_ray.location import Location, StoreError

MANY = 1000


class FaultyStore:
    """A store that counts requests and answers some of them with a status of our choice."""

    def __init__(self):
        self.store = empty_store()
        self.requests, self.faults = [], {}

    def fail(self, method, status, times, query=""):
        """The next requests of a method, whose query holds a text, are answered with a status."""
        self.faults[method] = [status, times, query]

    def __call__(self, environ, start_response):
        method, query = environ["REQUEST_METHOD"], environ["QUERY_STRING"]
        self.requests.append(method)
        fault = self.faults.get(method)
        if fault and fault[1] and fault[2] in query:
            fault[1] -= 1
            # Unread, the body would be taken for the next request.
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response(f"{fault[0]} Fault", [("Content-Length", "0")])
            return [b""]
        return self.store(environ, start_response)


@pytest.fixture(scope="module")
def server():
    store = FaultyStore()
    with served(store) as store.endpoint:
        yield store


@pytest.fixture
def store(server, monkeypatch):
    server.faults.clear()
    point_at(server.endpoint, monkeypatch, "bucket")
    return server


@pytest.fixture
def place(store, request):
    store.requests.clear()
    return Location.of(f"s3://bucket/{request.node.name}/")


def ask(place, method):
    """Does what sends a request of that method."""
    if method == "PUT":
        place.write("x", b"1")
    elif method == "GET":
        place.files()
    else:
        place.child("x").exists()


@pytest.mark.parametrize("size", [0, 4_000_000])
def test_one_request_puts_a_whole_object(place, store, size):
    place.write("x.bin", b"x" * size)
    assert store.requests == ["PUT"], "an upload in parts begins with a POST"


def test_a_large_object_is_there_whole_or_not_at_all(place, store):
    content = b"x" * 25_000_000
    store.fail("PUT", 403, 1, query="partNumber=2")
    with pytest.raises(StoreError, match=r"writing x\.bin there failed"):
        place.write("x.bin", content)
    assert place.files() == []
    place.write("x.bin", content)
    assert place.read("x.bin") == content


@pytest.mark.parametrize(("method", "status"), [("PUT", 500), ("GET", 503), ("HEAD", 429)])
def test_a_passing_fault_is_not_noticed_and_a_lasting_one_is_a_sentence(
    place, store, method, status
):
    place.write("x", b"1")
    store.fail(method, status, 2)
    ask(place, method)
    assert place.read("x") == b"1"
    store.fail(method, status, MANY)
    with pytest.raises(StoreError, match=r"results at s3://.* must be in a store that answers"):
        ask(place, method)


@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_who_is_refused_is_told_at_once(place, store, method):
    store.fail(method, 403, MANY)
    with pytest.raises(StoreError, match=r"there failed: .*403 Forbidden$") as caught:
        ask(place, method)
    assert "\n" not in str(caught.value)
    assert store.requests == [method]


def test_a_bucket_that_is_not_there_is_named(store):
    place = Location.of("s3://nowhere/results")
    for request in (place.files, place.exists, lambda: place.write("x", b"1")):
        with pytest.raises(StoreError, match=r"s3://nowhere.*bucket does not exist$"):
            request()


@pytest.mark.parametrize("text", ["s3://", "https://example.org/x"])
def test_what_names_no_place_is_one_sentence(store, text):
    with pytest.raises(InputError, match=f"results must be a path or a URI, got '{text}'"):
        Location.of(text)


@pytest.mark.parametrize(
    ("command", "wrong"), [("status", "port"), ("verify", "key"), ("run", "bucket")]
)
def test_the_command_line_says_it_in_one_line(store, capfd, monkeypatch, tmp_path, command, wrong):
    monkeypatch.chdir(tmp_path)
    if wrong == "port":
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    elif wrong == "key":
        for method in ("GET", "HEAD", "PUT"):
            store.fail(method, 403, MANY)
    flags = [command, "s3://nowhere/results"]
    if command == "run":
        flags = ["run", "--env", "FrozenLake-v1", "--episodes", "5", "--local"]
        flags += ["--results", "s3://nowhere/results"]
    assert run_command_line(flags) in (1, 2)
    output, problem = capfd.readouterr()
    assert problem.startswith("Error: results at s3://nowhere/results")
    assert problem.count("\n") == 1
    assert "Traceback" not in output + problem
