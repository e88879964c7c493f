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
    *("start_bias", "q_bias", "q_rmse", "q_max_error"),
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


@pytest.mark.parametrize(("name", "sign"), [("final_return", 1), ("policy_gap", -1)])
def test_more_is_better_upwards(name, sign):
    assert metric(name).upwards(np.array([-2.0, 0.0, 3.0])).tolist() == [-2 * sign, 0, 3 * sign]


def test_only_a_bias_is_best_at_zero():
    assert {name for name, row in METRICS.items() if row.zero_is_best} == {"q_bias", "start_bias"}


def test_an_unknown_metric_is_refused_with_the_near_miss():
    with pytest.raises(InputError) as refusal:
        metric("final_retrun")
    assert str(refusal.value) == "unknown metric 'final_retrun'; did you mean 'final_return'?"
