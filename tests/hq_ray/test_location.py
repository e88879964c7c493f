import os
import pickle
from pathlib import Path

import pytest

from hq_ray.location import Location


@pytest.fixture
def folder(tmp_path):
    return Location.of(tmp_path)


def test_a_path_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for text in ("results/sweep", Path("results/sweep"), "~/results/sweep"):
        assert Location.of(text).path == str(tmp_path / "results" / "sweep")
    location = Location.of(f"file://{tmp_path}/a%20b/")
    assert location.is_local
    assert location.path == f"{tmp_path}/a b"


def test_a_child_keeps_what_the_person_wrote(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    child = Location.of("results/").child("trials")
    assert (child.path, child.text) == (str(tmp_path / "results" / "trials"), "results/trials")
    back = pickle.loads(pickle.dumps(child))
    monkeypatch.chdir("/")
    assert back == child


def test_what_was_written_is_read_moved_and_deleted(folder):
    a = folder.child("a")
    a.write("x.bin", b"\x00\xff" * 1000)
    assert a.read("x.bin") == b"\x00\xff" * 1000
    assert (a.end_of("x.bin", 2), a.end_of("x.bin", 9999)[0]) == ((2000, b"\x00\xff"), 2000)
    a.move("x.bin", folder.child("b"))
    a.move("x.bin", folder.child("b"))
    assert (a.files(), folder.child("b").files()) == ([], ["x.bin"])
    folder.child("b").delete("x.bin")
    folder.child("b").delete("x.bin")
    assert folder.child("b").files() == []


def test_files_are_the_visible_ones_in_order(folder, tmp_path):
    for name in ("b.parquet", "a.parquet", ".c.parquet", "_d.parquet", "e.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder.parquet").mkdir()
    assert folder.files() == ["a.parquet", "b.parquet", "e.txt"]
    assert folder.files(".parquet") == ["a.parquet", "b.parquet"]
    assert folder.folders() == ["folder.parquet"]
    assert (folder.exists(), folder.child("nothing").exists()) == (True, False)
    assert (folder.child("nothing").files(), folder.child("e.txt").folders()) == ([], [])


def test_writing_again_replaces_and_spares_whoever_reads(folder, tmp_path):
    folder.write("x", b"old" * 100)
    with (tmp_path / "x").open("rb") as reader:
        folder.write("x", b"new")
        assert reader.read() == b"old" * 100
    assert folder.read("x") == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_a_write_that_fails_changes_nothing(folder, tmp_path, monkeypatch):
    folder.write("x", b"old")

    def full_disk(*arguments):
        raise OSError(28, "No space left on device")

    for call in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, call, full_disk)
            with pytest.raises(OSError, match="No space left"):
                folder.write("x", b"new")
        assert [p.name for p in tmp_path.iterdir()] == ["x"]
        assert folder.read("x") == b"old"


def test_a_file_where_the_folder_should_be_is_an_error(folder, tmp_path):
    (tmp_path / "a").write_bytes(b"in the way")
    with pytest.raises(OSError, match="a"):
        folder.child("a").write("x", b"1")
    assert (tmp_path / "a").read_bytes() == b"in the way"
