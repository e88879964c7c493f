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
from hq_ray.store import Superseded

OWNER_FILE = "_driver.json"
LOCK_FILE = "_driver.lock"
BEAT_SECONDS = 10.0
GONE_SECONDS = 60.0
CLAIMS = "_claims"
# Within these a process's number and the moment it started name one process.
MACHINE = ("host", "boot", "pid_namespace")
# Of one length, because a reader on an object store asks for the length first and may get that many
# bytes of a file that was replaced meanwhile.
CARD_BYTES = 1024
CLAIM_SECONDS = 0.1
NAMING_TRIES = 20
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


def this_process() -> dict:
    """What tells this process from every other, on this machine and on others."""
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
    """What the owner file says; empty where there is none, or it is being replaced."""
    try:
        return _read(location, OWNER_FILE)
    except OSError:
        return {}


def _read(location: Location, name: str) -> dict:
    """What an owner file or a claim says; empty where there is none, or no sense in it."""
    try:
        card = json.loads(location.read(name))
    except (FileNotFoundError, NotADirectoryError, ValueError, RecursionError):
        return {}
    card = card if isinstance(card, dict) else {}
    return {key: value for key, value in card.items() if _makes_sense(key, value)}


def _makes_sense(key: str, value: object) -> bool:
    if key in ("since", "beat"):
        return isinstance(value, int | float) and 0 <= value < 1e11
    if key == "pid":
        return type(value) is int and 0 < value < 2**31
    return isinstance(value, str) and value.isprintable()


def is_gone(owner: dict) -> bool:
    """Whether a holder is dead or silent."""
    if owner.get("token") in _GIVEN_UP:
        return True
    here = this_process()
    if all(owner.get(name) == here[name] for name in MACHINE):
        pid = owner.get("pid")
        return pid is None or process_started(pid) != owner.get("process_started")
    return _is_silent(owner)


def _is_silent(owner: dict) -> bool:
    return time.time() - owner.get("beat", 0) > GONE_SECONDS


class Ownership:
    """Holds a results folder for the length of a block.

    Attributes:
        token: names this driver in the owner file.
        took_over: whether a driver that is gone held the results before, and did not give them up:
            workers of it may live a little longer.

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
        self._lock: int | None = None
        self._lost = False

    def __enter__(self) -> "Ownership":
        try:
            if self._location.is_local:
                self._lock_local()
            if self._lock is None:
                self._contend()
            else:
                self._take()
        except BaseException:
            self._unlock()
            raise
        self._beats.start()
        return self

    def _take(self) -> None:
        """Names this driver in the owner file."""
        self.took_over = self._location.child(OWNER_FILE).exists()
        self._seen = time.time()
        self._write(self._location, OWNER_FILE)

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
            self._take()
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
            self._refuse(self._named_soon())
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
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def check(self) -> None:
        """Asks whether this driver still holds the results, unless it did so within a beat.

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

    def _named_soon(self) -> dict:
        """The driver that has the lock; it names itself in the file right after it got it."""
        for _ in range(NAMING_TRIES):
            owner = read_owner(self._location)
            if owner and not is_gone(owner):
                return owner
            time.sleep(CLAIM_SECONDS)
        return {}

    def _refuse(self, owner: dict) -> None:
        who = "another one is just starting"
        if {"pid", "host", "since"} <= owner.keys():
            since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(owner["since"]))
            who = f"process {owner['pid']} on {owner['host']} has held them since {since}"
        raise Held(f"results at {self._location.text} must have one driver at a time, but {who}")

    def _named(self) -> bool:
        """Whether the file names this driver for certain."""
        return _read(self._location, OWNER_FILE).get("token") == self.token

    def _write(self, location: Location, name: str) -> None:
        owner = {
            "token": self.token,
            **this_process(),
            "since": self._since,
            "beat": time.time(),
        }
        location.write(name, json.dumps(owner).encode().ljust(CARD_BYTES))

    def _beat(self) -> None:
        while not self._over.wait(BEAT_SECONDS):
            began = time.time()
            try:
                # A store that cannot be read may name another driver by now.
                if self._named():
                    self._write(self._location, OWNER_FILE)
            except OSError:
                continue  # a store that is away for a moment; the next beat tries again
            # Stopped in between for so long, this driver may have written over another's name.
            self._lost |= time.time() - began > GONE_SECONDS


def holds(location: Location, token: str) -> bool:
    """Whether the driver of that token still holds the results; workers ask before they commit.

    A store that cannot be read for a moment says nothing, nor does a file without sense, and that
    is no reason to throw work away.
    """
    try:
        if not location.child(OWNER_FILE).exists():
            return False
        return _read(location, OWNER_FILE).get("token", token) == token
    except OSError:
        return True
