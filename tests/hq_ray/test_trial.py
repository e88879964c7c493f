import hashlib
from dataclasses import replace

import pytest

from hq_ray.errors import InputError
from hq_ray.hyperparameters import used_hyperparameters
from hq_ray.trial import MAX_SEED, TRIAL_FIELDS, Trial, parse_seeds, seeded, short_fingerprint

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


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("0-2,7", (0, 1, 2, 7)),
        ("3-3", (3,)),
        (" 5 , 1-2 ", (5, 1, 2)),
        (str(MAX_SEED), (MAX_SEED,)),
    ],
)
def test_parse_seeds(text, seeds):
    assert parse_seeds(text) == seeds


FORM = "seeds must be a range like '0-4' or a list like '0,1,2', got "
MOST = "seeds must be below 2**63, at most 1 million of them, got "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *((text, FORM + repr(text)) for text in ("", "0-", "-1", "a", "1,,2", "1.5", "0-4-8", "²")),
        ("4-0", "a range of seeds must rise, got '4-0'; did you mean '0-4'?"),
        ("0-3,2", "each seed must be given once, got '0-3,2'"),
        (str(2**63), f"{MOST}'9223372036854775808'"),
        ("0-1000000", f"{MOST}'0-1000000'"),
    ],
)
def test_parse_seeds_refuses(text, message):
    with pytest.raises(InputError) as refusal:
        parse_seeds(text)
    assert str(refusal.value) == message
