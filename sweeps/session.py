"""Ray in the background: importing it takes 0.3 s, starting it 2 s and stopping it 1.3 s."""

from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

from hq_ray.store import Results
from hq_ray.sweeps.executors import Executor
from hq_ray.sweeps.options import RunOptions


class Session:
    """Ray, once `start` was called; `close` stops it, the end of the block waits until it has.

    See `ray_session` for the arguments.
    """

    def __init__(
        self,
        address: str | None = None,
        cores: int | None = None,
        modules: Collection[str] = (),
    ):
        # One thread starts and stops Ray: Linux kills Ray's processes when the thread that started
        # them ends. Python waits for it before it exits, also after an interrupt.
        self._thread = ThreadPoolExecutor(1, "ray-session")
        self._where = address, cores, modules
        self._ray = ExitStack()
        self._started: Future | None = None
        self._stopped: Future | None = None

    def start(self) -> None:
        """Lets Ray start in the background, if it was not told to."""
        if self._started is None:
            self._started = self._thread.submit(self._start)

    def _start(self) -> None:
        from hq_ray.sweeps.ray_executor import warm_workers
        from hq_ray.sweeps.ray_life import ray_session

        self._ray.enter_context(ray_session(*self._where))
        warm_workers()

    def wait(self) -> None:
        """Waits until Ray has started.

        Raises:
            InputError: no cluster answers at the address.
        """
        self.start()
        if self._started is not None:
            self._started.result()

    def executor(self, results: Results, options: RunOptions, token: str) -> Executor:
        """An executor on Ray, once it has started; see `train_batch` for the arguments."""
        self.wait()
        from hq_ray.sweeps.ray_executor import RayExecutor

        return RayExecutor(results, options, token)

    def close(self) -> None:
        """Lets Ray stop in the background."""
        if self._started is not None and self._stopped is None:
            self._stopped = self._thread.submit(self._ray.close)
            self._thread.shutdown(wait=False)

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()
        if self._stopped is not None:
            self._stopped.result()
