"""Starts and stops Ray in the background, since both take seconds."""

import threading

from hq_ray.store import Results
from hq_ray.sweeps.executors import Executor
from hq_ray.sweeps.options import RunOptions


class Session:
    """Ray, being started at once; `close` stops it, the end of the block waits until it has.

    On a small machine importing Ray takes 0.3 s, starting it 2 s and stopping it 1.3 s, most of it
    waiting for other processes.
    """

    def __init__(self, address: str | None = None, cores: int | None = None):
        self._address, self._cores = address, cores
        self._ready, self._over, self._ended = (threading.Event() for _ in range(3))
        self._problem: BaseException | None = None
        # One thread starts and stops Ray: Linux kills Ray's processes when the thread that started
        # them ends.
        threading.Thread(target=self._live, name="ray-session", daemon=True).start()

    def _live(self) -> None:
        try:
            from hq_ray.sweeps.ray_executor import warm_workers
            from hq_ray.sweeps.ray_life import ray_session

            with ray_session(self._address, self._cores):
                warm_workers()
                self._ready.set()
                self._over.wait()
        except BaseException as problem:
            self._problem = problem
        finally:
            self._ready.set()
            self._ended.set()

    def wait(self) -> None:
        """Waits until Ray has started.

        Raises:
            InputError: no cluster answers at the address.
        """
        self._ready.wait()
        if self._problem is not None:
            raise self._problem

    def executor(self, results: Results, options: RunOptions, token: str) -> Executor:
        """An executor on Ray, once it has started; see `train_batch` for the arguments.

        Raises:
            InputError: no cluster answers at the address.
        """
        self.wait()
        from hq_ray.sweeps.ray_executor import RayExecutor

        return RayExecutor(results, options, token)

    def close(self) -> None:
        """Lets Ray stop in the background."""
        self._over.set()

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()
        interrupted = False
        # Not Thread.join, which after an interrupt takes a living thread for an ended one.
        while not self._ended.is_set():
            try:
                self._ended.wait()
            except KeyboardInterrupt:
                interrupted = True  # raised later, or Ray would be left running
        if interrupted:
            raise KeyboardInterrupt
