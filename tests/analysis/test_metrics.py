import json
from dataclasses import asdict

import numpy as np
import pytest

from hq_ray import schema
from hq_ray.analysis.metrics import METRICS, metric
from hq_ray.errors import InputError

ASKED_FOR = (
    *("final_return", "mean_return", "return_per_step", "final_steps", "mean_steps"),
    *("success_rate", "final_success_rate", "failure_rate", "truncation_rate"),
    *("falls_per_episode", "falls_per_1000_steps", "regret", "policy_value", "policy_gap"),
    *("normalised_policy_gap", "start_bias", "q_bias", "q_rmse", "q_max_error"),
    *("normalised_return", "episodes_to_threshold", "steps_to_threshold"),
)


def test_every_metric_is_there_under_its_name():
    assert set(METRICS) == set(ASKED_FOR)
    assert all(metric(name).name == name for name in METRICS)


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_speaks_to_people(name):
    row = metric(name)
    assert row.label
    assert row.label[0].islower() or row.label.startswith("Q")
    assert row.summary.endswith(".")
    assert row.axis_label.startswith(row.label)
    assert json.loads(json.dumps(asdict(row))) == asdict(row)


def test_stored_metrics_are_columns_of_the_trials():
    stored = set(METRICS) & set(schema.TRIALS.names)
    assert stored >= {"final_return", "policy_value", "q_bias", "q_rmse", "q_max_error"}


def test_axis_labels_have_units():
    assert metric("final_steps").axis_label == "length of final episodes [steps]"
    assert metric("normalised_return").axis_label == "normalised final return"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("final_return", [-2.0, 0.0, 3.0]),
        ("policy_gap", [2.0, 0.0, -3.0]),
        ("q_bias", [-2.0, 0.0, -3.0]),
        ("start_bias", [-2.0, 0.0, -3.0]),
    ],
)
def test_scores_are_higher_where_runs_are_better(name, expected):
    assert metric(name).scores(np.array([-2.0, 0.0, 3.0])).tolist() == expected


def test_a_missing_value_has_a_missing_score():
    for row in METRICS.values():
        assert np.isnan(row.scores(np.array([np.nan]))).all()


def test_only_a_bias_is_best_at_zero():
    assert {name for name, row in METRICS.items() if row.zero_is_best} == {"q_bias", "start_bias"}


def test_an_unknown_metric_is_refused_with_the_near_miss():
    with pytest.raises(InputError) as refusal:
        metric("final_retrun")
    assert str(refusal.value) == "unknown metric 'final_retrun'; did you mean 'final_return'?"
