import hashlib
from dataclasses import replace

import pytest

from hq_ray.errors import InputError
from hq_ray.hyperparameters import used_hyperparameters
from hq_ray.schedules import Schedule
from hq_ray.trial import (
    MAX_SEED,
    TRIAL_FIELDS,
    Trial,
    parse_seeds,
    seeded,
    short_fingerprint,
)

TEXTS = ("env", "env_args", "fingerprint", "variant", "rule", "rule_args")


def cliff(variant="standard", seed=0, **hyperparameters):
    used = used_hyperparameters(variant, hyperparameters)
    return Trial("CliffWalking-v1", "{}", "3604390edf0a9c0f", variant, seed, 4000, 1000, **used)


BLACKJACK = Trial(
    "Blackjack-v1", '{"sab":true}', None, "minimum", 7, 100, 50,
    **used_hyperparameters("minimum", {"eps_schedule": "constant"}),
)  # fmt: skip

# What the digest is taken of, in the order of the letters, with and without `"seed":7,`.
CANONICAL = (
    '{"env":"Blackjack-v1","env_args":"{\\"sab\\":true}","episodes":100,'
    '"eps_schedule":"constant","eps_start":1.0,"gamma":0.99,"max_steps":50,SEED'
    '"semantics":1,"variant":"minimum"}'
)


def test_ids_are_digests_of_the_canonical_json():
    digests = [
        hashlib.sha256(CANONICAL.replace("SEED", seed).encode()).hexdigest()[:16]
        for seed in ('"seed":7,', "")
    ]
    assert [BLACKJACK.trial_id, BLACKJACK.config_id] == digests
    again = seeded(BLACKJACK)(7)
    assert [again.trial_id, again.config_id] == digests
    assert again == BLACKJACK
    assert seeded(BLACKJACK)(8).config_id == BLACKJACK.config_id


@pytest.mark.parametrize(
    ("variant", "given", "unread"),
    [
        ("standard", {}, {"eps_shift": 5.0, "alpha_down": 0.1}),
        ("standard", {}, {"alpha_end": 0.01, "alpha_decay_episodes": 5}),
        ("standard", {}, {"alpha": 0.2, "gamma": 0.99, "eps_start": 1}),  # the defaults
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


@pytest.mark.parametrize("name", TRIAL_FIELDS)
def test_the_id_changes_with_each_field_that_matters(name):
    trial = cliff("harmonic", alpha_schedule="linear")
    changed = replace(trial, **{name: "other" if name in TEXTS else 5})
    assert (changed.trial_id != trial.trial_id) == (name not in ("source", "label", "role"))


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
        *((text, FORM + repr(text)) for text in ("", "0-", "-1", "a", "1,,2", "1.5", "0-4-8", "²")),
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
