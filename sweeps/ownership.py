"""One driver at a time: who holds a results folder, and when a holder counts as gone.

The driver at work is named in `_driver.json`, its card, and renews it every few seconds. On a local
disk it also holds a lock, which the system releases when its process ends, however it ends. (The
driver of a shard has a card and a lock of its own, in `_shards`.) On an
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
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NoReturn

import obstore
from obstore.exceptions import AlreadyExistsError, PreconditionError

from hq_ray.errors import InputError
from hq_ray.location import Location
from hq_ray.store import Superseded
from hq_ray.sweeps.options import Shard

OWNER_FILE = "_driver.json"
# The folder of the cards and locks of drivers that each hold a shard.
SHARDS = "_shards"
BEAT_SECONDS = 10.0
GONE_SECONDS = 60.0
# On a disk without locks, drivers that start together overwrite each other's card within this time.
SETTLE_SECONDS = 1.0
# A process id and its start time identify a process where these three agree.
MACHINE = ("host", "boot", "pid_namespace")
TEXTS = (*MACHINE, "process_started", "token", "since")
CARD = {**dict.fromkeys(TEXTS, str), "pid": int, "beat": float}
# Tokens that this process gave up while the store was unreachable, so that their cards remain.
_GIVEN_UP: set[str] = set()


class Held(InputError):
    """Another driver is at work on the same results."""


def process_fields(pid: int | str) -> list[str]:
    """What Linux says of a process after its name: its state, its parent's id, ...; or nothing."""
    try:
        # The name stands in parentheses and may contain spaces.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def process_started(pid: int) -> str | None:
    """When a process started, as Linux writes it; None if there is no such process."""
    return next(iter(process_fields(pid)[19:]), None)


def this_process() -> dict:
    """What identifies this process, on this machine and among others."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:  # not Linux
        boot = namespace = ""
    return {
        "host": socket.gethostname(),
        "boot": boot,
        "pid_namespace": namespace,
        "pid": os.getpid(),
        "process_started": process_started(os.getpid()) or "",
    }


def parse(content: bytes) -> dict:
    """A card's entries; empty if it is damaged."""
    try:
        card = json.loads(content)
        whole = all(type(card[name]) is kind for name, kind in CARD.items())
    except (ValueError, TypeError, LookupError, RecursionError):
        return {}
    return card if whole else {}


def take_lock(file: int, wait: bool = False) -> bool | None:
    """Locks an open file until this process ends, however it ends; None where there are no locks.

    If another process has the lock, waits for it or returns False.
    """
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except (ImportError, OSError):  # Windows, or a network disk without locks
        return None
    return True


def card_name(shard: Shard | None = None) -> str:
    """The file that is the card of a driver of a whole sweep, or of a shard of it."""
    return OWNER_FILE if shard is None else f"{SHARDS}/{shard}.json"


def read_owner(location: Location, card: str = OWNER_FILE) -> dict:
    """The card's content; empty if there is no card, or it is damaged or unreachable."""
    try:
        return parse(location.read(card))
    except OSError:
        return {}


def holders(location: Location) -> list[dict]:
    """The cards of the drivers at work: one of the whole, or some of shards."""
    cards = [OWNER_FILE, *_shard_cards(location)]
    return [owner for card in cards if not is_gone(owner := read_owner(location, card))]


def _shard_cards(location: Location) -> list[str]:
    return [f"{SHARDS}/{name}" for name in location.child(SHARDS).files(".json")]


def holds(location: Location, token: str, card: str = OWNER_FILE) -> bool:
    """Whether the driver of that token still holds the results; workers ask before they commit.

    An unreachable store or a damaged card is no evidence of another driver, so the answer is yes.
    """
    try:
        return parse(location.read(card)).get("token", token) == token
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True


def is_gone(owner: Mapping) -> bool:
    """Whether a holder is dead or silent, or unknown because its card is damaged."""
    if not owner or owner["token"] in _GIVEN_UP:
        return True
    here = this_process()
    if here["boot"] and all(owner[name] == here[name] for name in MACHINE):
        return process_started(owner["pid"]) != owner["process_started"]
    return time.time() - owner["beat"] > GONE_SECONDS


class _Changed(Exception):
    """Another driver has written the card since it was read."""


class Ownership:
    """Holds a results folder, or a shard of a sweep, for the length of a block.

    Drivers of shards of one split may be at work together; neither a driver of the whole nor one
    of another split may be beside them.

    Attributes:
        token: names this driver in the card.
        took_over: whether an earlier driver ended without giving the results up: its workers may
            live a little longer.

    Raises:
        Held: on entry, when a living driver holds any of it; the message says who.
        OSError: on entry, when the folder cannot be written to.
    """

    def __init__(self, location: Location, shard: Shard | None = None):
        self._location, self._shard = location, shard
        self._name = card_name(shard)
        self.token = uuid.uuid4().hex
        self.took_over = False
        self._since = time.strftime("%Y-%m-%d %H:%M:%S")
        self._over = threading.Event()
        self._beats = threading.Thread(target=self._beat, name="ownership", daemon=True)
        self._lock = ExitStack()
        self._lost = False

    def __enter__(self) -> "Ownership":
        try:
            self._take()
            self._take_from_rivals()
        except BaseException:
            self._give_up()
            raise
        self._seen = time.time()
        self._beats.start()
        return self

    def _take(self) -> None:
        """Puts this driver's card where there is none, or in the place of one that is gone."""
        locked = self._location.is_local and self._lock_disk()
        owner, version = self._fetch()
        while owner.get("token") != self.token:
            if version is not None:
                if not locked and not is_gone(owner):
                    self._refuse(owner)
                self.took_over = True
            with suppress(_Changed):
                self._put(version)
            if self._location.is_local and not locked:
                time.sleep(SETTLE_SECONDS)
            # Also after a failed put: if its request was repeated, it may have met its own card.
            owner, version = self._fetch()

    def _take_from_rivals(self) -> None:
        """Refuses to work beside a living driver of an overlapping part; ends those that are gone.

        Each puts its own card first, so of two that start together at least one sees the other.
        """
        rivals = _shard_cards(self._location)
        if self._shard is not None:
            alike = f"-of-{self._shard.of}.json"
            rivals = [OWNER_FILE, *(name for name in rivals if not name.endswith(alike))]
        for name in rivals:
            with suppress(FileNotFoundError):
                owner = parse(self._location.read(name))
                if not is_gone(owner):
                    self._refuse(owner)
                self._location.delete(name)  # without it, its workers commit nothing more
                self.took_over = True

    def _lock_disk(self) -> bool:
        """Takes the lock; False where the disk has none."""
        place = Path(self._location.path, self._name).with_suffix(".lock")
        place.parent.mkdir(parents=True, exist_ok=True)
        while True:
            file = os.open(place, os.O_RDWR | os.O_CREAT)
            self._lock.callback(os.close, file)
            taken = take_lock(file)
            if taken is False:
                self._refuse(read_owner(self._location, self._name))
            if not taken:
                return False
            with suppress(FileNotFoundError):  # where the last holder has removed this file
                if os.path.samestat(os.fstat(file), os.stat(place)):
                    self._lock.callback(place.unlink, missing_ok=True)  # by the holder alone
                    return True

    def _fetch(self) -> tuple[dict, Mapping | None]:
        """What the card says, and its version; None if there is no card."""
        place = self._location
        if place.is_local:
            exists = place.child(self._name).exists()
            return read_owner(place, self._name), {} if exists else None
        store: Any = place.store
        with suppress(FileNotFoundError), place.asking("reading the driver's card"):
            response = obstore.get(store, place.key(self._name))
            return parse(bytes(response.bytes())), response.meta
        return {}, None

    def _put(self, version: Mapping | None) -> None:
        """Writes this driver's card; on a store only over the version given.

        Raises:
            _Changed: it is another.
        """
        owner = {"token": self.token, **this_process(), "since": self._since, "beat": time.time()}
        if self._shard is not None:
            owner["shard"] = str(self._shard)
        content = json.dumps(owner).encode()
        place = self._location
        if place.is_local:
            place.write(self._name, content)
            return
        store: Any = place.store
        mode: Any = "create"
        if version is not None:
            mode = {name: version[name] for name in ("e_tag", "version") if version[name]}
        with place.asking("writing the driver's card by a conditional put"):
            try:
                obstore.put(store, place.key(self._name), content, mode=mode)
            except (AlreadyExistsError, PreconditionError):
                raise _Changed from None

    def __exit__(self, *problem: object) -> None:
        self._over.set()
        self._beats.join()
        self._give_up()

    def _give_up(self) -> None:
        try:
            if self._fetch()[0].get("token") == self.token:
                self._location.delete(self._name)
        except OSError:
            _GIVEN_UP.add(self.token)
        self._lock.close()

    def check(self) -> None:
        """Checks that this driver still holds the results, unless it did so within a beat.

        Nobody takes over from a driver before it has been silent for longer than that.

        Raises:
            Superseded: it does not.
        """
        now = time.time()
        due = not 0 <= now - self._seen < BEAT_SECONDS
        if self._lost or (due and not holds(self._location, self.token, self._name)):
            raise Superseded.at(self._location)
        if due:
            self._seen = now

    def _refuse(self, owner: dict) -> NoReturn:
        who = "another one is just starting"
        if not is_gone(owner):
            part = f"shard {owner['shard']} of them" if "shard" in owner else "them"
            who = f"process {owner['pid']} on {owner['host']} has held {part} "
            who += f"since {owner['since']}"
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
