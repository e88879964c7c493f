"""The environments, variants and seeds that a spec asks for, before any of them is looked up."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hq_ray.errors import InputError
from hq_ray.hyperparameters import used_hyperparameters
from hq_ray.trial import MAX_SEED, parse_seeds
from hq_ray.updates import VARIANTS
from sweeps.parameters import Parameter, plain, read_parameters
from sweeps.spec_errors import check_known, shown, wrong

DEEPEST_ARGUMENT = 5
MOST_SEEDS = 10**7


@dataclass(frozen=True)
class EnvironmentRequest:
    """An environment by id and keyword arguments; whether it exists is found out later.

    Attributes:
        id: as given, `Name-v0` or `module:Name-v0`.
        args: keyword arguments as canonical JSON; a mapping is turned into it.
    """

    id: str
    args: str = "{}"

    def __post_init__(self):
        if isinstance(self.args, Mapping):
            object.__setattr__(self, "args", _canonical(self.args, "env"))

    @property
    def arguments(self) -> dict[str, object]:
        """The keyword arguments."""
        return json.loads(self.args)

    def to_dict(self) -> str | dict[str, object]:
        """As in a spec: the bare id where there are no arguments."""
        return {"id": self.id, **self.arguments} if self.args != "{}" else self.id


@dataclass(frozen=True)
class VariantRequest:
    """A variant, and the parameters that hold for it alone in place of the common ones."""

    id: str
    parameters: dict[str, Parameter] = field(default_factory=dict)

    def to_dict(self) -> str | dict[str, object]:
        """As in a spec: the bare name where there are no parameters of its own."""
        if not self.parameters:
            return self.id
        own = {name: parameter.to_dict() for name, parameter in self.parameters.items()}
        return {"id": self.id, "parameters": own}


def never_read(variant: str) -> set[str]:
    """The hyperparameters that no trial of the variant reads, whatever its schedules are."""
    moving = {"alpha_schedule": "linear", "eps_schedule": "linear"}
    return {name for name, value in used_hyperparameters(variant, moving).items() if value is None}


def read_environments(given: object) -> tuple[EnvironmentRequest, ...]:
    """One environment or a list: ids, or mappings with an `id` beside the arguments.

    Raises:
        InputError: not of that form, or one of them given twice.
    """
    return _each_once([_environment(entry, path) for entry, path in _entries(given, "env")], "env")


def read_variants(given: object) -> tuple[VariantRequest, ...]:
    """`both`, a name, a comma list of names, or a list of names and of per-variant blocks.

    Raises:
        InputError: not of that form, an unknown name, or a variant given twice.
    """
    if isinstance(given, str) and "," in given:
        given = [name.strip() for name in given.split(",")]
    requests: list[VariantRequest] = []
    for entry, path in _entries(given, "variant"):
        names = ("standard", "harmonic") if entry == "both" else (entry,)
        requests.extend(_variant(name, path) for name in names)
    _each_once([request.id for request in requests], "variant")
    return tuple(requests)


def read_seeds(given: object) -> tuple[int, ...]:
    """`0-9`, `0,1,2`, 7, or a list of such.

    Raises:
        InputError: not of that form, or a seed given twice.
    """
    given = plain(given)
    entries = given if isinstance(given, list) else [given]
    seeds: list[int] = []
    for index, entry in enumerate(entries):
        path = f"seeds[{index}]" if isinstance(given, list) else "seeds"
        seeds.extend(_seeds(entry, path))
        if len(seeds) > MOST_SEEDS:
            raise InputError(f"seeds: must be at most {MOST_SEEDS:,}")
    if not seeds:
        raise wrong("seeds", "must be at least one", given)
    if len(set(seeds)) < len(seeds):
        raise wrong("seeds", "must be given once each", given)
    return tuple(seeds)


def seeds_text(seeds: Iterable[int]) -> str:
    """Seeds as short as `read_seeds` reads them: `0-9,20`."""
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and seed == runs[-1][1] + 1:
            runs[-1][1] = seed
        else:
            runs.append([seed, seed])
    return ",".join(f"{low}-{high}" if high > low else str(low) for low, high in runs)


def _entries(given: object, path: str) -> list[tuple[object, str]]:
    given = plain(given)
    if not isinstance(given, list):
        return [(given, path)]
    if not given:
        raise wrong(path, "must be at least one", given)
    return [(entry, f"{path}[{index}]") for index, entry in enumerate(given)]


def _each_once(requests: list, path: str) -> tuple:
    for index, request in enumerate(requests):
        if request in requests[:index]:
            given = request if isinstance(request, str) else request.to_dict()
            raise InputError(f"{path}[{index}]: must be given once, got {shown(given)} again")
    return tuple(requests)


def _environment(entry: object, path: str) -> EnvironmentRequest:
    if isinstance(entry, EnvironmentRequest):
        return entry
    args: Mapping = {}
    if isinstance(entry, Mapping):
        args = {name: value for name, value in entry.items() if name != "id"}
        if "id" not in entry:
            raise wrong(path, "must have an id", dict(entry))
        entry = entry["id"]
    if not isinstance(entry, str) or not entry.strip():
        raise wrong(path, "must be an environment id such as 'CliffWalking-v1'", entry)
    return EnvironmentRequest(entry.strip(), _canonical(args, path))


def _canonical(args: Mapping, path: str) -> str:
    if "id" in args:
        raise InputError(f"{path}: must not have an argument of the name id")
    checked = _plain_json(args, path, DEEPEST_ARGUMENT)
    return json.dumps(checked, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _plain_json(value: object, path: str, depth: int) -> object:
    """The value as JSON has it; what JSON has not, or would change silently, is refused."""
    value = plain(value)
    if depth < 0:
        raise InputError(f"{path}: must be nested at most {DEEPEST_ARGUMENT} deep")
    if isinstance(value, Mapping):
        for name in value:
            if not isinstance(name, str):
                raise wrong(path, "must have names that are text", name)
        return {n: _plain_json(v, f"{path}.{n}", depth - 1) for n, v in value.items()}
    if isinstance(value, list):
        return [_plain_json(v, f"{path}[{i}]", depth - 1) for i, v in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise wrong(path, "must be finite", value)
    huge = isinstance(value, int) and value.bit_length() > 1000
    if huge or not isinstance(value, str | int | float | None):
        raise wrong(
            path, "must be a number, text, true, false, nothing, a list or a mapping", value
        )
    return value


def _variant(entry: object, path: str) -> VariantRequest:
    own: object = None
    if isinstance(entry, VariantRequest):
        entry = {"id": entry.id, "parameters": entry.parameters}
    if isinstance(entry, Mapping):
        for key in entry:
            check_known(path, "key", key, ("id", "parameters"))
        if "id" not in entry:
            raise wrong(path, "must have an id", dict(entry))
        entry, own = entry["id"], entry.get("parameters")
    check_known(path, "variant", entry, (*VARIANTS, "both") if own is None else VARIANTS)
    parameters = read_parameters(own, f"{path}.parameters")
    for name in parameters:
        if name in never_read(entry):
            raise InputError(f"{path}.parameters.{name}: must be one that {entry} reads")
    return VariantRequest(entry, parameters)


def _seeds(entry: object, path: str) -> Iterable[int]:
    if isinstance(entry, str):
        try:
            return parse_seeds(entry)
        except InputError as problem:
            raise InputError(f"{path}: {str(problem).removeprefix('seeds ')}") from None
        except ValueError:
            # More digits than Python makes a number of.
            raise wrong(path, "must be below 2**63", entry) from None
    if isinstance(entry, bool) or not isinstance(entry, int) or not 0 <= entry <= MAX_SEED:
        raise wrong(path, "must be like '0-9', '0,1,2' or a whole number from 0", entry)
    return (entry,)
