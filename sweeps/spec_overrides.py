"""Parts of a spec replaced from outside, each like `alpha=0.1,0.2` or `seeds=0-99`."""

from collections.abc import Iterable

from hq_ray.errors import InputError, near_miss
from hq_ray.hyperparameters import HYPERPARAMETERS
from hq_ray.sweeps.distributions import LENGTHS
from hq_ray.sweeps.spec_entries import read_variants
from hq_ray.sweeps.spec_list import PRODUCT_KEYS
from hq_ray.sweeps.spec_text import near_miss_of, read_yaml, shown

BESIDE_A_LIST = ("name", "seeds", *LENGTHS)


def override(spec: dict, overrides: Iterable[str]) -> dict:
    """The spec with parts replaced.

    Args:
        spec: as `Sweep.to_dict` makes it; changed in place.
        overrides: a name that is no key of the spec is a parameter, and gets the values given.

    Raises:
        InputError: not of that form, or not to be replaced in this spec.
    """
    for text in overrides:
        name, equals, given = (part.strip() for part in str(text).partition("="))
        name = name.replace("-", "_").removeprefix("parameters.")
        if not equals or not name:
            raise InputError(f"--set must be like alpha=0.1,0.2, got {shown(text)}")
        if name == "configurations":
            raise InputError(f"--set {name}: must be changed in the spec, got {shown(given)}")
        if name in ("name", "seeds"):
            spec[name] = given
        elif "configurations" in spec:
            _override_listed(spec, name, given)
        elif name in ("parameters", "variant_parameters"):
            raise InputError(f"--set takes one parameter by its own name, got {text!r}")
        elif name == "constraints":
            spec[name] = [given] if given else []
        else:
            _override(spec, name, _values(name, given))
    return spec


def _values(name: str, text: str) -> list:
    """`0.1,0.2` as a list; `{distribution: ...}` as a list of that."""
    try:
        values = read_yaml(f"[{text}\n]")
    except InputError:
        values = None
    if not isinstance(values, list):
        raise InputError(f"--set {name}: must be values with commas between, got {shown(text)}")
    return values[0] if len(values) == 1 and isinstance(values[0], list) else values


def _override(spec: dict, name: str, values: list) -> None:
    """Puts values in the place of all that the spec says of the name."""
    one = values[0] if len(values) == 1 else values
    lengths = name in LENGTHS
    if name in spec and not (lengths and len(values) != 1):
        spec[name] = one
    elif not lengths and name not in HYPERPARAMETERS:
        raise InputError(f"--set {name}: unknown key{near_miss(name, [*spec, *HYPERPARAMETERS])}")
    if lengths or name in HYPERPARAMETERS:
        for block in (spec["parameters"], *spec["variant_parameters"].values()):
            block.pop(name, None)
        if not lengths or len(values) != 1:
            spec["parameters"][name] = one if isinstance(one, dict) else {"values": values}
    if name == "variant":
        names = read_variants(one)[0]
        blocks = spec["variant_parameters"]
        spec["variant_parameters"] = {key: blocks[key] for key in blocks if key in names}
    if name == "method" and one == "grid":
        spec["samples"] = None


def _override_listed(spec: dict, name: str, text: str) -> None:
    """Puts a length in the place of the sweep's and of every entry's own; refuses all else."""
    if name in LENGTHS:
        values = _values(name, text)
        if len(values) != 1:
            raise InputError(
                f"--set {name}: must be one value for listed configurations, got {shown(text)}"
            )
        spec[name] = values[0]
        for entry in spec["configurations"]:
            entry.pop(name, None)
        return
    if name not in (*PRODUCT_KEYS, *HYPERPARAMETERS):
        raise InputError(f"--set {name}: unknown key{near_miss_of(name, BESIDE_A_LIST)}")
    raise InputError(
        f"--set {name}: must be one of {', '.join(BESIDE_A_LIST)} for listed configurations, "
        f"got {shown(text)}"
    )
