import io

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from trial_frames import alphas, exact, table_of, trials_of

from hq_ray.analysis.cells import SETTING_COLUMNS
from hq_ray.analysis.metrics import METRICS
from hq_ray.analysis.statistics.t_tests import holm_adjusted
from hq_ray.analysis.summaries import summarise_trials
from hq_ray.analysis.tables import pairs_table, summary_table
from hq_ray.schema import JOINED, OF_ANALYSIS

NAN = float("nan")
RETURN, STEPS = METRICS["final_return"], METRICS["final_steps"]


def frames():
    """Two environments, two variants and a control; seeds that are not all the same, with holes."""
    small = [{"alpha": a} for a in (0.1, 0.2, 0.4)]
    large = [one | {"eps_shift": e} for one in small for e in (1e-6, 1.0, 100.0)]
    found = []
    for place, env in enumerate(("A-v0", "B-v0")):
        for seed, variant, levels, seeds in (
            (place, "standard", small, range(12)),
            (place + 5, "harmonic", large, range(3, 14)),
            (place + 9, "minimum", [{}], range(12)),
        ):
            rng = np.random.default_rng(seed)
            scores = rng.normal(-13, 4, size=(len(levels), len(seeds)))
            scores[rng.random(scores.shape) < 0.25] = NAN
            found.append(trials_of(variant, levels, seeds, scores, env=env))
    return found


def test_a_row_of_the_summary_is_what_numpy_and_scipy_make_of_its_scores():
    table = table_of(*frames())
    cells = [cell for row in table.values() for cell in row.values()]
    scored = [
        row for cell in cells for row in zip(cell.labels, cell.scores("final_return"), strict=True)
    ]
    for (label, scores), (_, got) in zip(
        scored, summary_table(table, RETURN).iterrows(), strict=True
    ):
        values = np.sort(scores[~np.isnan(scores)])
        n, mean, se = len(values), values.mean(), stats.sem(values)
        low, high = stats.t.interval(0.95, n - 1, mean, se)
        expected = {
            "n": n, "mean": mean, "sd": values.std(ddof=1), "se": se, "low": low, "high": high,
            "median": np.median(values), "iqm": values[n // 4 : n - n // 4].mean(),
            "min": values[0], "max": values[-1], "worst_tenth": values[: -(-n // 10)].mean(),
        }  # fmt: skip
        assert got["configuration"] == label
        assert got[list(expected)].tolist() == exact(list(expected.values()))


def test_one_seed_has_no_interval_and_none_has_nothing():
    scores = [[1.0, 2.0], [3.0, NAN]]
    table = table_of(trials_of("standard", alphas(2), range(2), scores))
    found, unknown = (summary_table(table, of) for of in (RETURN, METRICS["success_rate"]))
    assert found["n"].tolist() == [2, 1]
    alone = found.iloc[1]
    assert alone[["mean", "median", "iqm", "min", "max", "worst_tenth"]].tolist() == [3.0] * 6
    assert alone[["sd", "se", "low", "high"]].isna().all()
    assert unknown["n"].tolist() == [0, 0]
    assert unknown["mean"].isna().all()


def test_configurations_are_matched_by_what_both_read():
    constant = {"alpha": 0.2, "eps_schedule": "constant"}
    levels = {
        "standard": [{"alpha": 0.1}, {"alpha": 0.2}, constant],
        "harmonic": [{"alpha": 0.2, "eps_shift": e} for e in (1.0, 10.0)]
        + [constant | {"eps_shift": 1.0}, {"alpha": 0.3, "eps_shift": 1.0}],
        "minimum": [{}, {"eps_schedule": "constant"}],
    }
    scored = ((v, some, [0], np.zeros((len(some), 1))) for v, some in levels.items())
    found = pairs_table(table_of(*(trials_of(*one) for one in scored)), RETURN)
    linear = "alpha 0.2, eps_schedule linear, eps_end 0.05, eps_decay_episodes 3,500"
    names = found.set_index("variant")[["configuration", "baseline_configuration"]]
    assert sorted(names.loc["harmonic"].itertuples(index=False, name=None)) == [
        ("alpha 0.2, eps_schedule constant, eps_shift 1", "alpha 0.2, eps_schedule constant"),
        (f"{linear}, eps_shift 1", linear),
        (f"{linear}, eps_shift 10", linear),
    ]
    assert len(names.loc["minimum"]) == 3


def test_a_row_of_the_pairs_equals_plain_loops():
    table = table_of(*frames())
    found = pairs_table(table, RETURN)
    assert list(found["env"].unique()) == ["A-v0", "B-v0"]
    assert len(found) == 2 * (9 + 3)
    for _, got in found.iterrows():
        cells = table[got["env"]]
        x, y = (
            pd.DataFrame(cells[v].scores("final_return"), cells[v].labels, cells[v].seeds).loc[
                label
            ]
            for v, label in (
                (got["variant"], got["configuration"]),
                ("standard", got["baseline_configuration"]),
            )
        )
        d = (x - y).dropna()
        a, b, n = x[d.index], y[d.index], len(d)
        low, high = stats.t.interval(0.95, n - 1, d.mean(), stats.sem(d))
        expected = {
            "n": n, "mean": a.mean(), "baseline_mean": b.mean(), "difference": d.mean(),
            "se": stats.sem(d), "low": low, "high": high,
            "p_value": stats.ttest_rel(a, b).pvalue,
            "wins": (d > 0).sum(), "ties": (d == 0).sum(), "losses": (d < 0).sum(),
        }  # fmt: skip
        assert got[list(expected)].tolist() == exact(list(expected.values()))
    for _, part in found.groupby(["env", "variant"]):
        adjusted = holm_adjusted(part["p_value"].to_numpy())
        assert part["holm"].tolist() == (adjusted < 0.05).tolist()


def test_the_lower_of_two_costs_wins():
    scores = {"standard": [[5.0, 5.0, 5.0]], "harmonic": [[4.0, 5.0 + 1e-10, 3.0]]}
    table = table_of(
        *(trials_of(v, [{}], range(3), x, metric="final_steps") for v, x in scores.items())
    )
    found = pairs_table(table, STEPS)
    assert found[["wins", "ties", "losses"]].to_numpy().tolist() == [[2, 1, 0]]
    assert found["difference"].tolist() == pytest.approx([-1.0])


def test_pairs_take_a_common_seed():
    table = table_of(
        trials_of("standard", alphas(2), range(4), [[1, 2, NAN, NAN], [1, 2, 3, 4]]),
        trials_of("harmonic", alphas(2), range(4), [[NAN, NAN, 3, 4], [NAN, NAN, NAN, 4]]),
    )
    found = pairs_table(table, RETURN)
    assert found["n"].tolist() == [1]
    assert found[["se", "low", "high", "p_value"]].isna().all(axis=None)
    assert found["holm"].tolist() == [False]


def parquet(frame):
    """The same, written and read again."""
    return pd.read_parquet(io.BytesIO(frame.to_parquet(index=False)))


@pytest.mark.parametrize("of", [summary_table, pairs_table])
def test_types_are_what_they_seem_and_no_rows_keep_their_columns(of):
    trials = pd.concat(frames(), ignore_index=True)
    frame, empty = of(table_of(trials), RETURN), of({}, RETURN)
    pd.testing.assert_frame_equal(parquet(frame), frame)
    assert not frame.columns.duplicated().any()
    types = {name: trials[name].dtype for name in SETTING_COLUMNS} | {"n": np.dtype(np.int64)}
    if of is pairs_table:
        types |= {"holm": np.dtype(bool)}
        types |= dict.fromkeys(("wins", "ties", "losses"), np.dtype(np.int64))
    else:
        measured = frame.columns[frame.columns.get_loc("mean") :]
        types |= dict.fromkeys(measured, np.dtype(np.float64))
    assert frame[list(types)].dtypes.to_dict() == types
    assert len(parquet(empty)) == 0
    assert list(empty) == [name for name in frame if name in set(empty)]
    assert {"env", "variant", "n", "metric"} <= set(empty)


def test_no_hyperparameter_of_a_rule_can_have_the_name_of_a_column():
    trials = summarise_trials(pd.concat(frames()), with_references=False)[0]
    table = table_of(trials)
    made = [trials, summary_table(table, RETURN), pairs_table(table, RETURN)]
    assert {name for frame in made for name in frame} <= {*JOINED.names, *OF_ANALYSIS}
