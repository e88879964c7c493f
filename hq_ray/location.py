"""Where results are: a folder on a disk, or a prefix in an object store (through obstore).

Files appear whole. On a disk a file is written under a name that begins with a dot, which Parquet
readers skip, and renamed; a store publishes an object when the request that puts it ends (above
5 MB, the last of several). obstore repeats requests that fail.

A URI holds no credentials; environment variables or a file do. Without credentials obstore asks
the metadata server of a cloud for minutes, so this module looks for them first.
"""

import os
import re
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore, from_url

from hq_ray.errors import HqRayError, InputError, first_line

# The name of a file on a disk until it is whole.
UNFINISHED = re.compile(r"\..+\.[0-9a-f]{12}")
# What stores say of a bucket or container that is not there.
NO_BUCKET = re.compile("NoSuchBucket|ContainerNotFound|bucket does not exist")
AZURE = ("AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET", ("AZURE_",))
# By scheme: the variables that messages name, and prefixes of all that give or locate credentials.
CLOUDS = {
    "s3": (
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ("AWS_SECRET_ACCESS_KEY", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_"),
    ),
    "gs": (
        "GOOGLE_APPLICATION_CREDENTIALS",
        ("GOOGLE_APPLICATION_CREDENTIALS", "GCE_METADATA_ROOT"),
    ),
    "abfs": AZURE,
    "abfss": AZURE,
}
GOOGLE_LOGIN = ".config/gcloud/application_default_credentials.json"
OPTIONS: dict[str, Any] = {
    "client_options": {"allow_http": True, "timeout": "30s", "connect_timeout": "5s"},
    "retry_config": {
        "max_retries": 3,
        # No try begins later than this after the first.
        "retry_timeout": timedelta(seconds=10),
        "backoff": {"init_backoff": timedelta(milliseconds=100)},
    },
}


class StoreError(HqRayError, OSError):
    """An object store that refuses, or has not answered several tries."""


@dataclass(frozen=True)
class Location:
    """A folder on a disk or in an object store.

    Attributes:
        path: of the folder on its disk, or bucket and prefix; without a trailing slash.
        text: as the user wrote it, for messages.
        store: that holds the bucket; None for a disk.
    """

    path: str
    text: str
    store: ObjectStore | None = field(default=None, compare=False)

    @classmethod
    def of(cls, text: str | os.PathLike) -> "Location":
        """The location that a path or a URI such as `s3://bucket/prefix` names.

        Raises:
            InputError: it names none or holds credentials, or its store has none set.
        """
        text = os.fspath(text)
        if not text:
            raise InputError("results must be a path or a URI, got ''")
        _check_uri(text)
        parts = urlsplit(text) if "://" in text else None
        if parts is None or parts.scheme == "file":
            if parts is not None and parts.netloc:
                raise InputError(f"a URI of a folder must be like file:///folder, got {text!r}")
            path = text if parts is None else unquote(parts.path)
            return cls(os.path.abspath(os.path.expanduser(path)), text)
        store = _open_store(text, parts.scheme, parts.netloc)
        return cls(f"{parts.netloc}{parts.path}".rstrip("/"), text, store)

    def __reduce__(self) -> tuple:
        # A worker opens a store anew, with the credentials that are there.
        return (Location, (self.path, self.text)) if self.is_local else (Location.of, (self.text,))

    @property
    def is_local(self) -> bool:
        """Whether ordinary file calls reach it."""
        return self.store is None

    def child(self, name: str) -> "Location":
        """The location of a name below this one."""
        return Location(f"{self.path}/{name}", f"{self.text.rstrip('/')}/{name}", self.store)

    def key(self, name: str = "") -> str:
        """What the store calls this folder, or a file below."""
        return f"{self.path}/{name}".partition("/")[2].rstrip("/")

    def exists(self) -> bool:
        """Whether something is there."""
        if self.store is None:
            return os.path.exists(self.path)
        if any(self._listed()):
            return True
        with suppress(FileNotFoundError), self.asking("looking"):
            return bool(self.key()) and bool(obstore.head(self.store, self.key()))
        return False

    def files(self, suffix: str = "") -> list[str]:
        """Sorted names of the visible files directly below; empty where there is no such folder."""
        names = self._listed()[0]
        return [n for n in names if n.endswith(suffix) and not n.startswith((".", "_"))]

    def folders(self) -> list[str]:
        """Sorted names of the visible folders directly below; empty where they cannot be listed."""
        with suppress(OSError):
            return [name for name in self._listed()[1] if not name.startswith((".", "_"))]
        return []

    def clear_unfinished(self) -> None:
        """Removes the hidden files that killed writers left; only while nobody writes."""
        for name in filter(UNFINISHED.fullmatch, self._listed()[0]):
            self.delete(name)

    def size(self, name: str) -> int:
        """The number of bytes of a file below."""
        if self.store is None:
            return os.path.getsize(f"{self.path}/{name}")
        with self.asking(f"reading {name}"):
            return obstore.head(self.store, self.key(name))["size"]

    def read(self, name: str, start: int = 0) -> bytes:
        """The bytes of a file below, from one of them on."""
        if self.store is None:
            with open(f"{self.path}/{name}", "rb") as file:
                file.seek(start)
                return file.read()
        with self.asking(f"reading {name}"):
            part: Any = {"range": {"offset": start}} if start else None
            return bytes(obstore.get(self.store, self.key(name), options=part).bytes())

    def write(self, name: str, content: bytes | memoryview) -> None:
        """Publishes a file below, whole or not at all, replacing one of that name."""
        if self.store is None:
            self._replace(name, content)
            return
        with self.asking(f"writing {name}"):
            obstore.put(self.store, self.key(name), memoryview(content).cast("B"))

    def delete(self, name: str) -> None:
        """Removes a file below, if it is there."""
        with suppress(FileNotFoundError):
            if self.store is None:
                os.unlink(f"{self.path}/{name}")
                return
            with self.asking(f"deleting {name}"):
                obstore.delete(self.store, self.key(name))

    @contextmanager
    def asking(self, doing: str) -> Iterator[None]:
        """Turns a store's refusal into a sentence.

        Raises:
            FileNotFoundError: there is no such object.
            StoreError: the store refuses, or does not answer.
        """
        try:
            yield
        except (BaseError, OSError, NotImplementedError, ValueError) as problem:
            if isinstance(problem, FileNotFoundError) and not NO_BUCKET.search(str(problem)):
                raise
            # The store's own message, or the first line of obstore's: debugging output follows.
            message = re.search(r"<Message>(.*?)</Message>", str(problem))
            reason = message[1] if message else first_line(problem).rstrip(": ")
            raise StoreError(
                f"results at {self.text} must be in a store that answers, but {doing} there "
                f"failed: {reason}"
            ) from None

    def _listed(self) -> tuple[list[str], list[str]]:
        """Sorted names of the files and of the folders directly below."""
        if self.store is None:
            files: list[str] = []
            folders: list[str] = []
            with suppress(FileNotFoundError), os.scandir(self.path) as entries:
                for entry in entries:
                    (folders if entry.is_dir() else files).append(entry.name)
            return sorted(files), sorted(folders)
        with self.asking("listing files"):
            listing = obstore.list_with_delimiter(self.store, self.key())
        names = [entry["path"].rpartition("/")[2] for entry in listing["objects"]]
        return sorted(names), sorted(p.rpartition("/")[2] for p in listing["common_prefixes"])

    def _replace(self, name: str, content: bytes | memoryview) -> None:
        """Writes a file on a disk under a hidden name and renames it."""
        path = Path(self.path, name)
        hidden = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with hidden.open("xb") as stream:
                stream.write(content)
                stream.flush()
                # A power cut after the rename must not leave an empty file under the final name.
                os.fsync(stream.fileno())
            os.replace(hidden, path)
        except BaseException as problem:
            hidden.unlink(missing_ok=True)
            if isinstance(problem, OSError):
                problem.filename = str(path)
            raise


def writable(folder: str | os.PathLike) -> Location:
    """The location of a folder in which files can be made; the proof leaves no trace.

    Raises:
        InputError: it cannot be written to.
    """
    location = Location.of(folder)
    try:
        if location.is_local:
            folders = (Path(location.path), *Path(location.path).parents)
            with tempfile.TemporaryFile(dir=next(path for path in folders if path.exists())):
                pass
        else:
            location.write("writable.tmp", b"")
            location.delete("writable.tmp")
    except OSError as problem:
        raise InputError(
            f"the folder to write to must be writable, got {location.text!r}: "
            f"{problem.strerror or problem}"
        ) from None
    return location


def _check_uri(text: str) -> None:
    """Refuses a URI that holds credentials, or may, in words that do not repeat them."""
    if slip := re.match(rf"({'|'.join(CLOUDS)}):(?!//)", text, re.IGNORECASE):
        raise InputError(f"a URI must begin with {slip[0]}//, got one with a slash missing")
    scheme, mark, rest = text.partition("://")
    if not mark:
        return
    scheme = scheme.strip().lower()
    # A secret may hold a slash, and its part before that is where the host should be.
    user, at, host = unquote(rest.partition("/")[0]).rpartition("@")
    is_container = scheme in ("abfs", "abfss") and user and ":" not in user
    if (at and not is_container) or ":" in host or "?" in rest or "#" in rest:
        usual = CLOUDS[scheme][0] if scheme in CLOUDS else "what its library reads"
        raise InputError(
            "a URI must hold no credentials, no settings and no #, but this one does; set "
            f"{usual} in the environment instead"
        )


def _open_store(text: str, scheme: str, bucket: str) -> ObjectStore:
    """The bucket or container that a checked URI names, with the credentials that are there."""
    if scheme not in CLOUDS:
        raise InputError(
            f"results must be a path or a URI, got {text!r}, which does not begin with s3://, "
            "gs:// or abfs://"
        )
    settings = _credentials(scheme)
    if settings is None:
        raise InputError(
            f"results on {scheme}:// need credentials, but there are none; set "
            f"{CLOUDS[scheme][0]}, or see docs/sweeps.md for other ways"
        )
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if scheme == "s3" and endpoint:
        settings["endpoint"] = endpoint
    try:
        return from_url(f"{scheme}://{bucket}", **OPTIONS, **settings)
    except BaseError as problem:
        must = f"results must be a path or a URI, got {text!r}"
        raise InputError(f"{must}: {first_line(problem)}") from None


def _credentials(scheme: str) -> dict[str, Any] | None:
    """Settings of a store that has credentials; None where there are none."""
    _, variables = CLOUDS[scheme]
    given = any(value and name.startswith(variables) for name, value in os.environ.items())
    if given or (scheme == "gs" and Path.home().joinpath(GOOGLE_LOGIN).exists()):
        return {}
    if scheme != "s3":
        return None
    # Otherwise boto3, too, asks the address that only a cloud's machines have.
    if os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true").lower() == "false":
        return {}
    try:
        from botocore.exceptions import BotoCoreError
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError:
        return None
    with suppress(BotoCoreError, OSError, ValueError):
        return {"credential_provider": Boto3CredentialProvider()}
    return None
