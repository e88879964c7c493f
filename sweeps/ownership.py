"""One driver at a time: who holds a results folder, and when a holder counts as gone.

The driver at work is named in `_driver.json`, its card, and renews it every few seconds. On a local
disk it also holds a lock, which the system releases when its process ends, however it ends. On an
object store the card itself is the lock: it is written by conditional puts, which fail if another
driver has written it. There a driver on this machine is gone when its process is, and one elsewhere
when its card is a minute old.
"""

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import obstore
from obstore.exceptions import AlreadyExistsError, PreconditionError

from hq_ray.errors import InputError
from hq_ray.location import Location
from hq_ray.store import Superseded
from hq_ray.sweeps.progress import notice

OWNER_FILE = "_driver.json"
LOCK_FILE = "_driver.lock"
BEAT_SECONDS = 10.0
GONE_SECONDS = 60.0
POLL_SECONDS = 0.1
POLLS = 20
# On a disk without locks, drivers that start together overwrite each other's card within this time.
SETTLE_SECONDS = 1.0
# A process id and its start time identify a process where these three agree.
MACHINE = ("host", "boot", "pid_namespace")
# Tokens that this process has given up although a store that was unreachable still names them.
_GIVEN_UP: set[str] = set()


class Held(InputError):
    """Another driver is at work on the same results."""


def process_started(pid: int) -> str | None:
    """When a process started, as its system writes it; None if there is no such process."""
    with suppress(OSError):
        # Field 22, counted after the name in parentheses, which may contain spaces.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    try:
        if os.name == "posix":  # elsewhere this would send Ctrl-C
            os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        pass  # a process of another user
    return "unknown"


def this_process() -> dict:
    """What identifies this process, on this machine and among others."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        boot = namespace = None
    return {
        "host": socket.gethostname(),
        "boot": boot,
        "pid_namespace": namespace,
        "pid": os.getpid(),
        "process_started": process_started(os.getpid()),
    }


def read_owner(location: Location) -> dict:
    """The card's content; empty if there is no card, or it is damaged or unreachable."""
    try:
        return _parse(location.read(OWNER_FILE))
    except OSError:
        return {}


def holds(location: Location, token: str) -> bool:
    """Whether the driver of that token still holds the results; workers ask before they commit.

    An unreachable store or a damaged card is no evidence of another driver, so the answer is yes.
    """
    try:
        return _parse(location.read(OWNER_FILE)).get("token", token) == token
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True


def is_gone(owner: dict) -> bool:
    """Whether a holder is dead or silent."""
    if owner.get("token") in _GIVEN_UP:
        return True
    here = this_process()
    if all(owner.get(name) == here[name] for name in MACHINE):
        pid = owner.get("pid")
        return pid is None or process_started(pid) != owner.get("process_started")
    return time.time() - owner.get("beat", 0) > GONE_SECONDS


def _parse(content: bytes) -> dict:
    """The plausible entries of a card; none if it is damaged."""
    try:
        card = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    card = card if isinstance(card, dict) else {}
    return {key: value for key, value in card.items() if _is_plausible(key, value)}


def _is_plausible(key: str, value: object) -> bool:
    if key in ("since", "beat"):
        return isinstance(value, int | float) and 0 <= value < 1e11
    if key == "pid":
        return type(value) is int and 0 < value < 2**31
    return isinstance(value, str) and value.isprintable()


class _Changed(Exception):
    """Another driver has written the card since it was read."""


class _StoreCard:
    """The card on an object store, with its versions."""

    def __init__(self, location: Location):
        self._location = location
        self._store: Any = location.store
        self._path = location.key(OWNER_FILE)

    def fetch(self) -> tuple[dict, Mapping | None]:
        """What it says, and its version; None if there is no card."""
        with suppress(FileNotFoundError), self._location.asking("reading the driver's card"):
            found = obstore.get(self._store, self._path)
            return _parse(bytes(found.bytes())), found.meta
        return {}, None

    def put(self, content: bytes, version: Mapping | None) -> None:
        """Writes the card if its version is still that one.

        Raises:
            _Changed: it is another.
        """
        mode: Any = "create"
        if version is not None:
            mode = {name: version[name] for name in ("e_tag", "version") if version[name]}
        with self._location.asking("writing the driver's card by a conditional put"):
            try:
                obstore.put(self._store, self._path, content, mode=mode)
            except (AlreadyExistsError, PreconditionError):
                raise _Changed from None


class Ownership:
    """Holds a results folder for the length of a block.

    Attributes:
        token: names this driver in the card.
        took_over: whether an earlier driver ended without giving the results up: its workers may
            live a little longer.

    Raises:
        Held: on entry, when a living driver holds it; the message says who.
        OSError: on entry, when the folder cannot be written to.
    """

    def __init__(self, location: Location):
        self._location = location
        self.token = uuid.uuid4().hex
        self.took_over = False
        self._since = self._seen = time.time()
        self._over = threading.Event()
        self._beats = threading.Thread(target=self._beat, name="ownership", daemon=True)
        self._card: _StoreCard | None = None
        self._lock: int | None = None
        self._lost = False

    def __enter__(self) -> "Ownership":
        try:
            self._take()
        except BaseException:
            self._unlock()
            raise
        self._seen = time.time()
        self._beats.start()
        return self

    def _take(self) -> None:
        """Puts this driver's card where there is none, or in the place of one that is gone."""
        locked = False
        if self._location.is_local:
            locked = self._lock_disk()
        else:
            self._card = _StoreCard(self._location)
        owner, version = self._fetch()
        damaged = version is not None and not owner.get("token")
        while owner.get("token") != self.token:
            if version is not None:
                if owner and not locked and not is_gone(owner):
                    self._refuse(owner)
                self.took_over = True
            with suppress(_Changed):
                self._put(version)
            if self._card is None and not locked:
                time.sleep(SETTLE_SECONDS)
            # Also after a failed put: if its request was repeated, it may have met its own card.
            owner, version = self._fetch()
        if damaged:
            notice(
                f"Damaged: {self._location.child(OWNER_FILE).text} must be as a driver writes it, "
                "but it is not used, and written anew"
            )

    def _lock_disk(self) -> bool:
        """Takes the lock; False where the disk has none."""
        folder = Path(self._location.path)
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT)
        try:
            import fcntl

            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            for _ in range(POLLS):  # its holder writes the card as soon as it has it
                owner = read_owner(self._location)
                if owner and not is_gone(owner):
                    self._refuse(owner)
                time.sleep(POLL_SECONDS)
            self._refuse({})
        except (ImportError, OSError):  # Windows, or a network disk without locks
            return False
        return True

    def _fetch(self) -> tuple[dict, Mapping | None]:
        """What the card says, and its version; None if there is no card."""
        if self._card is not None:
            return self._card.fetch()
        there = self._location.child(OWNER_FILE).exists()
        return read_owner(self._location), {} if there else None

    def _put(self, version: Mapping | None) -> None:
        """Writes this driver's card; on a store only over the version given."""
        owner = {"token": self.token, **this_process(), "since": self._since, "beat": time.time()}
        content = json.dumps(owner).encode()
        if self._card is not None:
            self._card.put(content, version)
        else:
            self._location.write(OWNER_FILE, content)

    def __exit__(self, *problem: object) -> None:
        self._over.set()
        self._beats.join()
        try:
            if self._fetch()[0].get("token") == self.token:
                self._location.delete(OWNER_FILE)
        except OSError:
            _GIVEN_UP.add(self.token)
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)

    def check(self) -> None:
        """Checks that this driver still holds the results, unless it did so within a beat.

        Nobody takes over from a driver before it has been silent for longer than that.

        Raises:
            Superseded: it does not.
        """
        now = time.time()
        due = not 0 <= now - self._seen < BEAT_SECONDS
        if self._lost or (due and not holds(self._location, self.token)):
            raise Superseded.at(self._location)
        if due:
            self._seen = now

    def _refuse(self, owner: dict) -> NoReturn:
        who = "another one is just starting"
        if {"pid", "host", "since"} <= owner.keys():
            since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(owner["since"]))
            who = f"process {owner['pid']} on {owner['host']} has held them since {since}"
        raise Held(f"results at {self._location.text} must have one driver at a time, but {who}")

    def _beat(self) -> None:
        while not self._over.wait(BEAT_SECONDS):
            began = time.time()
            try:
                owner, version = self._fetch()
                if owner.get("token") == self.token:
                    self._put(version)
            except (OSError, _Changed):
                continue  # a store that is away for a moment; the next beat tries again
            # Stopped in between for so long, it may have overwritten another driver's card on disk.
            self._lost |= time.time() - began > GONE_SECONDS
