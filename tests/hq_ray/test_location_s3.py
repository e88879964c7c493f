"""Locations on an object store: moto's, in a thread here, behind faults of our own."""

import pickle
import socket
from urllib.parse import urlsplit

import pytest
from object_store import empty_store, point_at, served

from hq_ray import location as location_module
from hq_ray.cli import run_command_line
from hq_ray.errors import HqRayError, InputError, ResultsError
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
    point_at(server.endpoint, monkeypatch)
    server.faults.clear()
    return server


@pytest.fixture
def place(store, request):
    bucket = request.node.name.replace("_", "-").split("[")[0][:60].strip("-")
    store_root = Location.of(f"s3://{bucket}?allow_bucket_creation=true")
    store_root.filesystem.create_dir(bucket)
    store.requests.clear()
    return Location.of(f"s3://{bucket}/some/where/")


def ask(place, method):
    """Does what sends a request of that method."""
    if method == "PUT":
        place.write("x", b"1")
    elif method == "GET":
        place.files()
    else:
        place.child("x").exists()


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def test_what_was_written_is_read(place):
    place.child("a").write("x.bin", b"\x00\xff" * 1000)
    place.child("a").write("x.bin", memoryview(b"new"))
    assert place.child("a").read("x.bin") == b"new"
    assert place.child("a").files() == ["x.bin"]
    assert place.child("a").files(".parquet") == []
    assert (place.child("a").exists(), place.child("b").exists()) == (True, False)
    assert (place.child("a/x.bin").is_file(), place.child("a").is_file()) == (True, False)
    assert place.child("b").files() == []
    with pytest.raises(FileNotFoundError):
        place.read("x.bin")


def test_deleting_twice_is_deleting(place):
    place.write("x", b"1")
    place.delete("x")
    place.delete("x")
    assert place.files() == []


def test_names_keep_what_the_person_wrote(place):
    assert not place.is_local
    assert urlsplit(place.child("a").text).path == "/some/where/a"
    assert Location.of("s3://bucket/").child("a").path == "bucket/a"


@pytest.mark.parametrize("size", [0, 1, 1_000_000, 9_000_000])
def test_one_request_puts_a_whole_object(place, store, size):
    place.write(f"{size}.bin", b"x" * size)
    assert store.requests == ["PUT"], "an upload in parts begins with a POST"
    assert place.child(f"{size}.bin").is_file()


def test_a_large_object_is_there_whole_or_not_at_all(place, store):
    content = b"x" * 25_000_000
    store.fail("PUT", 403, 1, query="partNumber=2")
    with pytest.raises(StoreError, match=r"writing x\.bin there failed"):
        place.write("x.bin", content)
    assert place.files() == []
    place.write("x.bin", content)
    assert place.read("x.bin") == content


def test_what_cannot_be_written_is_found_before_the_object_is_opened(place, store):
    with pytest.raises(TypeError):
        place.write("x.bin", "text")
    assert store.requests == []
    assert place.files() == []


def test_an_interrupt_in_the_main_thread_publishes_nothing_half(place, monkeypatch):
    """Ctrl-C while the main thread waits for the writing one."""
    wait = location_module.ThreadPoolExecutor.submit

    def submit(self, put):
        wait(self, put)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(location_module.ThreadPoolExecutor, "submit", submit)
        with pytest.raises(KeyboardInterrupt):
            place.write("x.bin", b"whole")
    assert place.read("x.bin") == b"whole"


@pytest.mark.parametrize(("method", "status"), [("PUT", 500), ("GET", 503), ("HEAD", 429)])
def test_a_passing_fault_is_not_noticed(place, store, method, status):
    place.write("x", b"1")
    store.fail(method, status, 4)
    ask(place, method)
    assert store.requests.count(method) > 4
    assert place.read("x") == b"1"


def test_a_lasting_fault_is_one_sentence(place, store, monkeypatch):
    monkeypatch.setattr(location_module, "PAUSES_SECONDS", (0.01,))
    store.fail("HEAD", 503, MANY)
    with pytest.raises(StoreError, match=r"results at s3://.*/x must be in a store that answers"):
        place.child("x").exists()
    assert store.requests.count("HEAD") == 6, "2 tries of 3 requests"


@pytest.mark.parametrize("method", ["PUT", "GET", "HEAD"])
def test_who_is_refused_is_told_at_once(place, store, method):
    store.fail(method, 403, MANY)
    with pytest.raises(StoreError, match="ACCESS_DENIED"):
        ask(place, method)
    assert store.requests == [method]


def test_a_bucket_that_is_not_there_is_named(store):
    place = Location.of("s3://nowhere/results")
    assert not place.exists()
    assert place.files() == []
    with pytest.raises(StoreError, match=r"'nowhere'.*bucket does not exist"):
        place.write("x", b"1")


def test_no_try_begins_after_the_patience_is_over(place, store, monkeypatch):
    monkeypatch.setattr(location_module, "PATIENCE_SECONDS", 0.0)
    store.fail("PUT", 503, MANY)
    with pytest.raises(StoreError):
        place.write("x", b"1")
    assert store.requests == ["PUT"] * 3


def test_an_endpoint_that_does_not_answer_is_one_sentence(store, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(ResultsError, match=r"store that answers, but: 127.*Connection refused"):
        Location.of("s3://bucket/results")


def test_the_error_is_of_both_kinds_and_travels():
    error = StoreError("results at s3://bucket must be there")
    assert isinstance(error, ResultsError)
    assert isinstance(error, HqRayError)
    assert isinstance(error, OSError), "who holds results goes on through a passing fault"
    back = pickle.loads(pickle.dumps(error))
    assert (type(back), str(back)) == (StoreError, str(error))


def test_a_location_travels(place, store, monkeypatch):
    """To a worker that does not know the endpoint."""
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    back = pickle.loads(pickle.dumps(place))
    back.write("x", b"1" * 1000)
    assert store.requests == ["PUT"], "in one request there too"
    assert place.read("x") == b"1" * 1000


@pytest.mark.parametrize("text", ["s3://", "s3://?region=x", "s3://b/x?no_such_setting=1"])
def test_what_names_no_place_is_one_sentence(store, text):
    with pytest.raises(InputError, match="results must be a path or a URI"):
        Location.of(text)


@pytest.mark.parametrize("command", ["status", "verify", "run"])
@pytest.mark.parametrize("wrong", ["port", "key", "bucket"])
def test_the_command_line_says_it_in_one_line(store, capfd, monkeypatch, tmp_path, command, wrong):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(location_module, "PAUSES_SECONDS", ())
    if wrong == "port":
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed_port()}")
    elif wrong == "key":
        for method in ("GET", "HEAD", "PUT"):
            store.fail(method, 403, MANY)
    flags = [command, "s3://nowhere/results"]
    if command == "run":
        flags = ["run", "--env", "FrozenLake-v1", "--episodes", "5", "--local"]
        flags += ["--results", "s3://nowhere/results"]
    assert run_command_line(flags) in (1, 2)
    output, problem = capfd.readouterr()
    assert problem.startswith("Error: ")
    assert problem.count("\n") == 1
    assert "Traceback" not in output + problem


def test_a_file_that_goes_while_it_is_read_is_not_there(place, store):
    """It was there when its length was asked for."""
    place.write("x", b"1")
    store.fail("GET", 404, 1)
    assert place.read("x") == b"1", "404 of what is there is a passing fault"
    place.delete("x")
    with pytest.raises(FileNotFoundError):
        place.read("x")
