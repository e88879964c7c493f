"""Whatever lies where sweep.json, the driver's card or its lock belong, commands go on."""

import io
import json
import shutil
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_sweeps import blank_picture

from hq_ray.analysis import figure_files
from hq_ray.cli import run_command_line
from hq_ray.location import Location
from hq_ray.store import Results
from hq_ray.sweeps.api import run_sweep
from hq_ray.sweeps.ownership import CARD, OWNER_FILE, holds, is_gone, read_owner

SPEC = """
name: lakes
env: FrozenLake-v1
variant: [standard, harmonic]
seeds: 0-2
episodes: 20
"""
FILES = ("sweep.json", OWNER_FILE, "_driver.lock")
READING = (
    "status results/lakes",
    "plan lakes.yaml --no_pilot",
    "verify results/lakes --sample 1",
    "sweep lakes.yaml --local",
)
KEYS = {
    "sweep.json": ("name", "spec", "fingerprints", "sources", "engines", "planned", "versions"),
    OWNER_FILE: tuple(CARD),
}

plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
anything = st.recursive(
    plain, lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(), some, max_size=3)
)


def encoded(value):
    return json.dumps(value).encode()


def like(name):
    """JSON with the file's own keys, and values of any kind."""
    keys = dict.fromkeys(KEYS.get(name, ()), anything)
    return st.fixed_dictionaries({"schema_version": st.just(1)}, optional=keys).map(encoded)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A folder with a spec and its results."""
    folder = tmp_path_factory.mktemp("done")
    (folder / "lakes.yaml").write_text(SPEC)
    with chdir(folder):
        run_sweep("lakes.yaml", local=True)
    return folder


@pytest.fixture(scope="module")
def call(done):
    """Runs a command line there; gives the exit code and what was said."""

    def run(line):
        out, err = io.StringIO(), io.StringIO()
        with chdir(done), redirect_stdout(out), redirect_stderr(err):
            code = run_command_line(line.split())
        said = out.getvalue().encode().decode(), err.getvalue().encode().decode()
        assert code in (0, 1, 2)
        if code:
            assert said[1].startswith("Error: ")
            assert said[1].count("\n") == 1
        return code, *said

    return run


@contextmanager
def replaced(path, content):
    """Puts other bytes in the place of a file, for the length of a block."""
    before = path.read_bytes() if path.exists() else None
    path.write_bytes(content)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        if before is not None:
            path.write_bytes(before)


@settings(max_examples=60)
@given(st.binary() | anything.map(encoded) | like("sweep.json") | like(OWNER_FILE))
def test_files_of_any_kind_are_read(done, content):
    place = Results(Location.of(done / "any"))
    (done / "any").mkdir(exist_ok=True)
    for name in ("sweep.json", OWNER_FILE):
        (done / "any" / name).write_bytes(content)
    assert bool(place.description()) != bool(place.description_problem())
    assert is_gone(read_owner(place.location)) in (True, False)
    assert holds(place.location, "mine") in (True, False)


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=4)
@given(data=st.data())
def test_bytes_of_any_kind_stop_no_command(done, call, name, data):
    content = data.draw(st.binary() | anything.map(encoded) | like(name))
    with replaced(done / "results/lakes" / name, content):
        for line in READING:
            code, _, err = call(line)
            assert code == 0, err
        assert Results.at(done / "results/lakes").description_problem() is None, "written anew"


def test_it_is_told_once_and_written_anew(done, call, monkeypatch):
    (done / "results/lakes/sweep.json").write_bytes(b"\xff")
    monkeypatch.setattr(figure_files, "picture", lambda figure, kind: blank_picture())
    for command in ("compare results/lakes", "report results/lakes --out out"):
        assert call(f"{command} --smooth 3")[0] == 0
    told = "Damaged: results/lakes/sweep.json is damaged and is ignored; "
    for line in ("status results/lakes", "plan lakes.yaml --no_pilot", "sweep lakes.yaml --local"):
        assert call(line)[1].count(told) == 1
    assert "Damaged" not in call("status results/lakes")[1]


@pytest.mark.parametrize("name", FILES)
def test_a_folder_in_its_place_is_no_traceback(done, call, tmp_path, name):
    shutil.copytree(done, tmp_path, dirs_exist_ok=True)
    place = tmp_path / "results/lakes" / name
    place.unlink(missing_ok=True)
    place.mkdir()
    more = ["sweep", "lakes.yaml", "--local", "--set", "seeds=0-5"]
    with chdir(tmp_path):
        for line in READING[:3]:
            assert run_command_line(line.split()) == 0
        error = io.StringIO()
        with redirect_stderr(error):
            assert run_command_line(more) == 1
        assert error.getvalue().count("\n") == 1
        assert name in error.getvalue()
        place.rmdir()
        assert run_command_line(more) == 0, "the folder was given back"


def test_what_killed_writers_left_goes_and_the_users_own_stays(done, call):
    folder = done / "results/lakes"
    ours = [
        f"{name}.0123456789ab" for name in (".sweep.json", "._driver.json", "trials/.x.parquet")
    ]
    theirs = [".gitignore", ".nfs000000000001", "episodes/.gitkeep"]
    for name in (*ours, *theirs):
        (folder / name).touch()
    assert call("sweep lakes.yaml --local --set seeds=0-3")[0] == 0
    assert not any((folder / name).exists() for name in ours)
    assert all((folder / name).exists() for name in theirs)
