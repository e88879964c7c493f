import pytest
from standard_error import complaints

from hq_ray.cli import run_command_line


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs a command in the folder `here`; gives code, standard output and standard error."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def command(*arguments):
        code = run_command_line([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return code, out, complaints(err)

    return command
