"""Locations: folders on a disk, prefixes in an object store (moto's, in a thread), URIs."""

import os
import pickle
import socket
from pathlib import Path

import pytest
from made_up import failing_after

from hq_ray import location
from hq_ray.cli import run_command_line
from hq_ray.errors import InputError
from hq_ray.location import Location, StoreError


@pytest.fixture
def place(anywhere):
    return Location.of(f"{anywhere}/")


def test_what_was_written_is_read_listed_and_deleted(place):
    a, b = place.child("a"), place.child("b")
    a.write("x.bin", b"\x00\xff" * 1000)
    a.write("x.bin", memoryview(b"new"))
    place.write("a/empty", b"")
    assert (a.read("x.bin"), place.read("a/empty")) == (b"new", b"")
    assert (a.size("x.bin"), a.read("x.bin", 1), a.size("empty")) == (3, b"ew", 0)
    assert (a.files(), a.files(".bin")) == (["empty", "x.bin"], ["x.bin"])
    assert (place.files(), place.folders(), b.files(), b.folders()) == ([], ["a"], [], [])
    assert (a.exists(), a.child("x.bin").exists(), b.exists()) == (True, True, False)
    for _ in range(2):
        a.delete("x.bin")
    assert a.files() == ["empty"]
    with pytest.raises(FileNotFoundError):
        place.read("x.bin")


@pytest.mark.parametrize("name", ["a b,x=2", "ümlaut", "50%25", "a+b#1", "a[1]"])
def test_any_name_is_kept(place, name):
    place.child(name).write(name, b"1")
    assert (place.folders(), place.child(name).files()) == ([name], [name])
    assert place.child(name).read(name) == b"1"


def test_hidden_files_are_not_listed_and_those_of_killed_writers_go(place):
    hidden = [".x.parquet.0123456789ab", ".gitignore", "_driver.json"]
    for name in ("b.parquet", "a.parquet", "e.txt", *hidden):
        place.write(name, b"")
    assert place.files() == ["a.parquet", "b.parquet", "e.txt"]
    assert place.files(".parquet") == ["a.parquet", "b.parquet"]
    place.clear_unfinished()
    assert [place.child(name).exists() for name in hidden] == [False, True, True]


def test_a_location_travels(place, monkeypatch):
    child = pickle.loads(pickle.dumps(place.child("a")))
    monkeypatch.chdir("/")
    child.write("x", b"1")
    assert (child, place.child("a").read("x")) == (place.child("a"), b"1")


def test_a_path_is_made_absolute_and_told_as_it_was_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for text in ("results/sweep", Path("results/sweep"), "~/results/sweep"):
        assert Location.of(text).path == str(tmp_path / "results" / "sweep")
    assert Location.of(f"file://{tmp_path}/a%20b/").path == f"{tmp_path}/a b"
    with pytest.raises(InputError, match="must be like file:///folder, got 'file://a/b'"):
        Location.of("file://a/b")
    child = Location.of("results/").child("trials")
    assert (child.path, child.text) == (str(tmp_path / "results" / "trials"), "results/trials")


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_writing_again_replaces_and_spares_whoever_reads_or_changes_nothing(
    tmp_path, monkeypatch, call
):
    place = Location.of(tmp_path)
    place.write("x", b"old" * 100)
    with (tmp_path / "x").open("rb") as reader:
        place.write("x", b"new")
        assert reader.read() == b"old" * 100
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(os, call, failing_after(0, None, full))
    with pytest.raises(OSError, match="No space left"):
        place.write("x", b"newer")
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
    assert place.read("x") == b"new"


# On an object store, behind faults of our own

MANY = 1000


@pytest.fixture
def remote(object_store, prefix):
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
    "PUT": lambda there: there.write("x", b"1"),
    "GET": Location.files,
    "HEAD": lambda there: there.child("x").exists(),
}


@pytest.mark.parametrize("size", [0, 4_000_000])
def test_one_request_puts_a_whole_object(remote, object_store, size):
    remote.write("x.bin", b"x" * size)
    # An upload in parts begins with a POST.
    assert [method for method, _ in object_store.requests] == ["PUT"]


def test_a_large_object_is_there_whole_or_not_at_all(remote, fail):
    content = b"x" * 25_000_000
    fail("PUT", 403, 1, "partNumber=2")
    with pytest.raises(StoreError, match=r"writing x\.bin there failed"):
        remote.write("x.bin", content)
    assert remote.files() == []
    remote.write("x.bin", content)
    assert remote.read("x.bin") == content


@pytest.mark.parametrize(("method", "status"), [("PUT", 500), ("GET", 503), ("HEAD", 429)])
def test_a_passing_fault_is_not_noticed_and_a_lasting_one_is_a_sentence(
    remote, fail, method, status
):
    remote.write("x", b"1")
    fail(method, status, 2)
    ASK[method](remote)
    assert remote.read("x") == b"1"
    fail(method, status, MANY)
    with pytest.raises(StoreError, match=r"results at s3://.* must be in a store that answers"):
        ASK[method](remote)


@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_who_is_refused_is_told_at_once(remote, object_store, fail, method):
    fail(method, 403, MANY)
    with pytest.raises(StoreError, match=r"there failed: .*403 Forbidden$") as caught:
        ASK[method](remote)
    assert "\n" not in str(caught.value)
    assert [asked for asked, _ in object_store.requests] == [method]


def test_a_bucket_that_is_not_given_or_not_there_is_named(object_store):
    for text in ("s3://", "https://example.org/x"):
        with pytest.raises(InputError, match=f"results must be a path or a URI, got '{text}'"):
            Location.of(text)
    place = Location.of("s3://nowhere/results")
    for request in (place.files, place.exists, lambda: place.write("x", b"1")):
        with pytest.raises(StoreError, match=r"s3://nowhere.*bucket does not exist$"):
            request()


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


# URIs: credentials in them, none anywhere

ID, SECRET = "AKIDNOTSHOWN", "zq/not+shown"
CLOUDS = ("AWS_", "GOOGLE_", "GCE_", "AZURE_")


@pytest.fixture
def nobody(monkeypatch, tmp_path):
    """No credentials in the environment nor at home, and nobody may be asked."""
    for name in list(os.environ):
        if name.startswith(CLOUDS) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(location, "from_url", None)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


WITH_CREDENTIALS = [
    f"s3://{ID}:{SECRET}@bucket/x",
    f"s3://{ID}:{SECRET}",
    f"s3://{ID}@bucket/x",
    f"S3://{ID}:{SECRET}@bucket",
    f"s3:/{ID}:{SECRET}@bucket/x",
    f"s3://bucket/x?region=eu-west-1&secret_key={SECRET}",
    f"gs://{ID}:{SECRET}@bucket/x",
    f"abfs://container:{SECRET}@account.dfs.core.windows.net/x",
    f"abfss://:{SECRET}@account.blob.core.windows.net/c/x",
    f"abfs://container@account.dfs.core.windows.net/x?sig={SECRET}",
    f"s3://bucket/x#{SECRET}",
]


@pytest.mark.parametrize("text", WITH_CREDENTIALS)
def test_credentials_in_a_uri_are_refused_and_not_repeated(nobody, text):
    with pytest.raises(InputError, match=r"must hold no credentials|must begin with s3://") as e:
        Location.of(text)
    message = str(e.value)
    assert all(part not in message for part in (ID, *SECRET.split("/")))
    if "credentials" in message and text.lower().startswith("s3"):
        assert "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in message


WITHOUT = ["s3://bucket/a:b/user@host", "abfs://container@account.dfs.core.windows.net/x"]


@pytest.mark.parametrize("text", [*WITHOUT, "file:///tmp/a@b:c", "results/a@b:c"])
def test_a_name_and_a_path_are_no_credentials(nobody, text):
    nobody.setattr(location, "from_url", lambda url, **settings: None)
    nobody.setenv("AWS_SECRET_ACCESS_KEY", "x")
    nobody.setenv("AZURE_STORAGE_ACCOUNT_KEY", "x")
    assert Location.of(text).text == text


@pytest.mark.parametrize(
    "line",
    ["sweep a.yaml --local --results", "run --env FrozenLake-v1 --local --results", "sweep"],
)
def test_no_command_prints_them(nobody, tmp_path, capsys, line):
    Path("a.yaml").write_text("name: a\nenv: FrozenLake-v1\nseeds: 0\nepisodes: 5\n")
    assert run_command_line([*line.split(), WITH_CREDENTIALS[0]]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("Error: ")
    assert printed.err.count("\n") == 1
    assert not any(part in printed.out + printed.err for part in (ID, SECRET))
    # Matplotlib may keep its fonts at home.
    assert [path.name for path in tmp_path.glob("[!.]*")] == ["a.yaml"]


def test_without_credentials_nobody_is_asked(nobody, tmp_path):
    nobody.setenv("AWS_ACCESS_KEY_ID", "without its secret")
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/config").write_text("[default]\nregion = eu-west-1\n")
    usual = {"s3": "AWS_ACCESS_KEY_ID", "gs": "GOOGLE_APPLICATION_CREDENTIALS"}
    for scheme, variable in {**usual, "abfs": "AZURE_TENANT_ID"}.items():
        with pytest.raises(InputError, match=rf"{scheme}://.*need credentials.*set {variable}"):
            Location.of(f"{scheme}://bucket/x")


KEYS = '{"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "b"}'


@pytest.mark.parametrize(
    ("variable", "path", "content"),
    [
        ("HOME", ".aws/credentials", "aws_access_key_id = a\naws_secret_access_key = b"),
        ("AWS_CONFIG_FILE", "config", f"credential_process = echo '{KEYS}'"),
    ],
)
def test_a_profile_of_the_aws_tools_is_used(nobody, tmp_path, variable, path, content):
    opened = []
    nobody.setattr(location, "from_url", lambda url, **settings: opened.append((url, settings)))
    file = tmp_path / path
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"[default]\n{content}\n")
    nobody.setenv(variable, str(tmp_path if variable == "HOME" else file))
    Location.of("s3://bucket/x")
    ((url, settings),) = opened
    assert url == "s3://bucket"
    assert settings["credential_provider"]()["secret_access_key"] == "b"
    nobody.setenv("AWS_PROFILE", "another")
    with pytest.raises(InputError, match="need credentials"):
        Location.of("s3://bucket/x")
