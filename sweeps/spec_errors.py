"""How an error in a spec is said: where, what must hold, what was given, and the near miss."""

import reprlib
from collections.abc import Iterable

from hq_ray.errors import InputError, near_miss

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 80
_short.maxlevel = 3


def shown(value: object) -> str:
    """The value as Python writes it, on one line and shortened where it is long."""
    if value is None:
        return "nothing"
    try:
        return " ".join(_short.repr(value).splitlines())
    except Exception:
        # Numbers beyond 4300 digits have no text, and foreign objects may have none either.
        return f"a {type(value).__name__}"


def wrong(path: str, must: str, given: object, hint: str = "") -> InputError:
    """`path: must ..., got ...`, the one sentence that every error in a spec is."""
    return InputError(f"{path}: {must}, got {shown(given)}{hint}")


def check_known(path: str, noun: str, word: object, known: Iterable[str]) -> None:
    """Refuses a word that is not one of the known ones, with the near miss.

    Raises:
        InputError: it is not.
    """
    known = list(known)
    if not isinstance(word, str) or word not in known:
        hint = near_miss(word[:200] if isinstance(word, str) else "", known)
        raise InputError(f"{path}: unknown {noun} {shown(word)}{hint}")
