"""One driver at a time: who holds a results folder, and when a holder counts as gone.

The holder is named in `_driver.json`, which it rewrites every few seconds. On a local disk it also
holds a lock that the system takes away when its process ends, however it ends. On an object store
a holder on this machine is gone when its process is; one elsewhere, when the file has not been
rewritten for a minute.

Where there is no lock, drivers that start at the same time see each other's claims, small files
below `_claims`: each writes its own before it looks for others, so that of any two at least one
sees the other, and whoever holds the results has written `_driver.json` before its claim goes.
"""

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from pathlib import Path
from types import TracebackType

from hq_ray.errors import InputError
from hq_ray.location import Location

OWNER_FILE = "_driver.json"
LOCK_FILE = "_driver.lock"
BEAT_SECONDS = 10.0
GONE_SECONDS = 60.0
CLAIMS = "_claims"
# Of one length, because a reader on an object store asks for the length first and may get that many
# bytes of a file that was replaced meanwhile.
CARD_BYTES = 1024
CLAIM_SECONDS = 0.1
# Tokens of this process that hold nothing any more, though a store that was away still names them.
_GIVEN_UP: set[str] = set()


class Held(InputError):
    """Another driver is at work on the same results."""


def process_started(pid: int) -> str | None:
    """What tells this process from a later one of the same number; None if there is none."""
    try:
        # Field 22 of the line, counted after the name in parentheses, which may hold spaces.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        pass
    if os.name != "posix":
        return "unknown"  # where the probe below would be a Ctrl-C event
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        return "unknown"
    return "unknown" if not Path("/proc/self").exists() else None


def read_owner(location: Location) -> dict:
    """What the owner file says; empty where there is none, or it is being replaced."""
    try:
        return _read(location, OWNER_FILE)
    except OSError:
        return {}


def _read(location: Location, name: str) -> dict:
    """What an owner file or a claim says; empty where there is none, or no sense in it."""
    try:
        owner = json.loads(location.read(name)) if location.child(name).exists() else {}
    except (FileNotFoundError, ValueError):
        return {}
    return owner if isinstance(owner, dict) else {}


def is_gone(owner: dict) -> bool:
    """Whether a holder is dead or silent."""
    if owner.get("token") in _GIVEN_UP:
        return True
    if owner.get("host") == socket.gethostname():
        return process_started(int(owner.get("pid", -1))) != owner.get("process_started")
    return _is_silent(owner)


def _is_silent(owner: dict) -> bool:
    return time.time() - float(owner.get("beat", 0)) > GONE_SECONDS


class Ownership:
    """Holds a results folder for the length of a block.

    Raises:
        Held: on entry, when a living driver holds it; the message says who.
    """

    def __init__(self, location: Location):
        self._location = location
        self.token = uuid.uuid4().hex
        self._since = time.time()
        self._over = threading.Event()
        self._beats = threading.Thread(target=self._beat, name="ownership", daemon=True)
        self._lock: int | None = None

    def __enter__(self) -> "Ownership":
        if self._location.is_local:
            self._lock_local()
        if self._lock is None:
            self._contend()
        else:
            self._write(self._location, OWNER_FILE)
        self._beats.start()
        return self

    def _contend(self) -> None:
        """Names this driver in the owner file once nobody living holds or claims the results.

        Of those who claim at the same time the one with the smallest token stays, and waits until
        the others have seen that (L. Lamport, "A new solution of Dijkstra's concurrent programming
        problem", 1974).
        """
        claims, name = self._location.child(CLAIMS), f"{self.token}.json"
        try:
            self._write(claims, name)
            while rivals := self._rivals(claims, name):
                if rivals[0]["token"] < self.token:
                    self._refuse(rivals[0])
                time.sleep(CLAIM_SECONDS)
            self._write(self._location, OWNER_FILE)
        finally:
            with contextlib.suppress(OSError):
                claims.delete(name)

    def _rivals(self, claims: Location, mine: str) -> list[dict]:
        """Living drivers that claim the results too, in the order of their tokens."""
        found = []
        for name in claims.files(".json"):
            if name == mine:
                continue
            rival = _read(claims, name)
            # Nobody takes so long to claim; a claim of that age could not be taken away.
            if rival and not is_gone(rival) and not _is_silent(rival):
                found.append({**rival, "token": name.removesuffix(".json")})
            else:
                claims.delete(name)
        # After the claims: whoever has given up a claim since then is named here by now.
        owner = _read(self._location, OWNER_FILE)
        if owner and not is_gone(owner):
            self._refuse(owner)
        return found

    def _lock_local(self) -> None:
        try:
            import fcntl
        except ImportError:  # not on Windows, where the owner file alone decides
            return
        folder = Path(self._location.path)
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            self._refuse(read_owner(self._location))
        except OSError:
            os.close(lock)  # a network disk without locks
        else:
            self._lock = lock

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._beats.join()
        try:
            if self._named():
                self._location.delete(OWNER_FILE)
        except OSError:
            _GIVEN_UP.add(self.token)
        if self._lock is not None:
            os.close(self._lock)

    def holds(self) -> bool:
        """Whether the file still names this driver."""
        return holds(self._location, self.token)

    def _refuse(self, owner: dict) -> None:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(owner.get("since", 0)))
        raise Held(
            f"results at {self._location.text} must have one driver at a time, but process "
            f"{owner.get('pid')} on {owner.get('host')} has held them since {since}"
        )

    def _named(self) -> bool:
        """Whether the file names this driver for certain."""
        return _read(self._location, OWNER_FILE).get("token") == self.token

    def _write(self, location: Location, name: str) -> None:
        owner = {
            "token": self.token,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "process_started": process_started(os.getpid()),
            "since": self._since,
            "beat": time.time(),
        }
        location.write(name, json.dumps(owner).encode().ljust(CARD_BYTES))

    def _beat(self) -> None:
        while not self._over.wait(BEAT_SECONDS):
            try:
                # A store that cannot be read may name another driver by now.
                if self._named():
                    self._write(self._location, OWNER_FILE)
            except OSError:
                continue  # a store that is away for a moment; the next beat tries again


def holds(location: Location, token: str) -> bool:
    """Whether the driver of that token still holds the results; workers ask before they commit.

    A store that cannot be read for a moment says nothing, and is no reason to throw work away.
    """
    try:
        if not location.child(OWNER_FILE).exists():
            return False
        return json.loads(location.read(OWNER_FILE)).get("token") == token
    except (OSError, ValueError, AttributeError):
        return True
