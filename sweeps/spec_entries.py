"""The environments, variants and seeds that a spec asks for, before any of them is looked up."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hq_ray.errors import InputError
from hq_ray.sweeps.distributions import listed, whole_number
from hq_ray.sweeps.spec_text import near_miss_of, shown
from hq_ray.trial import MAX_SEED, parse_seeds
from hq_ray.updates import VARIANTS, parse_variants

MOST_SEEDS = 10**7
# Aliases of aliases make a short text mean millions of values.
MOST_ARGUMENTS = 10_000


@dataclass(frozen=True)
class EnvironmentRequest:
    """An environment as asked for: its id and its arguments as canonical JSON."""

    id: str
    args: str = "{}"

    @property
    def arguments(self) -> dict:
        """The arguments as a mapping."""
        return json.loads(self.args)

    def to_dict(self) -> dict:
        """The form in a spec."""
        return {"id": self.id, **self.arguments}


def as_mapping(path: str, value: object) -> Mapping:
    """The value, or an InputError with the path if it is no mapping."""
    if not isinstance(value, Mapping):
        raise InputError(f"{path}: must be a mapping, got {shown(value)}")
    return value


def entries(value: object) -> list:
    """The items of a list, or the one value that stands for a list of itself."""
    items = listed(value)
    return [value] if items is None else items


def _place(path: str, value: object, index: int) -> str:
    return path if listed(value) is None else f"{path}[{index}]"


def read_environments(value: object) -> tuple[EnvironmentRequest, ...]:
    """Environments in order, each once.

    Raises:
        InputError: with the path in the spec of what is wrong.
    """
    requests = [
        read_environment(_place("env", value, index), entry)
        for index, entry in enumerate(entries(value))
    ]
    if not requests:
        raise InputError("env: must name at least one environment")
    return tuple(dict.fromkeys(requests))


def read_environment(path: str, entry: object) -> EnvironmentRequest:
    """One environment from its id or a mapping of id and arguments.

    Raises:
        InputError: with the path in the spec of what is wrong.
    """
    if isinstance(entry, EnvironmentRequest):
        return entry
    entry = {"id": entry} if isinstance(entry, str) else as_mapping(path, entry)
    if not isinstance(entry.get("id"), str) or not entry["id"].strip():
        raise InputError(f"{path}: must be an id or a mapping with an id, got {shown(entry)}")
    args = {key: given for key, given in entry.items() if key != "id"}
    return EnvironmentRequest(entry["id"].strip(), _canonical(path, args))


def _canonical(path: str, args: Mapping) -> str:
    """The arguments as canonical JSON."""
    open_, seen = [args], 0
    while open_ and seen <= MOST_ARGUMENTS:
        value = open_.pop()
        seen += 1
        inside = value.values() if isinstance(value, Mapping) else listed(value)
        open_ += list(inside or ())[:MOST_ARGUMENTS]
    if seen > MOST_ARGUMENTS:
        raise InputError(f"{path}: arguments must be at most {MOST_ARGUMENTS:,} values")
    try:
        return json.dumps(args, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as problem:
        reason = " ".join(str(problem).split())
        raise InputError(f"{path}: arguments must be plain JSON values, but: {reason}") from None


def read_variants(value: object) -> tuple[tuple[str, ...], dict[str, tuple[str, object]]]:
    """Names in order, and by name the path and contents of per-variant blocks."""
    names: list[str] = []
    blocks: dict[str, tuple[str, object]] = {}
    for index, entry in enumerate(entries(value)):
        path = _place("variant", value, index)
        if isinstance(entry, str):
            try:
                names += parse_variants(entry)
            except InputError as problem:
                raise InputError(f"{path}: {problem}") from None
            continue
        entry = as_mapping(path, entry)
        for key in entry:
            if key not in ("id", "parameters"):
                hint = near_miss_of(key, ("id", "parameters"))
                raise InputError(f"{path}: unknown key {shown(key)} of a variant{hint}")
        name = entry.get("id")
        if not isinstance(name, str) or name not in VARIANTS:
            hint = near_miss_of(name, VARIANTS)
            raise InputError(f"{path}.id: unknown variant {shown(name)}{hint}")
        names.append(name)
        if "parameters" in entry:
            blocks[name] = (f"{path}.parameters", entry["parameters"])
    if not names or len(set(names)) < len(names):
        raise InputError(f"variant: must name each variant once, got {', '.join(names) or 'none'}")
    return tuple(names), blocks


def read_seeds(value: object) -> Sequence[int]:
    """Seeds from `0-9`, a number, a range or a list.

    Raises:
        InputError: not of that form, a seed given twice, or too many.
    """
    if isinstance(value, str):
        try:
            return parse_seeds(value)
        except InputError as problem:
            raise InputError(f"seeds: {str(problem).removeprefix('seeds ')}") from None
        except ValueError:
            # More digits than Python makes a number of.
            raise InputError(f"seeds: must be below 2**63, got {shown(value)}") from None
    if isinstance(value, range) and (value[MOST_SEEDS:] or min(value, default=0) < 0):
        raise InputError(f"seeds: must be at most {MOST_SEEDS:,}, from 0, got {shown(value)}")
    seeds = [
        whole_number(_place("seeds", value, index), seed, 0, MAX_SEED)
        for index, seed in enumerate(entries(value))
    ]
    if not seeds or len(set(seeds)) < len(seeds):
        raise InputError("seeds: must be at least one, each given once")
    return tuple(seeds)


def seeds_text(seeds: Sequence[int]) -> str:
    """Seeds as short text: runs as ranges."""
    parts: list[list[int]] = []
    for seed in seeds:
        if parts and seed == parts[-1][1] + 1:
            parts[-1][1] = seed
        else:
            parts.append([seed, seed])
    return ",".join(f"{a}-{b}" if b > a else f"{a}" for a, b in parts)
