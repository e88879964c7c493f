import hashlib
from dataclasses import replace

import pytest

from hq_ray.errors import InputError
from hq_ray.hyperparameters import used_hyperparameters
from hq_ray.schedules import Schedule
from hq_ray.trial import (
    MAX_SEED,
    NOT_IDENTITY,
    TRIAL_FIELDS,
    Trial,
    parse_seeds,
    seeded,
    short_fingerprint,
)


def cliff(variant="standard", seed=0, **hyperparameters):
    used = used_hyperparameters(variant, hyperparameters)
    return Trial("CliffWalking-v1", "{}", "3604390edf0a9c0f", variant, seed, 4000, 1000, **used)


BLACKJACK = Trial(
    "Blackjack-v1", '{"sab":true}', None, "minimum", 7, 100, 50,
    **used_hyperparameters("minimum", {"eps_schedule": "constant"}),
)  # fmt: skip

# An identity that moves makes every published result look missing: a golden value may change
# together with SEMANTICS_VERSION only.
GOLDEN = [
    (cliff(), "9dcb0b6bec7da82a"),
    (cliff("harmonic", 3, alpha=0.1, eps_shift=1.0), "85aee3ebcea06c11"),
    (BLACKJACK, "83a9fb91a4675d17"),
]


@pytest.mark.parametrize(("trial", "trial_id"), GOLDEN)
def test_golden_ids(trial, trial_id):
    assert trial.trial_id == trial_id


def test_the_id_is_the_digest_of_the_canonical_json():
    text = (
        '{"env":"Blackjack-v1","env_args":"{\\"sab\\":true}","episodes":100,'
        '"eps_schedule":"constant","eps_start":1.0,"gamma":0.99,"max_steps":50,"seed":7,'
        '"semantics":1,"variant":"minimum"}'
    )
    assert BLACKJACK.trial_id == hashlib.sha256(text.encode()).hexdigest()[:16]


def test_the_configuration_is_the_trial_without_its_seed():
    text = (
        '{"env":"Blackjack-v1","env_args":"{\\"sab\\":true}","episodes":100,'
        '"eps_schedule":"constant","eps_start":1.0,"gamma":0.99,"max_steps":50,'
        '"semantics":1,"variant":"minimum"}'
    )
    assert BLACKJACK.config_id == hashlib.sha256(text.encode()).hexdigest()[:16]
    assert {seeded(BLACKJACK)(seed).config_id for seed in range(3)} == {BLACKJACK.config_id}
    assert replace(BLACKJACK, gamma=0.9).config_id != BLACKJACK.config_id


@pytest.mark.parametrize(
    ("variant", "given", "unread"),
    [
        ("standard", {}, {"eps_shift": 5.0, "alpha_down": 0.1}),
        ("standard", {}, {"alpha_end": 0.01, "alpha_decay_episodes": 5}),
        ("harmonic", {}, {"alpha_down": 0.1}),
        ("minimum", {}, {"alpha": 0.7, "alpha_schedule": "linear", "alpha_end": 0.1}),
        ("asymmetric", {}, {"eps_shift": 5.0}),
        (
            "harmonic",
            {"eps_schedule": "constant"},
            {"eps_schedule": "constant", "eps_end": 0.3, "eps_decay_episodes": 9},
        ),
    ],
)
def test_the_id_ignores_what_the_trial_does_not_read(variant, given, unread):
    assert cliff(variant, **given).trial_id == cliff(variant, **unread).trial_id


def test_a_default_that_is_spelled_out_is_the_default():
    assert cliff(alpha=0.2, gamma=0.99, eps_start=1).trial_id == cliff().trial_id


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("env", "CliffWalking-v2"),
        ("env_args", '{"is_slippery":true}'),
        ("fingerprint", "0000000000000000"),
        ("fingerprint", None),
        ("variant", "standard"),
        ("seed", 1),
        ("episodes", 4001),
        ("max_steps", 999),
        ("alpha", 0.21),
        ("alpha_schedule", "inverse"),
        ("alpha_end", 0.06),
        ("alpha_decay_episodes", 3501),
        ("alpha_power", 0.7),
        ("alpha_down", 0.4),
        ("gamma", 0.98),
        ("eps_schedule", "inverse"),
        ("eps_start", 0.9),
        ("eps_end", 0.06),
        ("eps_decay_episodes", 3501),
        ("eps_shift", 1.0),
        ("rule", "0123456789abcdef"),
        ("rule_args", '{"clip":1.0}'),
    ],
)
def test_the_id_changes_with_each_thing_that_matters(name, value):
    trial = cliff("harmonic", alpha_schedule="linear")
    assert getattr(trial, name) != value
    assert replace(trial, **{name: value}).trial_id != trial.trial_id


def test_the_list_of_what_matters_is_complete():
    marks = test_the_id_changes_with_each_thing_that_matters.pytestmark
    assert {name for name, _ in marks[0].args[1]} == set(TRIAL_FIELDS) - set(NOT_IDENTITY)


def test_the_source_is_no_part_of_the_identity():
    trial = cliff()
    assert replace(trial, source="0123456789abcdef").trial_id == trial.trial_id


@pytest.mark.parametrize(
    ("fingerprint", "has_model", "short"),
    [
        ("0123456789abcdef", True, "01234567"),
        ("rollout:0123456789abcdef", False, "01234567"),
        ("unseeded", False, "unseeded"),
        (None, False, "none"),
    ],
)
def test_fingerprints_of_models_and_of_others(fingerprint, has_model, short):
    assert replace(cliff(), fingerprint=fingerprint).has_model is has_model
    assert short_fingerprint(fingerprint) == short


def test_schedules_of_a_trial():
    trial = cliff(alpha=0.4, alpha_schedule="linear", eps_end=0.1)
    assert trial.epsilon_schedule == Schedule("linear", 1.0, 0.1, 3500)
    up, down = trial.step_sizes()
    assert up.tobytes() == Schedule("linear", 0.4, 0.05, 3500).values(trial.episodes).tobytes()
    assert not down.any()
    assert not any(steps.any() for steps in cliff("minimum").step_sizes())


def test_a_schedule_keeps_the_ratio_of_the_two_steps():
    constant = cliff("asymmetric", alpha=0.3, alpha_down=0.1)
    assert [steps[9] for steps in constant.step_sizes()] == [0.3, 0.1]
    assert "down" not in constant.identity
    falling = cliff("asymmetric", alpha=0.4, alpha_down=0.1, alpha_schedule="linear", alpha_end=0.2)
    up, down = falling.step_sizes()
    assert falling.identity["down"] == "ratio"
    assert (up[0], down[0], up[-1], down[-1]) == (0.4, 0.1, 0.2, 0.05)
    visits = cliff("asymmetric", alpha=0.4, alpha_down=0.1, alpha_schedule="visits")
    assert [steps[9] for steps in visits.step_sizes()] == [0.4, 0.25]


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("0-4", (0, 1, 2, 3, 4)),
        ("0,1,2", (0, 1, 2)),
        ("3", (3,)),
        ("3-3", (3,)),
        ("0-2,7", (0, 1, 2, 7)),
        (" 5 , 1-2 ", (5, 1, 2)),
        (7, (7,)),
        (str(MAX_SEED), (MAX_SEED,)),
    ],
)
def test_parse_seeds(text, seeds):
    assert parse_seeds(text) == seeds


FORM = "seeds must be a range like '0-4' or a list like '0,1,2', got "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0-", FORM + "'0-'"),
        ("-1", FORM + "'-1'"),
        ("a", FORM + "'a'"),
        ("", FORM + "''"),
        ("1,,2", FORM + "'1,,2'"),
        ("1,2,", FORM + "'1,2,'"),
        ("1.5", FORM + "'1.5'"),
        ("0-4-8", FORM + "'0-4-8'"),
        ("0:4", FORM + "'0:4'"),
        ("²", FORM + "'²'"),
        ("4-0", "a range of seeds must rise, got '4-0'; did you mean '0-4'?"),
        ("0,0", "each seed must be given once, got '0,0'"),
        ("0-3,2", "each seed must be given once, got '0-3,2'"),
        (
            str(2**63),
            "seeds must be below 2**63, at most 1 million of them, got '9223372036854775808'",
        ),
        (
            "0-1000000",
            "seeds must be below 2**63, at most 1 million of them, got '0-1000000'",
        ),
    ],
)
def test_parse_seeds_refuses(text, message):
    with pytest.raises(InputError) as refusal:
        parse_seeds(text)
    assert str(refusal.value) == message
