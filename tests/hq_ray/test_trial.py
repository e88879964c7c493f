import hashlib
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from hq_ray.errors import InputError
from hq_ray.hyperparameters import HYPERPARAMETERS, used_hyperparameters
from hq_ray.trial import MAX_SEED, TRIAL_FIELDS, Trial, parse_seeds, seeded, short_fingerprint

# Hyperparameters


def test_defaults_are_those_of_the_command_line():
    assert {name: row.default for name, row in HYPERPARAMETERS.items()} == {
        "alpha": 0.2,
        "alpha_schedule": "constant",
        "alpha_end": 0.05,
        "alpha_decay_episodes": 3500,
        "alpha_power": 0.8,
        "alpha_down": 0.5,
        "gamma": 0.99,
        "eps_schedule": "linear",
        "eps_start": 1.0,
        "eps_end": 0.05,
        "eps_decay_episodes": 3500,
        "eps_shift": 1e-6,
    }
    for name, row in HYPERPARAMETERS.items():
        assert row.check(row.default) == row.default
        assert type(row.default) is row.kind
        assert name in TRIAL_FIELDS


BAD = {
    "alpha": ("in (0, 1]", (0, 1.5, float("nan"), "x", "0.1", True, None, [0.1])),
    "alpha_end": ("in (0, 1]", (0,)),
    "alpha_down": ("in (0, 1]", (0,)),
    "alpha_power": ("in (0.5, 1]", (0.5,)),
    "gamma": ("in [0, 1]", (-0.1,)),
    "eps_start": ("in [0, 1]", (-0.1,)),
    "eps_end": ("in [0, 1]", (-0.1,)),
    "eps_shift": ("a finite number > 0", (0, -1, float("inf"))),
    "eps_decay_episodes": ("a whole number from 1 to 2147483647", (0, 2.5, 2**31)),
    "alpha_decay_episodes": ("a whole number from 1 to 2147483647", (0, 2.5, 2**31)),
}
KINDS = "linear, exponential, inverse, constant"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        *(
            ({name: wrong}, f"{name} must be {must}, got {wrong!r}")
            for name, (must, wrongs) in BAD.items()
            for wrong in wrongs
        ),
        (
            {"eps_schedule": "liner"},
            f"eps_schedule must be one of {KINDS}, got 'liner'; did you mean 'linear'?",
        ),
        (
            {"alpha_schedule": 0.5},
            f"alpha_schedule must be one of {KINDS}, visits, got 0.5; known: {KINDS}, visits",
        ),
        ({"alhpa": 0.1}, "unknown hyperparameter 'alhpa'; did you mean 'alpha'?"),
        (
            {"eps_schedule": "exponential", "eps_end": 0},
            "eps_start and eps_end must be > 0 for an exponential eps_schedule, got 1.0 and 0.0",
        ),
        (
            {"alpha": 0.1, "alpha_schedule": "linear", "alpha_end": 0.4},
            "alpha_end * (alpha_down / alpha), the last step downwards, must be at most 1, got 2.0",
        ),
    ],
)
def test_a_bad_value_is_refused_in_one_sentence_also_where_it_is_not_read(given, message):
    with pytest.raises(InputError) as refusal:
        used_hyperparameters("asymmetric", given)
    assert str(refusal.value) == message


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("alpha", 1, 1.0),
        ("alpha", np.float32(0.5), 0.5),
        ("alpha", Fraction(1, 4), 0.25),
        *(("gamma", bound, float(bound)) for bound in (0, 1)),
        ("eps_decay_episodes", 100.0, 100),
        ("eps_decay_episodes", np.int64(7), 7),
        ("eps_decay_episodes", 2**31 - 1, 2147483647),
    ],
)
def test_numbers_of_any_make_become_plain_ones(name, value, expected):
    checked = HYPERPARAMETERS[name].check(value)
    assert checked == expected
    assert type(checked) is HYPERPARAMETERS[name].kind


GIVEN = {
    **{"alpha": 0.3, "alpha_schedule": "linear", "alpha_end": 0.1, "alpha_decay_episodes": 7},
    **{"alpha_power": 0.7, "alpha_down": 0.4, "gamma": 0.5, "eps_schedule": "inverse"},
    **{"eps_start": 0.9, "eps_end": 0.2, "eps_decay_episodes": 8, "eps_shift": 2.0},
}
ALPHA = {"alpha", "alpha_schedule", "alpha_end", "alpha_decay_episodes", "alpha_power"}
ENDS = {"alpha_end", "alpha_decay_episodes"}


@pytest.mark.parametrize(
    ("variant", "given", "unread"),
    [
        ("standard", {}, {"alpha_power", "alpha_down", "eps_shift"}),
        ("harmonic", {}, {"alpha_power", "alpha_down"}),
        ("minimum", {"alpha_schedule": "visits"}, {*ALPHA, "alpha_down", "eps_shift"}),
        ("asymmetric", {}, {"alpha_power", "eps_shift"}),
        ("asymmetric", {"alpha_schedule": "exponential"}, {"alpha_power", "eps_shift"}),
        ("asymmetric", {"alpha_schedule": "constant"}, {*ENDS, "alpha_power", "eps_shift"}),
        ("asymmetric", {"alpha_schedule": "visits"}, {*ENDS, "eps_shift"}),
        (
            "harmonic",
            {"eps_schedule": "constant"},
            {"eps_end", "eps_decay_episodes", "alpha_power", "alpha_down"},
        ),
    ],
)
def test_what_a_trial_does_not_read_is_none(variant, given, unread):
    values = GIVEN | given
    expected = {name: None if name in unread else value for name, value in values.items()}
    assert used_hyperparameters(variant, values) == expected
    # What is not given is as if its default were.
    defaults = {name: row.default for name, row in HYPERPARAMETERS.items()}
    assert used_hyperparameters(variant, given) == used_hyperparameters(variant, defaults | given)


# Identity

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


@pytest.mark.parametrize("name", TRIAL_FIELDS)
def test_the_id_changes_with_each_field_that_matters(name):
    trial = cliff("harmonic", alpha_schedule="linear")
    changed = replace(trial, **{name: "other" if name in TEXTS else 5})
    assert (changed.trial_id != trial.trial_id) == (name not in ("source", "label", "role"))


def test_fingerprints_of_models_and_of_others():
    of_model = "0123456789abcdef"
    texts = {of_model: "01234567", f"rollout:{of_model}": "01234567", "unseeded": "unseeded"}
    for fingerprint, short in {**texts, None: "none"}.items():
        trial = replace(cliff(), fingerprint=fingerprint)
        assert trial.has_model == (fingerprint == of_model)
        assert short_fingerprint(fingerprint) == short


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


FORM = "seeds must be a range like '0-4' or a list like '0,1,2', got "
MOST = "seeds must be below 2**63, at most 1 million of them, got "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *((text, FORM + repr(text)) for text in ("", "0-", "-1", "a", "1,,2", "1.5", "0-4-8", "²")),
        ("0-3,2", "each seed must be given once, got '0-3,2'"),
        (str(2**63), f"{MOST}'9223372036854775808'"),
        ("0-1000000", f"{MOST}'0-1000000'"),
    ],
)
def test_seeds_are_a_list_of_numbers_and_ranges(text, message):
    assert parse_seeds(f" 5 , 1-2,3-3,{MAX_SEED}") == (5, 1, 2, 3, MAX_SEED)
    with pytest.raises(InputError) as refusal:
        parse_seeds(text)
    assert str(refusal.value) == message
