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
