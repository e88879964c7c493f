import pytest
from small_sweeps import blank_picture, train
from standard_error import complaints

from hq_ray.analysis import figure_files
from hq_ray.analysis.figure_files import FigureData
from hq_ray.cli import run_command_line


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs a command in the folder `here`; gives code, standard output and standard error."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def command(*arguments):
        capsys.readouterr()
        code = run_command_line([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return code, out, complaints(err)

    return command


@pytest.fixture
def refused(run):
    """The one sentence that a command is refused with."""

    def sentence(*arguments):
        code, out, err = run(*arguments)
        assert (code, out) == (2, "")
        assert err.startswith("Error: ")
        assert err.endswith("\n")
        assert err.count("\n") == 1
        return err.removeprefix("Error: ").strip()

    return sentence


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A trained sweep of FrozenLake, two variants, four seeds."""
    return train(tmp_path_factory.mktemp("results"))


@pytest.fixture
def unencoded(monkeypatch):
    """Figures are made, but one picture stands for all."""
    picture = blank_picture()
    monkeypatch.setattr(figure_files, "picture", lambda figure, kind: picture)


@pytest.fixture
def sketched(unencoded, monkeypatch):
    """Figures are not made either, which takes most of the time."""
    monkeypatch.setattr(FigureData, "figure", lambda _: None)
