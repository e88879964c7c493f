import itertools
import re
import signal
from collections import Counter
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hq_ray.batch import BatchReport, run_batch
from hq_ray.errors import HqRayError
from hq_ray.store import DONE, FAILED, Failure, Results
from hq_ray.sweeps.batching import Batcher
from hq_ray.sweeps.driver import Crash, Driver, ExecutorLost, SweepStopped, Tally
from hq_ray.sweeps.progress import Progress
from hq_ray.trial import batch_name

WORKER = Crash("worker", "WorkerCrashedError: it died")
NODE = Crash("node", "NodeDiedError: it went away")
ERROR = Crash("error", "OSError: No space left on device")


def report(batch, reasons=()):
    """A report in which the trials with a reason failed."""
    failed = [trial for trial in batch if trial.seed in reasons]
    return BatchReport(
        done=tuple(trial.trial_id for trial in batch if trial.seed not in reasons),
        reasons=tuple(reasons[trial.seed] for trial in failed),
        steps=10 * (len(batch) - len(failed)),
        train_seconds=0.5,
        seconds=1.0,
    )


class Scripted:
    """An executor without processes, whose outcomes `script` decides batch by batch."""

    def __init__(self, script=report, cores=2, pick=lambda n: 0):
        self.cores, self._script, self._pick = cores, script, pick
        self._flying = []
        self.most_flying, self.cancelled, self.asked = 0, False, []
        self.submitted, self.done, self.failed = [], Counter(), Counter()

    def ask_for(self, cores):
        self.asked.append(cores)

    def submit(self, batch):
        self._flying.append(batch)
        self.submitted.append(tuple(trial.seed for trial in batch))
        self.most_flying = max(self.most_flying, len(self._flying))

    def wait(self):
        batch = self._flying.pop(self._pick(len(self._flying)))
        outcome = self._script(batch)
        if isinstance(outcome, BatchReport):
            self.done.update(outcome.done)
            self.failed.update({trial.trial_id for trial in batch} - set(outcome.done))
        return [(batch, outcome)]

    def cancel(self):
        self.cancelled = True
        self._flying = []


class Said(Progress):
    def __init__(self):
        self.sentences, self.shown = [], []

    def say(self, sentence):
        self.sentences.append(sentence)

    def show(self, activity, done, total, note):
        self.shown.append((activity, done, total, re.sub(r"[\d,]+ steps", "N steps", note)))


@pytest.fixture(scope="module")
def trials(make_trial):
    return [make_trial(seed=seed) for seed in range(300)]


@pytest.fixture
def sweep(results, trials):
    """Drives the first n trials through an executor."""

    def run(executor, n=40, trials_per_task=1, progress=None):
        batcher = Batcher(trials[:n], trials_per_task)
        return Driver(batcher, executor, results, progress or Progress()).run()

    return run


def ids(trials):
    return {trial.trial_id for trial in trials}


def once_each(executor, trials):
    return executor.done == dict.fromkeys(ids(trials), 1)


@pytest.mark.parametrize("cores", [1, 4])
def test_trials_are_run_once_counted_and_shown_and_few_batches_fly_at_once(sweep, trials, cores):
    reasons = {3: "ValueError: x", 4: "ValueError: x", 9: "KeyError: y"}
    executor, progress = Scripted(lambda batch: report(batch, reasons), cores), Said()
    tally = sweep(executor, progress=progress)
    assert once_each(executor, [trial for trial in trials[:40] if trial.seed not in reasons])
    assert tally == Tally(37, 3, 370, 20.0, Counter({"ValueError: x": 2, "KeyError: y": 1}))
    assert cores < executor.most_flying <= 4 * cores, "none of the cores waits"
    failed = [sum(seed < n for seed in reasons) for n in range(41)]
    assert progress.shown == [
        ("training", n, 40, f"{failed[n]} failed, N steps/s, cores: {cores}") for n in range(1, 41)
    ]
    assert progress.sentences == []


# Nodes that come and go


def test_cores_are_asked_for_while_there_is_work_for_them_and_then_no_more(results, trials):
    executor = Scripted(lambda batch: replace(report(batch), seconds=0.5 * len(batch)), cores=4)
    Driver(Batcher(trials), executor, results, Progress()).run()
    assert list(dict.fromkeys(executor.asked)) == [32, 2, 1, 0], "each for a minute of work"


def test_without_cores_it_waits_and_says_so_once_unless_ctrl_c_is_pressed(sweep, trials):
    class Away(Scripted):
        def wait(self):
            self.cores = next(later)
            if self.cores is None:
                self.cores = 0
                signal.raise_signal(signal.SIGINT)
            return super().wait() if self._flying else []

    later = itertools.chain([0, 0, 0], itertools.repeat(2, 10), itertools.repeat(8))
    executor, progress = Away(cores=0), Said()
    sweep(executor, progress=progress)
    assert once_each(executor, trials[:40])
    assert executor.most_flying > 8, "cores that join late are used"
    assert progress.sentences == ["waiting for nodes to join: the cluster has no cores at present"]
    later, executor = iter([2, 2, 0, None]), Away()
    assert sweep(executor, 40).interrupted
    assert executor.cancelled


# Lost workers and nodes


def test_a_lost_node_is_not_the_batches_fault(sweep, results, trials):
    losses = iter([NODE] * 25)
    executor = Scripted(lambda batch: next(losses, None) or report(batch))
    sweep(executor, 20, 4)
    assert once_each(executor, trials[:20])
    assert {len(batch) for batch in executor.submitted} == {4}
    assert results.published() == {}


@given(
    random=st.randoms(use_true_random=False),
    n=st.integers(1, 60),
    cores=st.integers(1, 4),
    size=st.none() | st.integers(1, 20),
    culprits=st.sets(st.integers(0, 59), max_size=4),
)
@settings(max_examples=30, deadline=None)
def test_whatever_is_lost_every_trial_ends_once_and_only_culprits_fail(
    tmp_path_factory, trials, random, n, cores, size, culprits
):
    losses = [30]

    def script(batch):
        if culprits & {trial.seed for trial in batch}:
            return WORKER
        # Bad luck strikes batches only: twice in a row, it would condemn a lone trial.
        if losses[0] and random.random() < 0.3:
            losses[0] -= 1
            return WORKER if len(batch) > 1 and random.random() < 0.5 else NODE
        return report(batch)

    results = Results.at(tmp_path_factory.mktemp("any"))
    executor = Scripted(script, cores, random.randrange)
    tally = Driver(Batcher(trials[:n], size), executor, results, Progress()).run()
    innocent = [trial for trial in trials[:n] if trial.seed not in culprits]
    assert once_each(executor, innocent)
    assert (tally.done, tally.failed) == (len(innocent), n - len(innocent))
    crashed = ids(trials[:n]) - ids(innocent)
    assert results.published() == dict.fromkeys(crashed, FAILED)
    if crashed:
        rows = pd.read_parquet(f"{results.location.path}/trials")
        assert set(rows["error_type"]) == {"WorkerCrashed"}
        assert rows["error_message"].str.contains("WorkerCrashedError: it died").all()


@pytest.fixture(scope="module")
def short(make_trial):
    """Trials that are really trained, by scripts that need what is on disk."""
    return [make_trial(env="FrozenLake-v1", seed=seed, episodes=2) for seed in range(4)]


@pytest.mark.parametrize("loss", [WORKER, NODE, ERROR], ids=["worker", "node", "error"])
def test_a_lost_batch_is_run_again_unless_it_was_published(results, short, loss):
    """The first is lost before it trains, where an earlier run had failed; the second after it."""
    results.publish([], [Failure(trial, "ValueError", "once", "") for trial in short[:2]])
    losses = iter([(False, loss), (True, loss)])

    def script(batch):
        trains, loss = next(losses, (True, None))
        ended = run_batch(batch, results) if trains else None
        return loss or ended

    executor = Scripted(script)
    tally = Driver(Batcher(short, 2), executor, results, Progress()).run()
    assert (tally.done, tally.failed) == (4, 0)
    again = [(0,), (1,)] if loss is WORKER else [(0, 1)]
    assert executor.submitted == [(0, 1), (2, 3), *again]
    assert results.published() == dict.fromkeys(ids(short), DONE)


def test_what_a_lost_batch_had_written_is_not_read_twice(results, short):
    losses = iter([WORKER])

    def script(batch):
        ended, loss = run_batch(batch, results), next(losses, None)
        if loss is not None:
            results.location.delete(f"trials/{batch_name(batch)}.parquet")
        return loss or ended

    tally = Driver(Batcher(short, 4), Scripted(script), results, Progress()).run()
    assert tally.done == 4
    assert len(pd.read_parquet(f"{results.location.path}/episodes")) == 2 * 4


# Stopping early


def test_a_store_that_refuses_again_and_again_stops_the_sweep_with_its_reason(sweep):
    executor = Scripted(lambda batch: ERROR)
    with pytest.raises(SweepStopped, match="No space left on device"):
        sweep(executor, 300, 4)
    assert executor.cancelled
    assert max(Counter(executor.submitted).values()) > 1
    assert len(executor.submitted) < 30
    assert (max(executor.asked), executor.asked[-1]) == (32, 0), "no more cores are asked for"


@pytest.mark.parametrize("size", [1, 25])
def test_failures_of_one_kind_stop_the_sweep(sweep, size):
    executor = Scripted(
        lambda batch: report(batch, {t.seed: f"ValueError: no state {t.seed}" for t in batch})
    )
    words = "with 0 trials done: .* failed: ValueError: no state"
    with pytest.raises(SweepStopped, match=words) as stopped:
        sweep(executor, 300, size)
    assert isinstance(stopped.value, HqRayError)
    assert executor.cancelled
    assert 20 <= len(executor.failed) < 20 + size


CHANGING = {seed: f"{('ValueError', 'KeyError')[seed % 2]}: x" for seed in range(300)}
EVERY_OTHER = dict.fromkeys(range(1, 300, 2), "ValueError: alpha too great")


@pytest.mark.parametrize(("reasons", "size"), [(CHANGING, 1), (EVERY_OTHER, 1), (EVERY_OTHER, 60)])
def test_failures_of_changing_kinds_or_among_successes_do_not_stop_it(sweep, reasons, size):
    tally = sweep(Scripted(lambda batch: report(batch, reasons)), 300, size)
    assert (tally.done, tally.failed) == (300 - len(reasons), len(reasons))


# Ctrl-C


def interrupting(times, after=3, number=signal.SIGINT):
    """A script that presses Ctrl-C while the batch after some others runs."""
    count = [0]

    def script(batch):
        count[0] += 1
        if count[0] == after:
            for _ in range(times):
                signal.raise_signal(number)
        return report(batch)

    return script


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_once_finishes_what_is_running_and_twice_stops_at_once(sweep, number):
    executor, progress = Scripted(interrupting(1, number=number)), Said()
    before = signal.getsignal(number)
    tally = sweep(executor, 100, progress=progress)
    assert tally.interrupted
    assert len(executor.submitted) == len(executor.done) == tally.done
    assert tally.done <= 3 + executor.most_flying
    assert not executor.cancelled
    assert len(progress.sentences) == 1
    assert "stopping" in progress.sentences[0]
    twice = Scripted(interrupting(2, number=number))
    with pytest.raises(KeyboardInterrupt):
        sweep(twice, 100)
    assert len(twice.done) == 2
    assert executor.asked[-1] == twice.asked[-1] == 0, "no more cores are asked for"
    assert signal.getsignal(number) is before


def test_ctrl_c_does_not_wait_for_retries(sweep):
    crash_after = interrupting(1, after=2)

    def script(batch):
        crash_after(batch)
        return WORKER if 0 in {trial.seed for trial in batch} else report(batch)

    executor = Scripted(script, cores=1, pick=lambda n: n - 1)
    assert sweep(executor, 100, 4).interrupted
    assert Counter(executor.submitted)[(0, 1, 2, 3)] == 1
    assert (0, 1) not in executor.submitted


@pytest.mark.parametrize("presses", [0, 1])
def test_a_ray_that_has_died_is_told_unless_a_signal_has_ended_it_too(sweep, presses):
    before, batches = interrupting(presses, after=2), []

    def script(batch):
        batches.append(batch)
        if len(batches) == 3:
            raise ExecutorLost("Ray's raylet has died")
        return before(batch)

    if presses:  # as one to all processes of a container does
        assert sweep(Scripted(script), 100).interrupted
        return
    stopped = "with 20 trials done: Ray's raylet has died; the same command resumes"
    with pytest.raises(SweepStopped, match=stopped):
        sweep(Scripted(script), 100, 10)
