"""Drivers of shards of one sweep, at once, on a disk and on moto's object store."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torture

from hq_ray.errors import InputError
from hq_ray.location import Location
from hq_ray.store import DONE, Results
from hq_ray.sweeps.options import RunOptions, Shard
from hq_ray.sweeps.ownership import (
    GONE_SECONDS,
    OWNER_FILE,
    Held,
    Ownership,
    card_name,
    holds,
    this_process,
)
from hq_ray.sweeps.plan import TrialSet, count_by_configuration, plan
from hq_ray.sweeps.status import status


def part(k, n):
    return Shard.parse(f"{k}/{n}")


def test_four_shards_at_once_of_which_one_is_killed(anywhere, undisturbed, undisturbed_folder):
    options = {"shard": "2/4", "local": True, "trials_per_task": 1}
    driver = torture.start(anywhere, **options, **torture.SLOWLY)
    second = {one.trial_id for one in torture.trials() if part(2, 4).has(one.config_id, one.seed)}
    with ThreadPoolExecutor(3) as pool:
        others = [
            pool.submit(torture.run, anywhere, local=True, shard=f"{k}/4", trials_per_task=3)
            for k in (1, 3, 4)
        ]
        while driver.poll() is None and not second & Results.at(anywhere).survey().status.keys():
            time.sleep(0.02)
        driver.kill()
        driver.wait()
        done = sum(running.result().done for running in others)
    assert done == 48 - len(second)
    found = status(Results.at(anywhere))
    assert (found.totals["planned"], found.holders) == (48, [])
    resumed = torture.run(anywhere, local=True, shard="2/4")
    assert 0 < resumed.done_before < resumed.done_before + resumed.done == len(second)
    whole = torture.run(anywhere, local=True)
    assert (whole.done, whole.done_before) == (0, 48)
    here, one = Results.at(anywhere), Results.at(undisturbed_folder)
    assert here.survey().stray == []
    torture.assert_complete(anywhere, undisturbed)
    assert here.location.files(".json") == one.location.files(".json") == ["sweep.json"]
    assert here.location.read("sweep.json") == one.location.read("sweep.json"), "as of one driver"


def test_shards_of_one_split_are_held_together_and_nothing_else_beside_them(anywhere):
    location = Location.of(anywhere)
    with Ownership(location, part(1, 4)) as first:
        with Ownership(location, part(2, 4)) as second:
            for overlapping in (None, part(1, 4), part(3, 8)):
                with pytest.raises(Held, match=r"has held shard [12]-of-4 of them since"):
                    Ownership(location, overlapping).__enter__()
            for owner, shard in ((first, part(1, 4)), (second, part(2, 4))):
                assert holds(location, owner.token, card_name(shard))
        with pytest.raises(Held):
            Ownership(location).__enter__()
    with Ownership(location) as whole:
        assert not whole.took_over
        with pytest.raises(Held, match="has held them since"):
            Ownership(location, part(1, 4)).__enter__()
        assert holds(location, whole.token)
    with Ownership(location, part(3, 8)) as third:
        assert not third.took_over


def test_what_a_killed_driver_held_is_taken_over_whatever_its_part_was(anywhere):
    location = Location.of(anywhere)
    gone = {**this_process(), "host": "elsewhere", "beat": time.time() - GONE_SECONDS - 1}
    for left, taker in ((None, part(1, 4)), (part(1, 4), None), (part(1, 4), part(1, 8))):
        card = {"token": "killed", "since": "noon", **gone}
        location.write(card_name(left), json.dumps(card).encode())
        with Ownership(location, taker) as owner:
            assert owner.took_over
            assert not holds(location, "killed", card_name(left)), "its workers commit no more"
            assert holds(location, owner.token, card_name(taker))
    assert not location.child(OWNER_FILE).exists()


def test_a_shard_clears_away_what_its_own_killed_driver_left_and_nothing_else(anywhere):
    results = Results.at(anywhere)
    torture.run(anywhere, local=True, trials_per_task=1)
    names = results.names("trials")
    for name in names[:8]:
        results.location.delete(f"trials/{name}")
    in_part = {one.trial_id for one in torture.trials() if part(1, 2).has(one.config_id, one.seed)}
    others = {
        name
        for name in names[:8]
        if results.read("episodes", name, ["trial_id"])["trial_id"][0].as_py() not in in_part
    }
    known = results.survey(part(1, 2).has).status
    assert set(known) == in_part & results.survey().status.keys()
    assert 0 < len(others) < 8
    torture.run(anywhere, local=True, shard="1/2", trials_per_task=10)
    assert {name for _, name in results.survey().stray} == others


def test_each_trial_is_in_one_shard():
    trials = torture.trials()
    shards = [part(k, 3) for k in (1, 2, 3)]
    parts = [list(plan(trials, {}, shard=shard).trials) for shard in shards]
    assert sorted(one.trial_id for of in parts for one in of) == sorted(trials.ids())
    for shard, of in zip(shards, parts, strict=True):
        assert all(shard.has(one.config_id, one.seed) for one in of)
        published = {one.trial_id: DONE for one in of[3:5]}
        made = plan(trials, published | {"elsewhere": DONE}, shard=shard)
        assert (made.n_done, list(made.missing)) == (2, [*of[:3], *of[5:]])


def test_a_shard_of_ten_million_trials_computes_no_id(make_trial, monkeypatch):
    monkeypatch.setattr("hq_ray.sweeps.plan.id_by_seed", None)
    trials = TrialSet([make_trial("standard"), make_trial("harmonic")], range(5 * 10**6))
    made = plan(trials, {}, shard=part(3, 16))
    assert count_by_configuration(made.missing, trials) == [312_500, 312_500]


@pytest.mark.parametrize("text", ["0/4", "5/4", "3", "3/4/5", "a/b", "-1/4", "1/0", ""])
def test_a_shard_that_is_none_is_refused(text):
    with pytest.raises(InputError, match=r"shard: must be like 3/16, the third of sixteen"):
        RunOptions(shard=text)


def test_the_command_line_and_confirmation_by_a_driver_of_the_whole(lakes, call, said):
    line = "sweep lakes.yaml --local --set gamma=0.9,0.95 --confirm 3"
    for k in (1, 2):
        assert "Confirmation is left to a run without --shard" in said(f"{line} --shard {k}/2")
    assert "Exploratory" in said("compare results/lakes")
    assert "24 trials done, 0 failed, 0 of confirmation" in said("status results/lakes")
    assert "Ran 12 trials" in said(line)
    code, _, err = call(f"{line} --shard 1/2 --repair")
    assert (code, "repair must be done by a driver of the whole" in err) == (2, True)
