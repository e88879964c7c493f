"""URIs of object stores: credentials in them, none anywhere."""

import os
import sys
import urllib.request
from email.message import Message
from pathlib import Path
from urllib.error import HTTPError

import pytest

from hq_ray import store_uri
from hq_ray.cli import run_command_line
from hq_ray.errors import InputError
from hq_ray.location import Location
from hq_ray.store_uri import check_uri

ID, SECRET = "AKIDNOTSHOWN", "zq/not+shown"
CLOUDS = ("AWS_", "GOOGLE_", "GCE_", "AZURE_")


@pytest.fixture
def nobody(monkeypatch, tmp_path):
    """No credentials in the environment nor at home, and nobody may be asked."""
    for name in list(os.environ):
        if name.startswith(CLOUDS) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(store_uri, "from_url", None)
    monkeypatch.setattr(urllib.request, "urlopen", None)
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
    f"gs://{ID}:{SECRET}@bucket/x",
    f"gs://{ID}@bucket/x",
    f"abfs://container:{SECRET}@account.dfs.core.windows.net/x",
    f"abfss://:{SECRET}@account.blob.core.windows.net/c/x",
    f"abfs://container@account.dfs.core.windows.net/x?sig={SECRET}",
    f"foo://{ID}@bucket/x",
]


@pytest.mark.parametrize("text", WITH_CREDENTIALS)
def test_credentials_in_a_uri_are_refused_and_not_repeated(nobody, text):
    with pytest.raises(InputError, match=r"must hold no credentials|must begin like s3://") as e:
        Location.of(text)
    message = str(e.value)
    assert all(part not in message for part in (ID, *SECRET.split("/")))
    if "credentials" in message and text.lower().startswith("s3"):
        assert "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in message


@pytest.mark.parametrize(
    "text",
    [
        "s3://bucket/a:b/user@host",
        "abfs://container@account.dfs.core.windows.net/x",
        "file:///tmp/a@b:c",
        "results/a@b:c",
    ],
)
def test_a_name_and_a_path_are_no_credentials(text):
    check_uri(text)


@pytest.mark.parametrize(
    "line",
    [
        "sweep a.yaml --local --results {}",
        "plan a.yaml --results {}",
        "run --env FrozenLake-v1 --episodes 5 --local --results {}",
        "status {}",
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
    printed = capsys.readouterr()
    assert printed.err.startswith("Error: ")
    assert printed.err.count("\n") == 1
    assert not any(part in printed.out + printed.err for part in (ID, SECRET))
    # Matplotlib may keep its fonts at home.
    assert [path.name for path in tmp_path.glob("[!.]*")] == ["a.yaml"]


@pytest.mark.parametrize(
    ("scheme", "variable"),
    [
        ("s3", "AWS_ACCESS_KEY_ID"),
        ("gs", "GOOGLE_APPLICATION_CREDENTIALS"),
        ("abfs", "AZURE_TENANT_ID"),
    ],
)
def test_without_credentials_nobody_is_asked(nobody, tmp_path, scheme, variable):
    nobody.setenv("AWS_ACCESS_KEY_ID", "without its secret")
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/config").write_text("[default]\nregion = eu-west-1\n")
    with pytest.raises(InputError, match=rf"{scheme}://.*need credentials.*set {variable}"):
        Location.of(f"{scheme}://bucket/x")


@pytest.mark.parametrize(
    ("variable", "path", "content"),
    [
        ("HOME", ".aws/credentials", "[default]\naws_access_key_id = a\n"),
        ("HOME", ".aws/config", "[profile x]\nrole_arn = a\n"),
        ("AWS_CONFIG_FILE", "config", "[default]\ncredential_process = x\n"),
    ],
)
def test_a_profile_needs_boto3(nobody, tmp_path, variable, path, content):
    file = tmp_path / path
    file.parent.mkdir(exist_ok=True)
    file.write_text(content)
    if variable != "HOME":
        nobody.setenv(variable, str(file))
    nobody.setitem(sys.modules, "boto3", None)
    nobody.delitem(sys.modules, "obstore.auth.boto3", raising=False)
    with pytest.raises(InputError, match="need boto3 for s3://; install it, or set AWS_ACCESS"):
        Location.of("s3://bucket/x")


@pytest.mark.parametrize(
    ("answer", "region"),
    [
        ({"x-amz-bucket-region": "eu-west-1"}, "eu-west-1"),
        ({}, "us-east-1"),
        (OSError("no network"), "us-east-1"),
    ],
)
def test_the_region_of_a_bucket_is_asked_for_once(nobody, answer, region):
    asked, opened = [], []

    def urlopen(request, timeout):
        asked.append(request.full_url)
        if isinstance(answer, OSError):
            raise answer
        headers = Message()
        for name, value in answer.items():
            headers[name] = value
        raise HTTPError(request.full_url, 403, "Forbidden", headers, None)

    nobody.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "token")
    nobody.setattr(urllib.request, "urlopen", urlopen)
    nobody.setattr(store_uri, "from_url", lambda url, **settings: opened.append((url, settings)))
    store_uri._region_of.cache_clear()
    for _ in range(2):
        Location.of("s3://bucket/x")
    assert asked == ["https://bucket.s3.amazonaws.com"]
    assert [(url, settings["region"]) for url, settings in opened] == [("s3://bucket", region)] * 2
    store_uri._region_of.cache_clear()
