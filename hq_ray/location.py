"""Where results lie: a folder or an object-store prefix, through pyarrow's filesystems.

Files appear whole. On a local disk a file is written under a name that begins with a dot, which
Parquet readers skip, and renamed; on an object store one request puts the whole object (above
10 MB, the last of several). What a store refuses is asked for again for a while.
"""

import contextlib
import copy
import os
import re
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
from pyarrow import fs

from hq_ray.errors import InputError, ResultsError
from hq_ray.store_uri import open_uri, refuse_credentials

# The name of a file until it is whole; see `_replace_local`.
UNFINISHED = re.compile(r"\..+\.[0-9a-f]{12}")
# Between one try of a request to an object store and the next.
PAUSES_SECONDS = (0.5, 1.0, 2.0)
# No try begins later than this after the first: a server that is silent takes 10 s each time.
PATIENCE_SECONDS = 10.0
# Refusals that another try would meet again, as the AWS library spells them.
FINAL = (
    "ACCESS_DENIED",
    "EXPIRED_TOKEN",
    "INVALID_ACCESS_KEY_ID",
    "INVALID_CLIENT_TOKEN_ID",
    "NO_SUCH_BUCKET",
    "SIGNATURE_DOES_NOT_MATCH",
)

T = TypeVar("T")


class StoreError(ResultsError, OSError):
    """An object store that refuses, or has not answered several tries."""


@dataclass(frozen=True)
class Location:
    """A folder on some filesystem.

    Attributes:
        filesystem: pyarrow's.
        path: of the folder on it, without a trailing slash.
        text: as the person wrote it, for messages.
    """

    filesystem: fs.FileSystem
    path: str
    text: str

    @classmethod
    def of(cls, text: str | os.PathLike) -> "Location":
        """The location that a path or a URI such as `s3://bucket/prefix` names."""
        text = os.fspath(text)
        if not text:
            raise InputError("results must be a path or a URI, got ''")
        if "://" not in text:
            refuse_credentials(text)
            return cls(fs.LocalFileSystem(), os.path.abspath(os.path.expanduser(text)), text)
        filesystem, path = open_uri(text)
        if not path.strip("/"):
            raise InputError(f"results must be a path or a URI, got {text!r}: it names no bucket")
        if filesystem.type_name == "s3":
            # The copy tries a request 3 times, as a worker's does that gets it from the driver; the
            # original would try 31 times, which takes minutes if the server is silent.
            filesystem = copy.copy(filesystem)
        return cls(filesystem, path.rstrip("/"), text)

    @property
    def is_local(self) -> bool:
        """Whether ordinary file calls reach it."""
        return isinstance(self.filesystem, fs.LocalFileSystem)

    def child(self, name: str) -> "Location":
        """The location of a name below this one."""
        place, mark, settings = self.text.partition("?")
        text = f"{place.rstrip('/')}/{name}{mark}{settings}"
        return Location(self.filesystem, f"{self.path}/{name}", text)

    def exists(self) -> bool:
        """Whether something lies there."""
        return self._info().type != fs.FileType.NotFound

    def is_file(self) -> bool:
        """Whether a file lies there."""
        return self._info().is_file

    def files(self, suffix: str = "") -> list[str]:
        """Sorted names of the visible files directly below; empty where there is no such folder."""
        return [n for n in self._names() if n.endswith(suffix) and not n.startswith((".", "_"))]

    def folders(self) -> list[str]:
        """Sorted names of the visible folders directly below; empty where they cannot be listed."""
        with contextlib.suppress(OSError):
            found = self.filesystem.get_file_info(fs.FileSelector(self.path))
            names = [info.base_name for info in found if info.type == fs.FileType.Directory]
            return sorted(name for name in names if not name.startswith((".", "_")))
        return []

    def unfinished(self) -> list[str]:
        """Sorted names of files below that are being written, or were when their writer died."""
        return [name for name in self._names() if UNFINISHED.fullmatch(name)]

    def read(self, name: str) -> bytes:
        """The bytes of a file below."""

        def get() -> bytes:
            with self.filesystem.open_input_stream(f"{self.path}/{name}") as stream:
                return stream.read()

        return self._ask(f"reading {name}", get)

    def end_of(self, name: str, count: int) -> tuple[int, bytes]:
        """The size of a file below, and its last bytes."""

        def get() -> tuple[int, bytes]:
            with self.filesystem.open_input_file(f"{self.path}/{name}") as file:
                size = file.size()
                file.seek(max(0, size - count))
                return size, file.read()

        return self._ask(f"reading {name}", get)

    def write(self, name: str, content: bytes | memoryview) -> None:
        """Publishes a file below, whole or not at all, replacing one of that name."""
        if self.is_local:
            _replace_local(Path(self.path), name, content)
            return
        buffer = pa.py_buffer(content)

        def put() -> None:
            with self.filesystem.open_output_stream(f"{self.path}/{name}") as stream:
                stream.write(buffer)

        # An exception between opening and closing would publish what was written so far. The only
        # one that can come there is Ctrl-C, and that reaches no other thread than the main one.
        with ThreadPoolExecutor(1) as thread:
            self._ask(f"writing {name}", lambda: thread.submit(put).result())

    def delete(self, name: str) -> None:
        """Removes a file below, if it is there."""

        def remove() -> None:
            with contextlib.suppress(FileNotFoundError):
                self.filesystem.delete_file(f"{self.path}/{name}")

        self._ask(f"deleting {name}", remove)

    def move(self, name: str, folder: "Location") -> None:
        """Moves a file below into a folder of the same filesystem, if it is there."""

        def rename() -> None:
            self.filesystem.move(f"{self.path}/{name}", f"{folder.path}/{name}")

        if self.child(name).exists():
            if self.is_local:
                Path(folder.path).mkdir(parents=True, exist_ok=True)
            self._ask(f"moving {name}", rename)

    def _info(self) -> fs.FileInfo:
        return self._ask("looking", lambda: self.filesystem.get_file_info(self.path))

    def _names(self) -> list[str]:
        selector = fs.FileSelector(self.path, allow_not_found=True)
        found = self._ask("listing files", lambda: self.filesystem.get_file_info(selector))
        return sorted(info.base_name for info in found if info.is_file)

    def _ask(self, doing: str, request: Callable[[], T]) -> T:
        """The answer to a request, which an object store may need to be asked for again.

        Raises:
            FileNotFoundError: there is no such file to read.
            StoreError: the store refuses, or a few tries have failed.
        """
        if self.is_local:
            return request()
        started = time.monotonic()
        for pause in (*PAUSES_SECONDS, None):
            try:
                return request()
            except FileNotFoundError:
                raise
            except OSError as problem:
                late = pause is None or time.monotonic() - started > PATIENCE_SECONDS
                if late or any(word in str(problem) for word in FINAL):
                    raise StoreError(
                        f"results at {self.text} must be in a store that answers, but {doing} "
                        f"there failed: {problem}"
                    ) from None
            time.sleep(pause)
        raise AssertionError("the last try returns or raises")


def _replace_local(folder: Path, name: str, content: bytes | memoryview) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    hidden = folder / f".{name}.{uuid.uuid4().hex[:12]}"
    try:
        with hidden.open("xb") as stream:
            stream.write(content)
            stream.flush()
            # A power cut after the rename must not leave an empty file under the final name.
            os.fsync(stream.fileno())
        os.replace(hidden, folder / name)
    except BaseException as problem:
        hidden.unlink(missing_ok=True)
        if isinstance(problem, OSError):
            problem.filename = str(folder / name)
        raise
