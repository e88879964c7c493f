"""URIs of object stores: credentials in them, none anywhere."""

import os
from pathlib import Path

import pytest

from hq_ray import location
from hq_ray.cli import run_command_line
from hq_ray.errors import InputError
from hq_ray.location import Location

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
    with pytest.raises(InputError, match=r"must hold no credentials|must begin like s3://") as e:
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
