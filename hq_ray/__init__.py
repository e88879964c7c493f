"""Sweeps that compare tabular Q-learning update rules, trained on Ray, logged in Parquet.

The public door: `Sweep`, `run_sweep`, `open_results`, `load_trials`, `load_episodes`, `compare`,
`curves`, `report`, `Variant`, `VARIANTS`.
"""

import importlib
import pathlib
from typing import Any

# In a source tree envs, sweeps and analysis lie beside this folder. They are imported below it, so
# that users may have packages of these names.
if not pathlib.Path(__file__).with_name("envs").is_dir():
    __path__.append(str(pathlib.Path(__file__).resolve().parent.parent))

_DOOR = {
    "Sweep": "sweeps.spec",
    "run_sweep": "sweeps.api",
    "open_results": "load",
    "load_trials": "load",
    "load_episodes": "load",
    "compare": "analysis.api",
    "curves": "analysis.api",
    "report": "analysis.api",
    "Variant": "updates",
    "VARIANTS": "updates",
}
__all__ = list(_DOOR)


def __dir__() -> list[str]:
    """The public names, which an editor or a notebook completes."""
    return __all__


def __getattr__(name: str) -> Any:
    """A public name, imported when it is asked for."""
    if name not in _DOOR:
        raise AttributeError(f"module 'hq_ray' has no attribute {name!r}")
    return getattr(importlib.import_module(f"hq_ray.{_DOOR[name]}"), name)
