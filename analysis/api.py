"""Results compared and reported from Python: `compare`, `curves` and `report`."""

import os
from collections.abc import Sequence

import pandas as pd

from hq_ray.analysis.smoothing import trailing_mean
from hq_ray.analysis.statistics.means import mean_and_se
from hq_ray.analysis.study import folder_name, study
from hq_ray.analysis.verdict import comparison_row
from hq_ray.conditions import Where
from hq_ray.published import Place, opened


def compare(
    results: Place | Sequence[Place],
    where: Where | None = None,
    metric: str | None = None,
    *,
    baseline: str | None = None,
    rope: float | None = None,
) -> pd.DataFrame:
    """Every comparison of two variants, one row each, with its verdict as a word and a sentence.

    Args:
        results: folder or URI of a sweep, or several.
        where: which trials; see `load_trials`.
        metric: to choose configurations and to judge by; None for that of the confirmation, or else
            `mean_return`.
        baseline: the variant to compare with; None for `standard`, or else the first of the spec.
        rope: differences up to this size do not matter.

    Raises:
        InputError: a column, the metric, the baseline or the results are not known.
    """
    found = study(
        opened(results),
        where=where,
        metric_name=metric,
        baseline=baseline,
        rope=rope,
        with_references=False,
    )
    return pd.DataFrame([comparison_row(comparison) for comparison in found.comparisons])


def curves(
    results: Place | Sequence[Place],
    where: Where | None = None,
    metric: str | None = None,
    smooth: int = 151,
) -> pd.DataFrame:
    """Learning curves of the chosen configurations: mean and standard error over smoothed seeds.

    Args and errors as of `compare`; smooth is the window of the trailing mean, in episodes.

    Returns:
        Columns env, variant, quantity, episode, mean, se (null with one seed) and n. Instances of a
        family of environments have no rows.
    """
    found = study(opened(results), where=where, metric_name=metric, with_references=False)
    frames = [pd.DataFrame(columns=["env", "variant", "quantity", "episode", "mean", "se", "n"])]
    for (env, variant), columns in found.curves.items():
        for quantity in ("episode_return", "steps"):
            mean, se = mean_and_se(trailing_mean(columns[quantity], smooth))
            names = {"env": env, "variant": variant, "quantity": quantity}
            numbers = {"episode": range(len(mean)), "mean": mean, "se": se}
            frames.append(pd.DataFrame({**names, **numbers, "n": len(columns[quantity])}))
    return pd.concat(frames[1:] or frames, ignore_index=True)


def report(
    results: Place | Sequence[Place],
    folder: str | os.PathLike | None = None,
    where: Where | None = None,
    metric: str | None = None,
    *,
    baseline: str | None = None,
    rope: float | None = None,
) -> str:
    """Writes the report of one sweep or several; returns the page's path.

    The folder is `reports/<name of the results>` where none is given, with `where` in its name.

    Args and errors as of `compare`.
    """
    # Imported here since it imports matplotlib, which `compare` has no need of.
    from hq_ray.analysis.report.page import write_report

    found = study(opened(results), where=where, metric_name=metric, baseline=baseline, rope=rope)
    return write_report(found, folder or f"reports/{folder_name(found.results, found.where)}")
