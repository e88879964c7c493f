"""URIs of object stores: credentials in them, none anywhere, and stores that are not there."""

import os
import socket
import time
from pathlib import Path

import pytest

from hq_ray.cli import run_command_line
from hq_ray.errors import HqRayError, InputError
from hq_ray.location import Location
from hq_ray.store_uri import refuse_credentials

ID, SECRET = "AKIDNOTSHOWN", "zq/not+shown"
REFUSED = r"must hold no credentials|must begin like s3://"
CLOUDS = ("AWS_", "GOOGLE_", "GCE_", "CLOUD_STORAGE_", "AZURE_")
# Of a test that asks nobody: the answer must not be waited for, however slow the machine is.
HANG_SECONDS = 60


@pytest.fixture
def nobody(monkeypatch, tmp_path):
    """No credentials in the environment nor at home, and no address of the machine's own."""
    for name in list(os.environ):
        if name.startswith(CLOUDS) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.chdir(tmp_path)
    return monkeypatch


WITH_CREDENTIALS = [
    f"s3://{ID}:{SECRET}@bucket/x",
    f"s3://{ID}:{SECRET.replace('/', '%2F')}@bucket/x",
    f"s3://{ID}:{SECRET}",
    f"s3://{ID}%3A{SECRET}%40bucket/x",
    f"s3://{ID}@bucket/x",
    f"S3://{ID}:{SECRET}@bucket",
    f"s3:/{ID}:{SECRET}@bucket/x",
    f"s3:{ID}:{SECRET}@bucket/x",
    f"s3://bucket/x?region=eu-west-1&secret_key={SECRET}",
    f"s3://bucket/x?access_key={ID}",
    f"s3://bucket/x?session_token={SECRET}",
    f"s3://bucket/x?a=1;Secret_Key={SECRET}",
    f"s3://bucket/x?endpoint_override=http://{ID}:{SECRET}@127.0.0.1",
    f"gs://{ID}:{SECRET}@bucket/x",
    f"gs://{ID}@bucket/x",
    f"gcs://bucket/x?access_token={SECRET}",
    f"abfs://container:{SECRET}@account.dfs.core.windows.net/x",
    f"abfss://:{SECRET}@account.blob.core.windows.net/c/x",
    f"abfs://container@account.dfs.core.windows.net/x?sig={SECRET}",
    f"hdfs://user:{SECRET}@host:8020/x",
    f"foo://{ID}@bucket/x",
]


@pytest.mark.parametrize("text", WITH_CREDENTIALS)
def test_credentials_in_a_uri_are_refused_and_not_repeated(nobody, text):
    for refuse in (Location.of, refuse_credentials):
        with pytest.raises(InputError, match=REFUSED) as e:
            refuse(text)
        said = str(e.value)
        assert ID not in said
        assert all(part not in said for part in (*SECRET.split("/"), SECRET))
        if "credentials" in said and text.lower().startswith("s3"):
            assert "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in said


@pytest.mark.parametrize(
    "text",
    [
        "s3://bucket/a:b/user@host?region=eu-central-1",
        "gs://anonymous@bucket/x",
        "abfs://container@account.dfs.core.windows.net/x",
        "hdfs://user@host:8020/x",
        "file:///tmp/a@b:c",
        "results/a@b:c",
    ],
)
def test_a_name_and_a_path_are_no_credentials(text):
    refuse_credentials(text)


@pytest.mark.parametrize(
    "line",
    [
        "sweep a.yaml --local --results {}",
        "plan a.yaml --results {}",
        "run --env FrozenLake-v1 --episodes 5 --local --results {}",
        "status {}",
        "status results {}",
        "verify {}",
        "replay {} 0123",
        "plot {}",
        "compare {}",
        "report {}",
        "sweep {}",
    ],
)
def test_no_command_prints_them(nobody, tmp_path, capsys, line):
    Path("a.yaml").write_text("name: a\nenv: FrozenLake-v1\nseeds: 0\nepisodes: 5\n")
    assert run_command_line(line.format(WITH_CREDENTIALS[0]).split()) == 2
    told = capsys.readouterr()
    assert told.err.startswith("Error: ")
    assert told.err.count("\n") == 1
    assert ID not in told.out + told.err
    assert SECRET not in told.out + told.err
    # Matplotlib may keep its fonts at home.
    assert [path.name for path in tmp_path.glob("[!.]*")] == ["a.yaml"]


@pytest.mark.parametrize(
    ("text", "variable"),
    [
        ("s3://bucket/x", "AWS_ACCESS_KEY_ID"),
        ("gs://bucket/x", "GOOGLE_APPLICATION_CREDENTIALS"),
    ],
)
def test_without_credentials_nobody_is_asked(nobody, monkeypatch, text, variable):
    def ask(*arguments):
        raise AssertionError("asked")

    monkeypatch.setattr(socket, "create_connection", ask)
    if variable.startswith("AWS"):
        nobody.setenv("AWS_ACCESS_KEY_ID", "without its secret")
    with pytest.raises(InputError, match=rf"{text[:5]}.*need credentials.*set {variable}"):
        Location.of(text)


@pytest.mark.parametrize(
    ("variable", "path", "content"),
    [
        ("HOME", ".aws/credentials", "[default]\naws_access_key_id = a\n"),
        ("HOME", ".aws/config", "[profile x]\nrole_arn = a\n"),
        ("AWS_CONFIG_FILE", "config", "[default]\ncredential_process = x\n"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "token", "x"),
    ],
)
def test_credentials_may_lie_in_files(nobody, tmp_path, variable, path, content):
    file = tmp_path / path
    file.parent.mkdir(exist_ok=True)
    file.write_text(content)
    if variable != "HOME":
        nobody.setenv(variable, str(file))
    with pytest.raises(HqRayError, match=r"in a store that answers, but: 127\.0\.0\.1:\d+: "):
        Location.of(f"s3://bucket/x?endpoint_override=127.0.0.1:{closed_port()}&scheme=http")


def test_a_profile_that_only_names_a_region_holds_none(nobody, tmp_path):
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text("[default]\nregion = eu-west-1\n")
    with pytest.raises(InputError, match="need credentials"):
        Location.of("s3://bucket/x")


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_a_store_that_is_not_there_is_told_in_seconds(nobody, capsys, scheme):
    nobody.setenv("AWS_ACCESS_KEY_ID", "a")
    nobody.setenv("AWS_SECRET_ACCESS_KEY", "b")
    user = "anonymous@" if scheme == "gs" else ""
    place = f"127.0.0.1:{closed_port()}"
    uri = f"{scheme}://{user}bucket/x?endpoint_override={place}&scheme=http"
    began = time.monotonic()
    assert run_command_line(["status", uri]) == 1
    assert time.monotonic() - began < HANG_SECONDS
    assert capsys.readouterr().err == (
        f"Error: results at {uri} must be in a store that answers, but: {place}: "
        "Connection refused\n"
    )


def test_a_name_that_is_never_answered_is_not_waited_for(nobody, monkeypatch):
    from hq_ray import store_uri

    nobody.setenv("AWS_ACCESS_KEY_ID", "a")
    nobody.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setattr(store_uri, "ANSWER_SECONDS", 0.05)

    def hang(*arguments):
        time.sleep(HANG_SECONDS)
        raise OSError("nobody waits any more")

    monkeypatch.setattr(socket, "create_connection", hang)
    with pytest.raises(HqRayError, match=r"s3\.us-east-1\.amazonaws\.com:443: no answer"):
        Location.of("s3://bucket/x")
