"""Figures, from frames."""

import os
import sys
from contextlib import suppress
from importlib import import_module

if "matplotlib" not in sys.modules:
    # Where MPLBACKEND names what this Python lacks, as Jupyter's does in a command of a notebook,
    # matplotlib does not import; so it gets the name afterwards, if it knows it.
    backend = os.environ.pop("MPLBACKEND", None)
    matplotlib = import_module("matplotlib")
    if backend is not None:
        os.environ["MPLBACKEND"] = backend
        with suppress(ValueError):
            matplotlib.rcParams["backend"] = backend
