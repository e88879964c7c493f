"""Where results lie: a folder or an object-store prefix, through pyarrow's filesystems.

Files appear whole. On a local disk a file is written under a name that begins with a dot, which
Parquet readers skip, and renamed; on an object store one request puts the whole object.
"""

import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pyarrow import fs

from hq_ray.errors import InputError

NOT_FOUND = fs.FileType.NotFound


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
            return cls(fs.LocalFileSystem(), os.path.abspath(os.path.expanduser(text)), text)
        try:
            filesystem, path = fs.FileSystem.from_uri(_with_s3_settings(text))
        except (OSError, ValueError) as problem:
            raise InputError(f"results must be a path or a URI, got {text!r}: {problem}") from None
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
        return self.filesystem.get_file_info(self.path).type != NOT_FOUND

    def is_file(self) -> bool:
        """Whether a file lies there."""
        return self.filesystem.get_file_info(self.path).is_file

    def files(self, suffix: str = "") -> list[str]:
        """Sorted names of the visible files directly below; empty where there is no such folder."""
        return [n for n in self._names() if n.endswith(suffix) and not n.startswith((".", "_"))]

    def hidden_files(self) -> list[str]:
        """Sorted names of files below that are being written, or were when their writer died."""
        return [name for name in self._names() if name.startswith(".")]

    def _names(self) -> list[str]:
        selector = fs.FileSelector(self.path, allow_not_found=True)
        return sorted(i.base_name for i in self.filesystem.get_file_info(selector) if i.is_file)

    def read(self, name: str) -> bytes:
        """The bytes of a file below."""
        with self.filesystem.open_input_stream(f"{self.path}/{name}") as stream:
            return stream.read()

    def write(self, name: str, content: bytes | memoryview) -> None:
        """Publishes a file below, whole or not at all, replacing one of that name."""
        if self.is_local:
            _replace_local(Path(self.path), name, content)
            return
        # Leaving the block by an exception would publish what was written so far; a single write
        # of a finished buffer cannot raise half-way through.
        with self.filesystem.open_output_stream(f"{self.path}/{name}") as stream:
            stream.write(content)

    def delete(self, name: str) -> None:
        """Removes a file below, if it is there."""
        if self.child(name).exists():
            self.filesystem.delete_file(f"{self.path}/{name}")


def _with_s3_settings(uri: str) -> str:
    """An s3 URI with what the usual variables say and pyarrow does not read by itself.

    Objects are put in one request (`allow_delayed_open`); credentials are found by pyarrow.
    """
    parts = urlsplit(uri)
    if parts.scheme != "s3":
        return uri
    query = dict(parse_qsl(parts.query))
    query.setdefault("allow_delayed_open", "true")
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint and "endpoint_override" not in query:
        scheme, _, host = endpoint.rpartition("://")
        query |= {"endpoint_override": host.rstrip("/"), "scheme": scheme or "https"}
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        query.setdefault("region", region or "us-east-1")
    return urlunsplit(parts._replace(query=urlencode(query)))


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
    except BaseException:
        hidden.unlink(missing_ok=True)
        raise
