"""Verdicts from published trials, as a reader gets them: `hq_ray.compare` and `hq-ray compare`."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from small_sweeps import fresh, publish_scores
from trial_frames import exact

import hq_ray
from hq_ray.analysis.study import study
from hq_ray.cli import run_command_line
from hq_ray.errors import InputError
from hq_ray.store import Results

FAILED = float("inf")
STANDARD, HARMONIC = ("standard", 0.1), ("harmonic", 0.5)


def noise(*shape, seed=0, mean=-20):
    return np.random.default_rng(seed).normal(mean, 1, shape)


def by_seed(seeds, scores):
    return dict(zip(seeds, np.asarray(scores, float).tolist(), strict=True))


def choice(metric="mean_return", *chosen, **more):
    return {"metric": metric, "chosen": chosen or (STANDARD, HARMONIC), **more}


@pytest.fixture
def publish(tmp_path):
    """Publishes scores of two configurations of two variants, the second of which is the best one;
    and, block by block, fresh ones of STANDARD and HARMONIC.
    """

    def published(*blocks, n=4, name="x", chosen=None, more=(), **identity):
        keys = [("standard", 0.9), STANDARD, ("harmonic", 0.9), HARMONIC]
        means = [-30, -25, -30, -25]
        scores = {
            key: by_seed(range(n), noise(n, seed=s, mean=mean))
            for s, (key, mean) in enumerate(zip(keys, means, strict=True))
        }
        for block, sides in enumerate(blocks):
            for key, values in zip((STANDARD, HARMONIC), sides, strict=True):
                scores[key] |= by_seed(fresh(block, len(values)), values)
        for key, of in dict(more).items():
            scores[key] = scores.get(key, {}) | of
        if chosen is None:
            chosen = {block: choice() for block in range(len(blocks))}
        return publish_scores(tmp_path / name, scores, chosen, **identity)

    return published


PAIR = noise(9), noise(9, seed=1)


def one_row(folder, **options):
    found = hq_ray.compare(folder, **options)
    assert len(found) == 1
    return found.iloc[0]


def test_exploration_holds_no_fresh_seed(publish):
    one, other = (study([Results.at(one)]) for one in (publish(), publish(PAIR, name="y")))
    for a, b in zip(one.cells, other.cells, strict=True):
        assert np.array_equal(a.scores("mean_return"), b.scores("mean_return"))
        assert a.labels == b.labels
    assert one.curves["Table-v0", "standard"]["episode_return"].shape == (4, 4)
    assert other.curves["Table-v0", "standard"]["episode_return"][:, 0] == exact(noise(9))
    assert other.chosen["Table-v0", "harmonic"].seeds.tolist() == fresh(0, 9)


def test_the_last_block_speaks_of_what_was_recorded_and_the_earlier_is_told(publish):
    worse, better = noise(10, seed=2, mean=-40), noise(10, seed=2, mean=-10)
    chosen = {0: choice(), 1: choice(extended_after=[5])}
    folder = publish((noise(10), worse), (noise(10, seed=3), better), chosen=chosen)
    # Of how many it was chosen is what was recorded then.
    text = (folder / "sweep.json").read_text()
    recorded = text.replace('"configurations": 2', '"configurations": 7')
    (folder / "sweep.json").write_text(recorded)
    row = one_row(folder)
    assert (row["kind"], row["basis"], row["chosen_from"]) == ("better", "confirmed", 7)
    assert row["verdict"].startswith("Confirmed: on Table-v0, harmonic beats standard in mean")
    notes = study([Results.at(folder)], with_references=False).notes
    assert (
        "an earlier confirmation on Table-v0 is not used in the verdict: standard alpha 0.1, "
        "10 seeds; harmonic alpha 0.5, 10 seeds"
    ) in notes
    assert "the confirmation on Table-v0 was extended after 5 seeds" in notes


def test_results_copied_by_hand_say_enough(publish):
    block = noise(10), noise(10, seed=1, mean=-10)
    folder = publish(block)
    (folder / "sweep.json").unlink()
    row = one_row(folder)
    assert (row["kind"], row["basis"], row["configuration"]) == ("better", "confirmed", "alpha 0.5")
    # Of several the best explored one is the first.
    others = dict.fromkeys([("standard", 0.9), ("harmonic", 0.9)], by_seed(fresh(0, 10), noise(10)))
    folder = publish(block, more=others, name="y")
    (folder / "sweep.json").unlink()
    found = hq_ray.compare(folder)
    assert found["configuration"].tolist() == ["alpha 0.5", "alpha 0.9"]
    assert set(found["baseline_configuration"]) == {"alpha 0.1"}


def test_failed_fresh_seeds_drop_their_pairs_and_are_counted(publish):
    base, ours = noise(10), noise(10, seed=1)
    base[3] = ours[3] = ours[7] = FAILED
    row = one_row(publish((base, ours)))
    kept = np.isfinite(base) & np.isfinite(ours)
    assert row["p_value"] == exact(stats.ttest_rel(ours[kept], base[kept]).pvalue)
    assert (row["n"], row["failed"]) == (8, 2)
    assert "n = 8 paired seeds, 2 failed, 20 not there yet" in row["verdict"]


def test_one_fresh_seed_is_too_few(publish):
    row = one_row(publish((noise(1), noise(1))))
    assert (row["kind"], row["basis"]) == ("too few seeds", "confirmed")
    assert "too few seeds, 1 fresh and done" in row["verdict"]


def test_seeds_that_are_not_shared_have_welchs_test(publish):
    base, ours = PAIR
    apart = {STANDARD: by_seed(fresh(0, 9), base), HARMONIC: by_seed(fresh(0, 18)[9:], ours)}
    expected = stats.ttest_ind(ours, base, equal_var=False)
    for folder in (publish(PAIR, fingerprint="unseeded"), publish(more=apart, name="apart")):
        row = one_row(folder)
        assert (row["p_value"], row["paired"]) == (exact(expected.pvalue), False)


def test_each_of_the_best_three_is_in_the_family(publish):
    keys = [("harmonic", 0.5), ("harmonic", 0.7), ("harmonic", 0.9)]
    values = {key: noise(12, seed=s, mean=-19.2 - s) for s, key in enumerate(keys)}
    base = noise(12, seed=9)
    more = {key: by_seed(fresh(0, 12), of) for key, of in {**values, STANDARD: base}.items()}
    more["harmonic", 0.7] |= by_seed(range(4), noise(4))
    chosen = {0: choice("mean_return", STANDARD, *keys)}
    found = hq_ray.compare(publish(more=more, chosen=chosen))
    assert found["configuration"].tolist() == ["alpha 0.5", "alpha 0.7", "alpha 0.9"]
    assert found["rank"].tolist() == [1, 2, 3]
    p = np.array([stats.ttest_rel(of, base).pvalue for of in values.values()])
    order = np.argsort(p)
    adjusted = np.empty(3)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * [3, 2, 1]))
    assert found["p_value"].to_numpy() == exact(p)
    assert found["p_holm"].to_numpy() == exact(adjusted)


def test_the_metric_is_that_of_the_last_confirmation_and_another_is_exploratory(publish, capsys):
    chosen = {0: choice("policy_value"), 1: choice("final_return")}
    folder = publish((noise(9), noise(9)), (noise(7), noise(7, seed=1)), n=8, chosen=chosen)
    row = one_row(folder)
    assert (row["metric"], row["basis"], row["n"]) == ("final_return", "confirmed", 7)
    assert one_row(folder, metric="mean_steps")["basis"] == "exploratory"
    assert run_command_line(["compare", str(folder), "--metric", "mean_return"]) == 0
    said = capsys.readouterr().out
    assert "the verdict by mean_return is exploratory" in " ".join(said.split())


def test_a_variant_without_fresh_seeds_is_exploratory(publish):
    folder = publish(PAIR, n=8, more={("minimum", 0.1): by_seed(range(8), noise(8))})
    assert hq_ray.compare(folder)["basis"].tolist() == ["confirmed", "exploratory"]
    notes = " ".join(study([Results.at(folder)]).notes)
    assert "minimum on Table-v0 has no fresh seeds for the latest choice" in notes


def test_the_baseline_is_standard_or_the_first_of_the_spec_or_the_one_that_is_named(tmp_path):
    variants = ("asymmetric", "harmonic", "minimum", "standard")
    scores = {(v, 0.1): by_seed(range(5), noise(5, seed=s)) for s, v in enumerate(variants)}
    folder = publish_scores(tmp_path / "x", scores, order=("minimum", "harmonic"))
    for given, baseline, others in (
        ({}, "standard", ["minimum", "harmonic", "asymmetric"]),
        ({"where": "variant != 'standard'"}, "minimum", ["harmonic", "asymmetric"]),
        ({"baseline": "harmonic"}, "harmonic", ["minimum", "asymmetric", "standard"]),
    ):
        found = hq_ray.compare(folder, **given)
        assert (set(found["baseline"]), found["variant"].tolist()) == ({baseline}, others)
    with pytest.raises(InputError, match="got 'harmonc'; did you mean 'harmonic'"):
        hq_ray.compare(folder, baseline="harmonc")


def test_a_condition_does_not_shrink_the_family(publish):
    block = noise(9), noise(9, seed=1, mean=-19)
    places = [publish(block, name=env, env=f"{env}-v0") for env in "AB"]
    whole, some = hq_ray.compare(places), hq_ray.compare(places, "env == 'B-v0'")
    assert len(some) == 1
    assert some["p_holm"].tolist() == whole["p_holm"][1:].tolist()
    assert some["p_holm"][0] == exact(2 * some["p_value"][0])


def test_worlds_of_one_name_and_lengths_are_kept_apart_and_called_by_their_labels(publish):
    args = '{"max_speed":2}'
    places = [
        publish(PAIR, name="a", env_args=args, label="mistyped"),
        publish(name="b", env_args=args),
        publish(n=6, name="d", env_args=args, label="fast grid"),  # the newest label counts
    ]
    assert one_row(places)["env"] == "fast grid"
    places.append(publish(PAIR, name="c", env="Other-v0", label="fast grid"))
    for world, episodes in (("a", 4), ("b", 4), ("b", 6)):
        of = {"fingerprint": world * 16, "episodes": episodes}
        places.append(publish(PAIR, name=f"{world}{episodes}", **of))
    found = hq_ray.compare(places)
    assert found["env"].tolist() == [
        "Table-v0 (model aaaaaaaa)",
        "Table-v0 (model bbbbbbbb), episodes 4",
        "Table-v0 (model bbbbbbbb), episodes 6",
        "fast grid (Other-v0)",
        "fast grid (Table-v0, max_speed 2)",
    ]
    assert found["n"].tolist() == [9] * 5


def test_no_name_is_broken_at_80_columns_and_one_variant_has_its_metrics(
    publish, capsys, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "80")
    better = noise(9, seed=1, mean=-18)
    folder = publish((noise(9), better), env="CliffHanging-v1")
    where = ["--where", "variant == 'standard' and role == 'confirmation'"]
    for flags in (["--threshold", "-18.5", "--smooth", "1"], where):
        assert run_command_line(["compare", str(folder), *flags]) == 0
        said = capsys.readouterr().out
        lines = said.splitlines()
        if flags is not where:
            assert "exploratory" not in said
            assert f"{(better >= -18.5).mean():.0%}" in said
        said = (n for n, line in enumerate(lines) if line.startswith(("Conf", "There is")) and n)
        table = lines[: next(said)]
        assert max(map(len, table)) <= 80
        assert any(line.startswith((" CliffHanging-v1 ", "CliffHanging-v1: ")) for line in table)
    (learned,) = [line.split() for line in table if line.startswith(" what was learned")]
    mean, se = noise(9).mean(), noise(9).std(ddof=1) / 3
    low, high = -mean - 2.306 * se, -mean + 2.306 * se
    assert learned[3:] == ["standard", "9", f"{-mean:.3g}", f"{low:.3g}", "to", f"{high:.3g}"]


def test_trials_are_listed_with_their_ids(publish, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    folder = str(publish((noise(3), noise(3, seed=1)), more={STANDARD: {9: FAILED}}))
    trials = hq_ray.load_trials(folder, quiet=True).set_index("trial_id")

    def listed(*flags):
        assert run_command_line(["trials", folder, *flags]) == 0
        return capsys.readouterr().out

    lines = [line for line in listed().splitlines() if "Table-v0" in line]
    assert len(lines) == len(trials) == 23
    assert all(sum(name in line for name in trials.index) == 1 for line in lines)
    found = json.loads(listed("--json", "--where", "role == 'confirmation'"))
    assert {one["seed"] for one in found} == set(map(str, fresh(0, 3)))
    for one in found:
        assert one["mean_return"] == trials["mean_return"][one["trial_id"]]
        assert one["eps_shift"] is None or one["variant"] == "harmonic"
    best = pd.read_csv(io.StringIO(listed("--csv", "--best", "4", "--metric", "policy_value")))
    assert best["trial_id"].tolist() == trials["policy_value"].nlargest(4).index.tolist()
    assert listed("--csv", "--where", "seed == 77").count("\n") == 1
    assert run_command_line(["trials", folder, "--where", "seed == 77"]) == 2
    assert "--where must match a trial" in capsys.readouterr().err
    assert run_command_line(["trials", folder, "--best", "1", "--metric", "mean_retrun"]) == 2
    assert "did you mean 'mean_return'" in capsys.readouterr().err


def test_a_handle_shows_loads_compares_and_reports(publish, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = publish((noise(6), noise(6, seed=1)), label="<small>")
    handle = hq_ray.open_results(folder)
    assert "&lt;small&gt;" in handle._repr_html_()
    assert len(handle.trials()) == 28
    assert len(handle.episodes()) == 28 * 4
    for same in (folder, handle):
        pd.testing.assert_frame_equal(handle.compare(rope=9), hq_ray.compare(same, rope=9))
    curves = handle.curves(smooth=2)
    part = curves[(curves["variant"] == "standard") & (curves["quantity"] == "episode_return")]
    assert part["mean"].tolist() == exact([noise(6).mean()] * 4)
    assert part["se"].tolist() == exact([stats.sem(noise(6))] * 4)
    assert set(part["n"]) == {6}
    assert handle.report() == "reports/x/report.html"
