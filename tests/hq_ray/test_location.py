import os
from pathlib import Path

import pytest
from pyarrow import fs

from hq_ray.errors import InputError
from hq_ray.location import Location


@pytest.fixture
def folder(tmp_path):
    return Location.of(tmp_path)


@pytest.fixture
def remote(tmp_path):
    """A filesystem that is not the local one, as far as a location can tell."""
    return Location(fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem()), ".", "store://here")


def test_a_path_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Location.of("results/sweep").path == str(tmp_path / "results" / "sweep")
    assert Location.of(Path("results")).path == str(tmp_path / "results")


def test_the_home_folder_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert Location.of("~/results").path == str(tmp_path / "results")


def test_a_file_uri_is_the_path_it_names(tmp_path):
    location = Location.of(f"file://{tmp_path}/results/")
    assert location.is_local
    assert location.path == f"{tmp_path}/results"


@pytest.mark.parametrize("text", ["foo://bucket/prefix", "https://example.org/x"])
def test_an_unknown_scheme_is_named(text):
    with pytest.raises(InputError, match=f"results must be a path or a URI, got '{text}'"):
        Location.of(text)


def test_a_child_keeps_what_the_person_wrote(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    child = Location.of("results/").child("trials")
    assert (child.path, child.text) == (str(tmp_path / "results" / "trials"), "results/trials")


def test_what_was_written_is_read(folder):
    folder.child("a").write("x.bin", b"\x00\xff" * 1000)
    assert folder.child("a").read("x.bin") == b"\x00\xff" * 1000


def test_exists(folder):
    assert folder.exists()
    assert not folder.child("nothing").exists()


def test_files_are_the_visible_ones_in_order(folder, tmp_path):
    for name in ("b.parquet", "a.parquet", ".c.parquet", "_d.parquet", "e.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder.parquet").mkdir()
    assert folder.files() == ["a.parquet", "b.parquet", "e.txt"]
    assert folder.files(".parquet") == ["a.parquet", "b.parquet"]


def test_a_missing_folder_has_no_files(folder):
    assert folder.child("nothing").files() == []


def test_writing_makes_folders_and_leaves_one_file(folder, tmp_path):
    folder.child("a").child("b").write("x", b"1")
    assert [p.name for p in (tmp_path / "a" / "b").iterdir()] == ["x"]


def test_writing_again_replaces_and_spares_whoever_reads(folder, tmp_path):
    folder.write("x", b"old" * 100)
    with (tmp_path / "x").open("rb") as reader:
        folder.write("x", b"new")
        assert reader.read() == b"old" * 100
    assert folder.read("x") == b"new"


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


def test_delete(folder):
    folder.write("x", b"1")
    folder.delete("x")
    assert folder.files() == []


def test_another_filesystem_does_the_same(remote):
    assert not remote.is_local
    remote.write("x.parquet", b"old")
    remote.write("x.parquet", b"new")
    remote.write(".hidden.parquet", b"")
    assert remote.files(".parquet") == ["x.parquet"]
    assert remote.read("x.parquet") == b"new"
    assert remote.child("x.parquet").exists()
    remote.delete("x.parquet")
    assert remote.files() == []
