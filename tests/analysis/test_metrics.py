from hq_ray import schema
from hq_ray.analysis.metrics import DERIVED, METRICS


def test_every_metric_has_words_and_one_sign():
    for name, row in METRICS.items():
        assert (row.name, row.summary[-1]) == (name, ".")
        assert row.axis_label.startswith(row.label)
    assert set(schema.BETTER) == set(METRICS) & set(schema.TRIALS.names) - {"q_bias"}
    assert {name for name, row in METRICS.items() if not row.sign} == {"q_bias", "start_bias"}
    assert not DERIVED.keys() & schema.BETTER.keys()
    assert METRICS["final_steps"].axis_label == "length of final episodes [steps]"
