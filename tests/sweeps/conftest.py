import pytest
from standard_error import complaints

from hq_ray.cli import run_command_line


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Runs a command line in an empty folder; gives the exit code and what was said."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")

    def run(line, *more):
        code = run_command_line([*line.split(), *more])
        said = capsys.readouterr()
        return code, said.out, complaints(said.err)

    return run


@pytest.fixture
def said(call):
    """What a command line says that ends well."""

    def run(line, *more):
        code, out, err = call(line, *more)
        assert code == 0, err
        return out

    return run


@pytest.fixture
def lakes(tmp_path):
    """A spec of 12 short trials, lakes.yaml."""
    path = tmp_path / "lakes.yaml"
    path.write_text("name: lakes\nenv: FrozenLake-v1\nseeds: 0-5\nepisodes: 20\n")
    return path
