"""Results compared and reported from Python: `compare(results)` and `report(results)`."""

import os
from collections.abc import Sequence

import pandas as pd

from hq_ray.analysis.report import write_report
from hq_ray.analysis.study import study
from hq_ray.analysis.verdict import summary
from hq_ray.published import opened

Place = str | os.PathLike


def compare(
    results: Place | Sequence[Place], where: object = None, metric: str = "final_return"
) -> pd.DataFrame:
    """Every comparison of two variants, one row each, with its verdict as a sentence.

    Args:
        results: folder or URI of a sweep, or several.
        where: which trials; see `load_trials`.
        metric: to choose configurations and to judge by.

    Raises:
        InputError: a column, the metric or the results are not known.
    """
    found = study(opened(results), where=where, metric_name=metric, with_curves=False)
    return pd.DataFrame([summary(one) for one in found.comparisons])


def report(
    results: Place | Sequence[Place],
    folder: Place,
    where: object = None,
    metric: str = "final_return",
) -> str:
    """Writes the report of one sweep or several to a folder; returns the page's path.

    Args and errors as of `compare`.
    """
    found = study(opened(results), where=where, metric_name=metric)
    return write_report(found, folder, None if where is None else str(where))
