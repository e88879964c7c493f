from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hq_ray.analysis.api import compare, report
from hq_ray.analysis.comparison import CROSS_FITTED, FRESH, SINGLE
from hq_ray.analysis.reading.smoothing import trailing_mean
from hq_ray.analysis.selection import environments_of, select, stage_two_spec
from hq_ray.analysis.study import judging_metric, study
from hq_ray.analysis.summaries import default_threshold
from hq_ray.analysis.verdict import basis_words, judge
from hq_ray.environments import load_model
from hq_ray.errors import InputError
from hq_ray.load import load_curves, load_trials
from hq_ray.references import references
from hq_ray.store import Failure, Results
from hq_ray.sweeps.api import describe
from hq_ray.sweeps.expand import expand
from hq_ray.sweeps.spec import Sweep
from hq_ray.training import train

LAKE, CLIFF = "FrozenLake-v1", "CliffWalking-v1"
SPEC = {
    "name": "one",
    "env": LAKE,
    "variant": ["standard", "harmonic", "minimum"],
    "seeds": "0-3",
    "episodes": 60,
    "parameters": {"alpha": {"values": [0.1, 0.5]}},
    "variant_parameters": {
        "harmonic": {"alpha": {"values": [0.1, 0.5]}, "eps_shift": {"values": [1.0, 1e-3]}},
        "minimum": {},
    },
}


@pytest.fixture
def published(tmp_path):
    """Results of a spec, trained here; trials for which `fails` holds are published as failed."""

    def publish(fails=lambda trial: False, spoil=lambda done: done, **changes):
        content = {**SPEC, **changes}
        sweep = Sweep.from_mapping({k: v for k, v in content.items() if v is not None})
        expanded = expand(sweep)
        place = Results.at(tmp_path / sweep.name)
        describe(sweep, place, expanded)
        trials = [*expanded.trials]
        lost = [Failure(t, "ValueError", "no", "Traceback: no") for t in trials if fails(t)]
        place.publish([spoil(train(t)) for t in trials if not fails(t)], lost)
        return place

    return publish


def spec_of_choice(first, seeds, **options):
    """The second stage of a study of stage one."""
    one = study([first], with_curves=False)
    chosen = select(one.table, first.location.text, "final_return", **options)
    return stage_two_spec(chosen, "two", seeds, environments_of(one.table)) | {
        **dict.fromkeys(("env", "variant", "parameters", "variant_parameters")),
        "episodes": 60,
    }


# One stage


def test_a_study_holds_what_was_read(published):
    place = published()
    found = study([place])
    assert list(found.table) == [LAKE]
    assert list(found.table[LAKE]) == ["standard", "harmonic", "minimum"]
    assert [len(cell) for cell in found.cells] == [2, 4, 1]
    assert found.name == "one"
    assert found.lead == (
        "28 trials, 7 configurations, 3 variants, 1 environment. Judged by final return."
    )
    assert [(one.variant, one.how) for one in found.comparisons] == [
        ("harmonic", CROSS_FITTED),
        ("minimum", found.comparisons[1].how),
    ]
    assert found.notes == []
    assert found.references[LAKE] == references(load_model(LAKE, "{}"), 0.99, 100)
    assert found.stem("curves", LAKE) == "curves"


def test_curves_are_those_of_the_best_configurations(published):
    place = published()
    found = study([place])
    trials = {t.trial_id: t for t in expand(Sweep.from_mapping(SPEC)).trials}
    for key, number in found.best.items():
        ids = found.table[key[0]][key[1]].trial_ids(number)
        expected = load_curves(place, [trials[one] for one in ids], ["episode_return", "steps"])
        for name in ("episode_return", "steps"):
            stacked = np.stack([expected[one][name] for one in ids])
            assert np.array_equal(found.curves[key][name], stacked)
    assert study([place], with_curves=False).curves == {}


def test_times_are_restricted_at_the_end_of_training(published):
    place = published()
    counted = []
    found = study([place], with_times=True, smooth=5, progress=lambda *c: counted.append(c))
    assert counted[-1] == (7, 7)
    level = default_threshold(found.references[LAKE])
    trials = {t.trial_id: t for t in expand(Sweep.from_mapping(SPEC)).trials}
    for cell in found.cells:
        for number in range(len(cell)):
            ids = cell.trial_ids(number)
            curves = load_curves(place, [trials[one] for one in ids], ["episode_return", "steps"])
            episodes = cell.scores("episodes_to_threshold")[number]
            steps = cell.scores("steps_to_threshold")[number]
            for one, tau, until in zip(ids, episodes, steps, strict=True):
                means = trailing_mean(curves[one]["episode_return"][None], 5)[0]
                reached = np.flatnonzero(means >= level)
                expected = reached[0] + 1 if reached.size else 60
                assert tau == expected
                assert until == curves[one]["steps"][:expected].sum()


def test_judging_by_times_reads_them(published):
    found = study([published()], metric_name="episodes_to_threshold", with_curves=False)
    assert len(found.comparisons) == 2
    assert found.ropes == {}
    assert found.notes == []


def test_a_time_without_a_threshold_is_told(published):
    place = published(parameters={"gamma": {"values": [0.9, 0.99]}}, variant_parameters=None)
    found = study([place], metric_name="episodes_to_threshold", with_curves=False)
    assert found.comparisons == []
    assert found.best == {}
    (note,) = found.notes
    assert note.startswith("episodes_to_threshold is null on FrozenLake-v1: its threshold takes a")


def test_a_metric_that_is_unknown_everywhere_compares_nothing(published):
    found = study([published()], metric_name="falls_per_episode")
    assert found.comparisons == []
    assert found.curves == {}


def test_failed_trials_are_in_no_score_and_told(published):
    place = published(lambda trial: trial.variant == "standard" and trial.seed == 2)
    found = study([place])
    assert any("2 of 28 trials failed" in note for note in found.notes)
    assert len(found.trials) == 28
    assert found.table[LAKE]["standard"].seeds.tolist() == [0, 1, 3]
    assert found.comparisons[0].seeds.tolist() == [0, 1, 3]


@pytest.mark.parametrize("env", [LAKE, CLIFF, "Blackjack-v1"])
@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_an_older_trial_with_what_is_no_number_is_named_and_counts_as_failed(
    published, tmp_path, env, bad
):
    def chosen(trial):
        return (trial.variant, trial.seed, trial.alpha) == ("standard", 2, 0.1)

    def spoil(done):
        """As such a trial was stored before it failed."""
        if not chosen(done.trial):
            return done
        returns = np.append(done.log.episode_return[:-1], bad)
        summary = done.summary | {"mean_return": bad, "final_return": bad, "q_rmse": bad}
        return replace(done, log=replace(done.log, episode_return=returns), summary=summary)

    changes = {"env": env, "variant": ["standard", "harmonic"], "variant_parameters": None}
    old, new = published(spoil=spoil, **changes), published(chosen, name="new", **changes)
    for metric in ("final_return", "mean_return", "q_rmse", "steps_to_threshold"):
        found, expected = (compare(one.location.path, metric=metric) for one in (old, new))
        pd.testing.assert_frame_equal(found, expected)
    found = study([old], with_times=True)
    (note,) = (note for note in found.notes if "left out" in note)
    [trial] = found.trials["trial_id"][~np.isfinite(found.trials["mean_return"])]
    assert note == (
        "1 trial with a return or value that is NaN or infinite left out: "
        f"{trial} (standard, seed 2, {env})"
    )
    if env == CLIFF:
        assert Path(report(old.location.path, tmp_path / "page")).exists()


def test_nothing_is_done_yet(published):
    found = study([published(lambda trial: True)])
    assert (found.table, found.comparisons, found.curves) == ({}, [], {})
    assert found.lead.startswith("28 trials, 0 configurations, 0 variants, 0 environments.")


def test_a_sweep_and_more_of_it_are_one(published):
    places = [published(), published(name="more", seeds="3-6")]
    found = study(places)
    assert found.name == "one and more"
    assert found.cells[0].seeds.tolist() == list(range(7))
    assert found.notes == []


def test_the_digest_is_of_the_trials_not_of_their_files(published):
    whole = study([published(name="a")], with_curves=False)
    halves = study([published(name="b", seeds="2-3"), published(name="c", seeds="0-1")],
                   with_curves=False)  # fmt: skip
    assert whole.data_words == halves.data_words
    assert whole.data_words != study([published(name="d", seeds="0-4")]).data_words


def test_stems_tell_environments_apart(published):
    env = [LAKE, {"id": LAKE, "map_name": "8x8"}]
    found = study([published(env=env, seeds="0-1")], with_curves=False)
    stems = [found.stem("curves", name) for name in found.table]
    assert stems == ["curves_FrozenLake-v1", "curves_FrozenLake-v1_map_name_8x8"]


# What does not matter


def test_a_hundredth_of_the_best_return_does_not_matter(published):
    found = study([published()])
    best = found.references[LAKE]
    assert found.ropes == {LAKE: 0.01 * (best.optimal_return - best.random_return)}
    assert study([published()], rope=2.5).ropes == {LAKE: 2.5}
    assert study([published()], metric_name="policy_gap").ropes == {}


def test_a_random_walk_on_a_cliff_is_no_measure(published):
    found = study([published(env=CLIFF, max_steps=200)], with_curves=False)
    assert found.ropes == {CLIFF: pytest.approx(0.13)}


@pytest.mark.parametrize("rope", [-1.0, float("nan"), float("inf")])
def test_a_rope_is_a_size(published, rope):
    with pytest.raises(InputError, match="rope must be a finite number >= 0, got"):
        study([published()], rope=rope)


def test_the_metric_must_have_a_better_end():
    with pytest.raises(InputError, match="q_bias is best at 0; take one of final_return,"):
        judging_metric("q_bias")
    with pytest.raises(InputError, match="did you mean 'final_return'"):
        judging_metric("final_retrun")


# Two stages


def test_the_second_stage_speaks_of_what_the_first_one_chose(published):
    spec = spec_of_choice(published(), range(1000, 1006), top=2)
    found = study([published(**spec)])
    assert {one.how for one in found.comparisons} == {FRESH}
    assert found.notes == []
    for one in found.selection.chosen:
        if one.rank == 1:
            cell = found.table[one.env][one.variant]
            number = one.row(cell)
            assert found.fixed[one.env, one.variant] == number == found.best[one.env, one.variant]
    harmonic = found.comparisons[0]
    chosen = harmonic.ours.cell.scores("final_return")[found.fixed[LAKE, "harmonic"]]
    assert np.array_equal(harmonic.scores, chosen)
    assert harmonic.seeds.tolist() == list(range(1000, 1006))
    assert "fresh seeds that had no part in the choice" in basis_words(found.comparisons)


def test_seeds_of_stage_one_are_left_out_of_stage_two(published):
    spec = spec_of_choice(published(), range(1000, 1004)) | {"seeds": "0-1,1000-1003"}
    found = study([published(**spec)])
    assert found.comparisons[0].seeds.tolist() == [1000, 1001, 1002, 1003]
    assert all(seed >= 1000 for cell in found.cells for seed in cell.seeds)
    n = int((load_trials(found.results[0])["seed"] < 1000).sum())
    assert found.notes == [f"{n} trials on seeds that stage one chose by left out"]


def test_a_first_rank_that_failed_is_told_and_the_next_stands_in(published):
    spec = spec_of_choice(published(), range(1000, 1004), top=2)
    first = next(
        one
        for one in spec["selection"]["chosen"]
        if (one["variant"], one["rank"]) == ("harmonic", 1)
    )["settings"]

    def fails(trial):
        return trial.variant == "harmonic" and (trial.alpha, trial.eps_shift) == (
            first["alpha"], first["eps_shift"]
        )  # fmt: skip

    found = study([published(fails, **spec)])
    assert any("what stage one ranked 1 has no final return here; rank 2 stands in" in note
               for note in found.notes)  # fmt: skip
    assert found.comparisons[0].how == FRESH


def test_both_stages_read_together_are_no_fresh_evidence(published):
    first = published()
    second = published(**spec_of_choice(first, range(1000, 1004)))
    found = study([first, second])
    assert found.selection is None
    assert FRESH not in {one.how for one in found.comparisons}
    (note,) = found.notes
    assert "is a second stage but was read together with other results" in note


def test_a_selection_of_ones_own_is_kept_and_not_understood(published):
    found = study([published(selection={"note": "from a paper"})])
    assert found.selection is None
    (note,) = found.notes
    assert "must be one that `hq-ray select` wrote" in note
    assert len(found.comparisons) == 2


def test_common_random_numbers_make_equal_variants_equal(published):
    """Asymmetric with equal step sizes is standard under another name."""
    found = study([
        published(
            variant=["standard", "asymmetric"],
            parameters={},
            variant_parameters={
                "standard": {"alpha": 0.25},
                "asymmetric": {"alpha": 0.25, "alpha_down": 0.25},
            },
        )
    ])  # fmt: skip
    (one,) = found.comparisons
    assert one.how == SINGLE
    assert np.array_equal(one.scores, one.base_scores)
    assert one.difference.mean == 0
    assert judge(one).kind == "equal"
    assert pd.isna(found.trials["eps_shift"]).all()
