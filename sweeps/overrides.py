"""Overrides of a spec on the command line: `alpha=0.1,0.2`, `seeds=0-99`, `harmonic.eps_shift=1`.

A plain name holds for every variant, in place also of what a per-variant block says; the name of
a variant before a dot changes its block alone.
"""

from collections.abc import Iterable, Mapping

from hq_ray.errors import InputError
from hq_ray.updates import VARIANTS
from sweeps.parameters import SWEEPABLE, read_parameter
from sweeps.requests import VariantRequest, read_variants
from sweeps.spec_errors import check_known, shown
from sweeps.yaml_document import read_document

# Taken as they stand; the others are YAML, a comma list being a list.
AS_TEXT = ("name", "seeds", "method", "samples", "sample_seed")


def overridden(fields: Mapping[str, object], overrides: Iterable[str]) -> dict[str, object]:
    """The fields of a Sweep with overrides applied.

    Args:
        fields: by name, as a Sweep has them.
        overrides: each `key=value`.

    Raises:
        InputError: not of that form, an unknown key, a key given twice, or a value that cannot be.
    """
    pairs = _pairs(overrides)
    made = dict(fields) | {"parameters": dict(fields["parameters"])}
    if pairs.get("method", "").strip() == "grid":
        made["samples"] = None
    # Variants first, so that what is said of one of them finds it.
    for key, text in sorted(pairs.items(), key=lambda pair: pair[0] != "variant"):
        if key in SWEEPABLE:
            _set_parameter(made, key, _listed(key, text))
        elif "." in key:
            _set_of_variant(made, key, _listed(key, text))
        elif key == "variant":
            made["variant"] = _variants(made["variant"], _listed(key, text))
        elif key == "constraints":
            made["constraints"] = (text,) if text.strip() else ()
        else:
            made[key] = text.strip() if key in AS_TEXT else _listed(key, text)
    return made


def _pairs(overrides: Iterable[str]) -> dict[str, str]:
    known = (*SWEEPABLE, *AS_TEXT, "env", "variant", "constraints")
    pairs: dict[str, str] = {}
    if isinstance(overrides, str):
        overrides = [overrides]
    for override in overrides:
        key, equals, text = str(override).partition("=")
        if not equals:
            raise InputError(f"an override must look like 'alpha=0.1,0.2', got {shown(override)}")
        key = key.strip().replace("-", "_").removeprefix("parameters.")
        variant, dot, name = key.rpartition(".")
        if dot:
            check_known(f"override {shown(override)}", "variant", variant, VARIANTS)
        check_known(f"override {shown(override)}", "key", name, SWEEPABLE if dot else known)
        if key in pairs:
            raise InputError(f"override {shown(override)}: {key} must be given once")
        pairs[key] = text
    return pairs


def _listed(key: str, text: str) -> list:
    """`0.1,0.2`, `[0.1, 0.2]` and `{distribution: ...}` alike, as a list."""
    problem = f"override {key}: must be a value or a list with commas, got {shown(text)}"
    try:
        values = read_document(f"[{text}\n]")
    except InputError:
        raise InputError(problem) from None
    if not isinstance(values, list):
        raise InputError(problem)
    return values[0] if len(values) == 1 and isinstance(values[0], list) else values


def _one_or_list(values: list) -> object:
    return values[0] if len(values) == 1 else values


def _set_parameter(made: dict[str, object], name: str, values: list) -> None:
    parameters: dict = made["parameters"]
    if name in made:
        # episodes and max_steps stand at the top while they are one number, or not given.
        parameters.pop(name, None)
        single = len(values) < 2 and not any(isinstance(value, dict) for value in values)
        made[name] = (values[0] if values else None) if single else None
        if not single:
            parameters[name] = _one_or_list(values)
    else:
        parameters[name] = _one_or_list(values)
    made["variant"] = tuple(
        VariantRequest(of.id, {n: p for n, p in of.parameters.items() if n != name})
        for of in made["variant"]
    )


def _set_of_variant(made: dict[str, object], key: str, values: list) -> None:
    variant, _, name = key.partition(".")
    requests: tuple[VariantRequest, ...] = made["variant"]
    check_known(f"override {key}", "variant of the sweep", variant, [of.id for of in requests])
    parameter = read_parameter(name, _one_or_list(values), key)
    made["variant"] = tuple(
        VariantRequest(of.id, of.parameters | {name: parameter}) if of.id == variant else of
        for of in requests
    )


def _variants(present: tuple[VariantRequest, ...], values: list) -> tuple[VariantRequest, ...]:
    """The variants asked for, each with the block that the spec has for it."""
    blocks = {of.id: of.parameters for of in present}
    return tuple(
        VariantRequest(of.id, of.parameters or blocks.get(of.id, {}))
        for of in read_variants(values)
    )
