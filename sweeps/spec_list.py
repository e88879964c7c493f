"""Configurations that a spec lists one by one, in the place of a grid or of samples.

configurations:
  - {env: CliffWalking-v1, variant: standard, alpha: 0.2}
  - {env: {id: VelocityGrid-v0, max_speed: 2}, variant: harmonic, eps_shift: 10.0, episodes: 2000}
"""

from collections.abc import Mapping
from dataclasses import dataclass

from hq_ray.errors import InputError
from hq_ray.hyperparameters import HYPERPARAMETERS, Value, used_hyperparameters
from hq_ray.sweeps.distributions import LENGTHS, checked_value, listed
from hq_ray.sweeps.spec_entries import EnvironmentRequest, as_mapping, read_environment
from hq_ray.sweeps.spec_text import near_miss_of, place_of, shown
from hq_ray.updates import VARIANTS

# What a list of configurations says itself, and what is therefore not given beside one.
PRODUCT_KEYS = (
    "env",
    "variant",
    "method",
    "samples",
    "sample_seed",
    "parameters",
    "constraints",
    "variant_parameters",
)
KEYS = ("env", "variant", *HYPERPARAMETERS, *LENGTHS)


@dataclass(frozen=True)
class Configuration:
    """A trial without its seed, its environment not yet resolved.

    Attributes:
        env: what was asked for.
        variant: a name of the VARIANTS table.
        episodes: training length; None, in a list, for that of the sweep.
        max_steps: step limit; None, in a list, for that of the sweep, then for the environment's.
        hyperparameters: (name, value) of every hyperparameter, None where it is not read.
    """

    env: EnvironmentRequest
    variant: str
    episodes: int | None
    max_steps: int | None
    hyperparameters: tuple[tuple[str, Value | None], ...]

    def to_dict(self) -> dict:
        """The form in a spec: every hyperparameter that is read, defaults too."""
        values = {
            **dict(self.hyperparameters),
            "episodes": self.episodes,
            "max_steps": self.max_steps,
        }
        given = {name: value for name, value in values.items() if value is not None}
        return {"env": self.env.to_dict(), "variant": self.variant, **given}


def read_configurations(value: object) -> tuple[Configuration, ...]:
    """Listed configurations in order; what an entry leaves out or makes null has its default.

    Raises:
        InputError: with the path in the spec of what is wrong, such as a hyperparameter that the
            variant does not read.
    """
    items = listed(value)
    if not items:
        raise InputError(
            "configurations: must be a list of at least one mapping with env and variant, "
            f"got {shown(value)}"
        )
    return tuple(_configuration(f"configurations[{i}]", item) for i, item in enumerate(items))


def _configuration(path: str, entry: object) -> Configuration:
    if isinstance(entry, Configuration):
        entry = entry.to_dict()
    entry = as_mapping(path, entry)
    for key in entry:
        if key not in KEYS:
            raise InputError(f"{place_of(path, key)}: unknown key{near_miss_of(key, KEYS)}")
    given = {name: value for name, value in entry.items() if value is not None}
    for key in ("env", "variant"):
        if key not in given:
            raise InputError(f"{path}.{key}: must be given")
    env = read_environment(f"{path}.env", given.pop("env"))
    variant = _variant(f"{path}.variant", given.pop("variant"))
    values = {name: checked_value(f"{path}.{name}", name, value) for name, value in given.items()}
    lengths = [values.pop(name, None) for name in LENGTHS]
    try:
        used = used_hyperparameters(variant, values)
    except InputError as problem:
        raise InputError(f"{path}: {problem}") from None
    _check_read(path, variant, values, used)
    return Configuration(env, variant, *lengths, tuple(used.items()))


def _variant(path: str, variant: object) -> str:
    if not isinstance(variant, str):
        raise InputError(f"{path}: must be the name of one variant, got {shown(variant)}")
    if variant not in VARIANTS:
        raise InputError(
            f"{path}: unknown variant {shown(variant)}{near_miss_of(variant, VARIANTS)}"
        )
    return variant


def _check_read(
    path: str, variant: str, values: Mapping[str, Value], used: Mapping[str, Value | None]
) -> None:
    """Raises for a value that makes no difference: a list means what it says."""
    for name, value in values.items():
        if used[name] is not None:
            continue
        of = name.partition("_")[0]
        schedule = f"{of}_schedule"
        ends = name in (f"{of}_end", f"{of}_decay_episodes") and used[schedule] == "constant"
        why = f"{schedule} constant" if ends else f"variant {variant}"
        raise InputError(
            f"{path}.{name}: must be left out or null, because {why} does not read it, "
            f"got {shown(value)}"
        )
