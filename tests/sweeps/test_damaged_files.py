"""Whatever lies where sweep.json, the driver's card or its lock belong, commands go on."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_sweeps import blank_picture

from hq_ray.analysis import figure_files
from hq_ray.location import Location
from hq_ray.store import Results
from hq_ray.sweeps.ownership import CARD, OWNER_FILE, holds, is_gone, read_owner

FILES = ("sweep.json", OWNER_FILE, "_driver.lock")
SWEEP = "sweep lakes.yaml --local"
READING = (
    "status results/lakes",
    "plan lakes.yaml --no_pilot",
    "verify results/lakes --sample 1",
)
KEYS = {
    "sweep.json": ("name", "spec", "fingerprints", "sources", "engines", "planned", "versions"),
    OWNER_FILE: tuple(CARD),
}
# Examples may share a folder: what one leaves there is one more kind of damage.
shared = [HealthCheck.function_scoped_fixture]

plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
anything = st.recursive(
    plain, lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(), some, max_size=3)
).map(lambda value: json.dumps(value).encode())


def like(name):
    """JSON with the file's own keys, and values of any kind."""
    keys = dict.fromkeys(KEYS.get(name, ()), anything.map(json.loads))
    mapping = st.fixed_dictionaries({"schema_version": st.just(1)}, optional=keys)
    return mapping.map(lambda value: json.dumps(value).encode())


@pytest.fixture
def folder(lakes, said):
    """Of results that are there."""
    said(SWEEP)
    return lakes.parent / "results/lakes"


@settings(max_examples=60, suppress_health_check=shared)
@given(st.binary() | anything | like("sweep.json") | like(OWNER_FILE))
def test_files_of_any_kind_are_read(tmp_path, content):
    place = Results(Location.of(tmp_path))
    for name in ("sweep.json", OWNER_FILE):
        (tmp_path / name).write_bytes(content)
    assert bool(place.description()) != bool(place.description_problem())
    assert is_gone(read_owner(place.location)) in (True, False)
    assert holds(place.location, "mine") in (True, False)


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=4, suppress_health_check=shared)
@given(data=st.data())
def test_bytes_of_any_kind_stop_no_command(folder, said, name, data):
    (folder / name).write_bytes(data.draw(st.binary() | anything | like(name)))
    for line in (*READING, SWEEP):
        said(line)
    assert Results.at(folder).description_problem() is None, "written anew"


def test_it_is_told_once_and_written_anew(folder, said, monkeypatch):
    (folder / "sweep.json").write_bytes(b"\xff")
    monkeypatch.setattr(figure_files, "picture", lambda figure, kind: blank_picture())
    for command in ("compare results/lakes", "report results/lakes --out out"):
        said(f"{command} --smooth 3")
    told = "Damaged: results/lakes/sweep.json is damaged and is ignored; "
    for line in (*READING[:2], SWEEP):
        assert said(line).count(told) == 1
    assert "Damaged" not in said("status results/lakes")


@pytest.mark.parametrize("name", FILES)
def test_a_folder_in_its_place_is_no_traceback(folder, call, said, name):
    (folder / name).unlink(missing_ok=True)
    (folder / name).mkdir()
    for line in READING:
        said(line)
    code, _, err = call(f"{SWEEP} --set seeds=0-9")
    assert (code, err.count("\n"), name in err) == (1, 1, True)
    (folder / name).rmdir()
    said(f"{SWEEP} --set seeds=0-9")


def test_what_killed_writers_left_goes_and_the_users_own_stays(folder, said):
    names = (".sweep.json", "._driver.json", "trials/.x.parquet")
    ours = [folder / f"{name}.0123456789ab" for name in names]
    theirs = [folder / name for name in (".gitignore", ".nfs000000000001", "episodes/.gitkeep")]
    for path in (*ours, *theirs):
        path.touch()
    said(f"{SWEEP} --set seeds=0-9")
    assert not any(path.exists() for path in ours)
    assert all(path.exists() for path in theirs)
