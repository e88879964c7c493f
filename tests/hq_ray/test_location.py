"""Locations on a disk, and on an object store (moto's, in a thread here)."""

import os
import pickle
from pathlib import Path

import pytest
from made_up import failing_after

from hq_ray.location import Location


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


def test_a_file_where_the_folder_should_be_is_an_error(tmp_path):
    (tmp_path / "a").write_bytes(b"in the way")
    with pytest.raises(OSError, match="a"):
        Location.of(tmp_path).child("a").write("x", b"1")
    assert (tmp_path / "a").read_bytes() == b"in the way"
