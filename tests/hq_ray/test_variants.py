"""Rules of a user's own: made in a module of theirs, compiled like ours, part of the identity."""

import pytest
from naive import differing

from hq_ray.errors import InputError, TrialError
from hq_ray.training import train
from hq_ray.updates import Variant, uncompilable, variant_of


def test_a_rule_written_again_learns_what_ours_learns(make_trial):
    trials = [make_trial(name, "CliffWalking-v1") for name in ("own_rules:late", "expected_sarsa")]
    first, second = map(train, trials)
    assert first.engine == "kernel"
    assert not differing(first.log, second.log)
    assert not differing(first.log, train(trials[0], "gymnasium").log)
    assert trials[0].trial_id != trials[1].trial_id


def test_a_parameter_of_its_own(make_trial):
    name = "own_rules:clipped"
    loose, tight, default = (
        make_trial(name, "CliffWalking-v1", **values)
        for values in ({"most": 1e9}, {"most": 0.5}, {})
    )
    assert not differing(train(loose).log, train(make_trial("standard", "CliffWalking-v1")).log)
    assert differing(train(tight).log, train(loose).log)
    assert not differing(train(tight).log, train(tight, "gymnasium").log)
    assert default.rule_values == {"most": 1.0}
    assert len({trial.trial_id for trial in (loose, tight, default)}) == 3


def test_a_downward_step_alone_has_no_ratio(make_trial):
    trial = make_trial("own_rules:falling", alpha_schedule="linear", alpha_down=0.25)
    assert trial.alpha is trial.alpha_schedule is None
    assert "down" not in trial.identity
    assert {steps[0] for steps in trial.step_sizes()} == {0.0, 0.25}


def test_nan_fails_the_trial_with_its_step(make_trial):
    trial = make_trial("own_rules:nan", "CliffWalking-v1", eps_schedule="constant", eps_start=1.0)
    with pytest.raises(TrialError, match=r"episode 0, step .*must be finite, got nan"):
        train(trial)


def test_a_rule_that_numba_cannot_compile_trains_on_the_loop(make_trial):
    trial = make_trial("own_rules:slow", "CliffWalking-v1", episodes=3)
    assert uncompilable(trial.variant)
    trained = train(trial)
    assert trained.engine == "gymnasium"
    expected = train(make_trial("standard", "CliffWalking-v1", episodes=3))
    assert not differing(trained.log, expected.log)


def one(q_value):
    return q_value


def other(q_value, target, clip):
    return target


def starred(q_value, target, *rest):
    return target


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"update": one}, "must take (q_value, target, ...), got (q_value)"),
        ({"update": starred}, "must take (q_value, target, ...), got (q_value, target, rest)"),
        ({"update": other}, "got 'clip'"),
        ({"update": other, "parameters": {"clap": 1.0}}, "got 'clip'; did you mean 'clap'?"),
        ({"update": other, "parameters": {"clip": 1.0}, "target": "maxx"}, "did you mean 'max'?"),
        ({"update": 3}, "must be a Python function, got 3"),
        (
            {"update": other, "parameters": {"clip": 1.0}, "uses": {"alpha"}},
            "must take the 'alpha' that it is said to use",
        ),
    ],
)
def test_what_is_no_variant_is_refused(arguments, message):
    with pytest.raises(InputError) as refusal:
        Variant(**arguments)
    assert message in str(refusal.value)


def test_a_module_that_exits_is_refused(tmp_path, monkeypatch):
    (tmp_path / "exiting_rules.py").write_text("import sys\nsys.exit('no licence')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError) as refusal:
        variant_of("exiting_rules:mine")
    assert str(refusal.value) == (
        "the module of variant 'exiting_rules:mine' must be importable, but: SystemExit: no licence"
    )
