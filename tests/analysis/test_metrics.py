import pytest

from hq_ray import schema
from hq_ray.analysis.metrics import DERIVED, METRICS, judging_metric
from hq_ray.errors import InputError


def test_every_metric_has_words_and_one_sign():
    for name, row in METRICS.items():
        assert (row.name, row.summary[-1]) == (name, ".")
        assert row.axis_label.startswith(row.label)
    assert set(schema.BETTER) == set(METRICS) & set(schema.TRIALS.names) - {"q_bias"}
    assert {name for name, row in METRICS.items() if not row.sign} == {"q_bias", "start_bias"}
    assert not DERIVED.keys() & schema.BETTER.keys()
    assert METRICS["final_steps"].axis_label == "length of final episodes [steps]"


def test_a_metric_to_judge_by_is_known_and_has_a_better_end():
    with pytest.raises(InputError, match="q_bias is best at 0; take one of final_return,"):
        judging_metric("q_bias")
    with pytest.raises(InputError, match="unknown metric 'final_retrun'; did you mean 'final_"):
        judging_metric("final_retrun")
