import itertools
import math

import numpy as np
import pandas as pd
import pytest
from trial_frames import exact

from hq_ray.analysis.statistics.importance import importance

NAN = math.nan
NAMES = ("alpha", "shift", "decay")


def grid(*sizes):
    return pd.DataFrame(list(itertools.product(*map(range, sizes))), columns=NAMES[: len(sizes)])


def effect(values, settings, names, row):
    """Of a set of factors at a configuration, by loops and inclusion-exclusion."""
    rows = settings.to_dict("records")

    def conditional(part):
        alike = [i for i, one in enumerate(rows) if all(one[n] == rows[row][n] for n in part)]
        return sum(values[i] for i in alike) / len(alike)

    return sum(
        (-1) ** (len(names) - size) * conditional(part)
        for size in range(len(names) + 1)
        for part in itertools.combinations(names, size)
    )


def sets_of(settings):
    names = [n for n in settings.columns if len(set(settings[n])) > 1]
    return [s for size in (1, 2) for s in itertools.combinations(names, size)]


@pytest.mark.parametrize(
    ("sizes", "n_seeds"), [((4,), 1), ((3, 2), 1), ((2, 3, 4), 1), ((1, 3, 2), 1), ((2, 3), 5)]
)
def test_equals_plain_loops(sizes, n_seeds):
    settings = grid(*sizes)
    scores = np.random.default_rng(4).normal(size=(len(settings), n_seeds)) - 1000
    scores += 3 * np.arange(len(settings))[:, None]
    kept = {}
    for names in sets_of(settings):
        of = np.array([effect(scores, settings, names, row) for row in range(len(settings))])
        noise = of.var(axis=1, ddof=1).mean() / n_seeds if n_seeds > 1 else 0
        kept[names] = max(np.mean(of.mean(axis=1) ** 2) - noise, 0)
    # Without noise what more than two factors do together has a share, too.
    whole = scores.var() if n_seeds == 1 else sum(kept.values())
    found, note = importance(scores, settings)
    assert found == exact({names: value / whole for names, value in kept.items()})
    assert note == ("the noise is not known, and nothing is subtracted" if n_seeds == 1 else "")


def test_noise_alone_has_no_share_on_average():
    rng = np.random.default_rng(2)
    settings = grid(4, 5)
    step = 1.5 * (settings["alpha"].to_numpy() == 0)
    found = []
    for _ in range(100):
        scores = step[:, None] + rng.normal(size=(20, 8)) + 20 * rng.normal(size=8)
        found.append(importance(scores, settings)[0])
    assert np.mean([one["shift",] for one in found]) < 0.03
    assert np.mean([one["alpha",] for one in found]) == pytest.approx(0.95, abs=0.04)


@pytest.mark.parametrize("value", [0.1, 1e9 / 3])
def test_constant_scores_have_no_shares(value):
    settings = grid(2, 3)
    scores = np.full((6, 5), value)
    scores[1, 1] = NAN
    for given in (scores, scores[:, :1], np.full((6, 5), value) + np.arange(5)):
        found, _ = importance(given, settings)
        assert set(found.values()) == {0.0}


def test_what_is_not_read_is_joined_with_its_schedule():
    rows = [
        (alpha, end, schedule, decay, shift)
        for alpha, end in (("constant", None), ("linear", 0.1), ("linear", 0.2))
        for schedule, decay in (("constant", None), ("linear", 1000), ("inverse", 1000))
        for shift in (1, 2)
    ]
    columns = ["alpha_schedule", "alpha_end", "eps_schedule", "eps_decay_episodes", "eps_shift"]
    settings = pd.DataFrame(rows, columns=columns)
    means = np.random.default_rng(6).normal(size=18)
    found, _ = importance(means[:, None], settings)
    plain, _ = importance(means[:, None], grid(3, 3, 2))
    names = ["alpha_schedule + alpha_end", "eps_schedule + eps_decay_episodes", "eps_shift"]
    assert [one for one in found if len(one) == 1] == [(name,) for name in names]
    assert list(found.values()) == exact(list(plain.values()))


def test_without_scores_a_choice_or_a_full_grid_nothing_is_shared_out():
    holed = np.random.default_rng(5).normal(size=(12, 1))
    holed[4] = NAN
    for scores, settings, words in (
        (holed, grid(4, 3), "no full grid, 11 of 12 combinations, so nothing is shared out"),
        (np.full((4, 3), NAN), grid(2, 2), "nothing varies"),
        (np.ones((1, 2)), grid(2, 2)[:1], "nothing varies"),
        (np.ones((1, 1)), pd.DataFrame(index=[0]), "nothing varies"),
    ):
        assert importance(scores, settings) == ({}, words)


def test_seeds_that_some_lack():
    settings = grid(2, 2)
    scores = np.random.default_rng(9).normal(size=(4, 6)) + 3 * np.arange(4)[:, None]
    scores[2, 1] = NAN
    found, note = importance(scores, settings)
    assert found == exact(importance(np.delete(scores, 1, axis=1), settings)[0])
    assert note == "1 of 6 seeds left out, which some configurations lack"
