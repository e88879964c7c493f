import contextlib
import math
import re
import signal
from collections import Counter, deque
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hq_ray.batch import BatchReport, run_batch
from hq_ray.errors import HqRayError, ModelError
from hq_ray.store import DONE, FAILED, Failure, Results
from hq_ray.sweeps.batching import Batcher
from hq_ray.sweeps.driver import Driver, SweepStopped
from hq_ray.sweeps.executors import Crash, ExecutorLost, LocalExecutor
from hq_ray.sweeps.progress import Progress
from hq_ray.trial import batch_name

WORKER = Crash("worker", "WorkerCrashedError: it died")
NODE = Crash("node", "NodeDiedError: it went away")
ERROR = Crash("error", "OSError: No space left on device")


def done(batch):
    return report(batch, {})


def report(batch, reasons):
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

    def __init__(self, script=done, cores=2, pick=lambda n: 0):
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


@pytest.fixture
def results(tmp_path):
    return Results.at(tmp_path)


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


# All well


def test_every_trial_is_run_once(sweep, trials):
    executor = Scripted()
    tally = sweep(executor)
    assert once_each(executor, trials[:40])
    assert (tally.done, tally.failed, tally.steps, tally.train_seconds) == (40, 0, 400, 20.0)
    assert not tally.interrupted


@pytest.mark.parametrize("cores", [1, 4])
def test_few_batches_fly_at_once_and_none_of_the_cores_waits(sweep, cores):
    executor = Scripted(cores=cores)
    sweep(executor, 100)
    assert cores < executor.most_flying <= 4 * cores


def test_progress_is_shown(sweep):
    progress = Said()
    sweep(Scripted(lambda batch: report(batch, {39: "ValueError: x"})), progress=progress)
    assert progress.shown == [
        ("training", n, 40, f"{n // 40} failed, N steps/s, cores: 2") for n in range(1, 41)
    ]
    assert progress.sentences == []


def test_failed_trials_are_counted_with_their_reasons(sweep, trials):
    reasons = {3: "ValueError: x", 4: "ValueError: x", 9: "KeyError: y"}
    executor = Scripted(lambda batch: report(batch, reasons))
    tally = sweep(executor, 40, 5)
    assert (tally.done, tally.failed) == (37, 3)
    assert tally.reasons == {"ValueError: x": 2, "KeyError: y": 1}


# Nodes that come and go


class Simulated:
    """A cluster in simulated time; `nodes` has a node's cores, when it joins, and when it is lost.

    A trial takes half a second, and a batch that is lost with its node begins again elsewhere.
    """

    def __init__(self, *nodes):
        self.now, self.asked, self.began, self.core_seconds = 0.0, [], [], 0.0
        self._nodes, self._queue, self._running = nodes, deque(), {}
        self._moments = sorted(moment for _, *life in nodes for moment in life)

    def _free(self):
        """Names of the cores that are there, and of those that have nothing to do."""
        there = [
            (number, core)
            for number, (cores, joins, leaves) in enumerate(self._nodes)
            for core in range(cores)
            if joins <= self.now < leaves
        ]
        return there, [core for core in there if core not in self._running]

    @property
    def cores(self):
        return len(self._free()[0])

    def ask_for(self, cores):
        self.asked.append(cores)

    def submit(self, batch):
        self._queue.append(batch)

    def wait(self):
        for core, _ in zip(self._free()[1], list(self._queue), strict=False):
            self.began.append((self.now, core))
            batch = self._queue.popleft()
            self._running[core] = (self.now + 0.5 * len(batch), batch)
        ends = [end for end, _ in self._running.values()]
        ahead = [moment for moment in self._moments if moment > self.now]
        until = min([*ends, *ahead])
        self.core_seconds += self.cores * (until - self.now)
        self.now = until
        there, outcomes = self._free()[0], []
        for core, (end, batch) in list(self._running.items()):
            if core not in there:
                outcomes.append((batch, NODE))
            elif end <= self.now:
                seconds = 0.5 * len(batch)
                outcomes.append((batch, replace(done(batch), seconds=seconds)))
            else:
                continue
            del self._running[core]
        return outcomes

    def cancel(self):
        self._queue.clear()
        self._running.clear()


def test_nodes_that_join_late_are_used_and_those_that_are_lost_are_made_up_for(results, trials):
    late, later, last = (4, 5.0, 16.0), (8, 10.0, 18.0), (4, 10.5, math.inf)
    cluster, said = Simulated(late, later, last), Said()
    tally = Driver(Batcher(trials), cluster, results, said).run()
    assert (tally.done, tally.failed) == (300, 0)
    assert said.sentences == ["waiting for nodes to join: the cluster has no cores at present"]
    work = 300 * 0.5
    assert work < cluster.core_seconds < 1.25 * work
    for number, (cores, joins, _) in enumerate((late, later, last)):
        first = [when for when, core in cluster.began if core[0] == number][:cores]
        assert max(first) <= joins + 2.0, "a node gets work within seconds"


def test_cores_are_asked_for_while_there_is_work_for_them_and_then_no_more(results, trials):
    cluster = Simulated((4, 0.0, math.inf))
    Driver(Batcher(trials), cluster, results, Progress()).run()
    assert list(dict.fromkeys(cluster.asked)) == [32, 2, 1, 0], "each for a minute of work"


@pytest.mark.parametrize(
    ("script", "raised"),
    [(lambda batch: ERROR, SweepStopped), (None, None), (None, KeyboardInterrupt)],
    ids=["error", "Ctrl-C", "Ctrl-C twice"],
)
def test_cores_are_asked_for_no_more_after_an_error_or_ctrl_c(sweep, script, raised):
    executor = Scripted(script or interrupting(1 if raised is None else 2))
    with pytest.raises(raised) if raised else contextlib.nullcontext():
        sweep(executor, 100)
    assert (max(executor.asked), executor.asked[-1]) == (32, 0)


def test_ctrl_c_while_there_are_no_cores_waits_for_nothing(results, trials):
    class Gone(Simulated):
        def wait(self):
            ended = super().wait()
            if self.now >= 1.0:
                signal.raise_signal(signal.SIGINT)
            return ended

    cluster = Gone((2, 0.0, 1.0))
    assert Driver(Batcher(trials), cluster, results, Progress()).run().interrupted


# Lost workers and nodes


@pytest.mark.parametrize("size", [1, 7])
@pytest.mark.parametrize("culprits", [{11}, {3, 4, 17}])
def test_a_crash_is_narrowed_down_to_its_culprit(sweep, results, trials, size, culprits):
    def script(batch):
        return WORKER if culprits & {trial.seed for trial in batch} else done(batch)

    executor = Scripted(script)
    tally = sweep(executor, 20, size)
    innocent = [trial for trial in trials[:20] if trial.seed not in culprits]
    assert once_each(executor, innocent)
    assert (tally.done, tally.failed) == (len(innocent), len(culprits))
    assert results.published() == {trials[seed].trial_id: FAILED for seed in culprits}
    row = pd.read_parquet(f"{results.location.path}/trials").iloc[0]
    assert row["error_type"] == "WorkerCrashed"
    assert "WorkerCrashedError: it died" in row["error_message"]


def test_a_lost_node_is_not_the_batches_fault(sweep, results, trials):
    losses = iter([NODE] * 25)
    executor = Scripted(lambda batch: next(losses, None) or done(batch))
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
def test_whatever_is_lost_every_trial_ends_once(
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
        return done(batch)

    results = Results.at(tmp_path_factory.mktemp("any"))
    executor = Scripted(script, cores, random.randrange)
    Driver(Batcher(trials[:n], size), executor, results, Progress()).run()
    assert once_each(executor, [trial for trial in trials[:n] if trial.seed not in culprits])
    assert set(results.published()) == {trials[seed].trial_id for seed in culprits if seed < n}


@pytest.fixture(scope="module")
def short(make_trial):
    """Trials that are really trained, by scripts that need what is on disk."""
    return [make_trial(env="FrozenLake-v1", seed=seed, episodes=2) for seed in range(4)]


@pytest.mark.parametrize("loss", [WORKER, NODE, ERROR], ids=["worker", "node", "error"])
def test_a_batch_lost_after_it_was_published_is_not_run_again(results, short, loss):
    losses = iter([loss])

    def script(batch):
        report = run_batch(batch, results)
        return next(losses, None) or report

    executor = Scripted(script)
    tally = Driver(Batcher(short, 2), executor, results, Progress()).run()
    assert (tally.done, tally.failed) == (4, 0)
    assert executor.submitted == [(0, 1), (2, 3)]
    assert results.published() == dict.fromkeys(ids(short), DONE)


def test_what_a_lost_batch_had_written_is_not_read_twice(results, short):
    losses = iter([WORKER])

    def script(batch):
        report = run_batch(batch, results)
        loss = next(losses, None)
        if loss is not None:
            results.location.delete(f"trials/{batch_name(batch)}.parquet")
        return loss or report

    tally = Driver(Batcher(short, 4), Scripted(script), results, Progress()).run()
    assert tally.done == 4
    assert len(pd.read_parquet(f"{results.location.path}/episodes")) == 2 * 4


@pytest.mark.parametrize("loss", [WORKER, NODE, ERROR], ids=["worker", "node", "error"])
def test_a_retried_failure_that_is_lost_is_run_again(results, short, loss):
    results.publish([], [Failure(short[0], "ValueError", "once", "")])
    losses = iter([loss])
    executor = Scripted(lambda batch: next(losses, None) or run_batch(batch, results))
    tally = Driver(Batcher(short, 1), executor, results, Progress()).run()
    assert (tally.done, tally.failed) == (4, 0)
    assert results.published() == dict.fromkeys(ids(short), DONE)


# Stopping early


def test_a_store_that_hiccups_is_tried_again(sweep, trials):
    errors = iter([ERROR])
    executor = Scripted(lambda batch: next(errors, None) or done(batch))
    sweep(executor, 20, 4)
    assert once_each(executor, trials[:20])


def test_a_store_that_refuses_stops_the_sweep_with_its_reason(sweep):
    executor = Scripted(lambda batch: ERROR)
    with pytest.raises(SweepStopped, match="No space left on device"):
        sweep(executor, 300, 4)
    assert executor.cancelled
    assert max(Counter(executor.submitted).values()) > 1
    assert len(executor.submitted) < 30


def test_an_error_of_ours_is_raised_as_it_is(sweep):
    cause = ModelError("the model must be the planned one")
    executor = Scripted(lambda batch: Crash("error", "ModelError: x", cause))
    with pytest.raises(ModelError, match="the planned one"):
        sweep(executor)
    assert executor.cancelled
    assert len(executor.submitted) <= executor.most_flying


@pytest.mark.parametrize("size", [1, 25])
def test_failures_of_one_kind_stop_the_sweep(sweep, size):
    executor = Scripted(
        lambda batch: report(batch, {t.seed: f"ValueError: no state {t.seed}" for t in batch})
    )
    with pytest.raises(SweepStopped, match="ValueError: no state") as stopped:
        sweep(executor, 300, size)
    assert isinstance(stopped.value, HqRayError)
    assert executor.cancelled
    assert 20 <= len(executor.failed) < 20 + size


def test_failures_of_changing_kinds_do_not_stop_it(sweep):
    kinds = {seed: f"{('ValueError', 'KeyError')[seed % 2]}: x" for seed in range(100)}
    tally = sweep(Scripted(lambda batch: report(batch, kinds)), 100)
    assert (tally.done, tally.failed) == (0, 100)


@pytest.mark.parametrize("size", [1, 60])
def test_failures_among_successes_do_not_stop_it(sweep, size):
    reasons = dict.fromkeys(range(1, 300, 2), "ValueError: alpha too great")
    tally = sweep(Scripted(lambda batch: report(batch, reasons)), 300, size)
    assert (tally.done, tally.failed) == (150, 150)


# Ctrl-C


def interrupting(times, after=3, number=signal.SIGINT):
    """A script that presses Ctrl-C while the batch after some others runs."""
    count = [0]

    def script(batch):
        count[0] += 1
        if count[0] == after:
            for _ in range(times):
                signal.raise_signal(number)
        return done(batch)

    return script


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_once_finishes_what_is_running(sweep, number):
    executor, progress = Scripted(interrupting(1, number=number), cores=2), Said()
    before = signal.getsignal(number)
    tally = sweep(executor, 100, progress=progress)
    assert tally.interrupted
    assert len(executor.submitted) == len(executor.done) == tally.done
    assert tally.done <= 3 + executor.most_flying
    assert not executor.cancelled
    assert len(progress.sentences) == 1
    assert "stopping" in progress.sentences[0]
    assert signal.getsignal(number) is before


def test_ctrl_c_does_not_wait_for_retries(sweep):
    crash_after = interrupting(1, after=2)

    def script(batch):
        crash_after(batch)
        return WORKER if 0 in {trial.seed for trial in batch} else done(batch)

    executor = Scripted(script, cores=1, pick=lambda n: n - 1)
    assert sweep(executor, 100, 4).interrupted
    assert Counter(executor.submitted)[(0, 1, 2, 3)] == 1
    assert (0, 1) not in executor.submitted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_twice_stops_at_once(sweep, number):
    executor = Scripted(interrupting(2, number=number))
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        sweep(executor, 100)
    assert len(executor.done) == 2
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("pressed", [False, True])
def test_without_ray_it_stops_and_says_so_unless_it_was_told_to_stop(sweep, pressed):
    before = interrupting(int(pressed), after=2)
    batches = []

    def script(batch):
        batches.append(batch)
        if len(batches) == 3:
            raise ExecutorLost("Ray's raylet has died")
        return before(batch)

    if pressed:  # a signal to all processes of a container ends Ray too
        assert sweep(Scripted(script), 100).interrupted
        return
    stopped = "with 20 trials done: Ray's raylet has died; the same command resumes"
    with pytest.raises(SweepStopped, match=stopped):
        sweep(Scripted(script), 100, 10)


# In this process


def test_the_local_executor_reports_an_error_as_a_crash(trials):
    problem = OSError("No space left")

    def run(batch):
        raise problem

    executor = LocalExecutor(run)
    executor.submit(tuple(trials[:2]))
    ((ended, crash),) = executor.wait()
    assert ended == tuple(trials[:2])
    assert (crash.kind, crash.reason, crash.cause) == ("error", "OSError: No space left", problem)
