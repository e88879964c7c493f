"""Ray's life around a sweep: started and stopped beside other work, since both take seconds."""

import threading
from types import TracebackType

from hq_ray.store import Results
from hq_ray.sweeps.executors import Executor
from hq_ray.sweeps.options import RunOptions


class Session:
    """Starts Ray in the background at once; `executor` waits for it, `close` stops it likewise.

    Importing Ray takes 0.3 s, starting it 2 s and stopping it 1.3 s on a small machine, most of it
    waiting for other processes. As a context manager it waits at the end until Ray has stopped.
    """

    def __init__(self, address: str | None = None, cores: int | None = None):
        self._address, self._cores = address, cores
        self._ready, self._over, self._ended = (threading.Event() for _ in range(3))
        self._problem: BaseException | None = None
        # One thread for the whole life: Linux kills Ray's processes when the thread that started
        # them ends, not when the process does.
        self._thread = threading.Thread(target=self._live, name="ray-session", daemon=True)
        self._thread.start()

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
        """The executor on this session's Ray, once it has started; see `train_batch`.

        Raises:
            InputError: no cluster answers at the address.
        """
        self.wait()
        from hq_ray.sweeps.ray_executor import RayExecutor

        return RayExecutor(results, options, token)

    def close(self) -> None:
        """Lets Ray stop in the background."""
        self._over.set()

    def join(self) -> None:
        """Waits until Ray has stopped; Ctrl-C meanwhile is raised after that, or Ray would stay."""
        self._over.set()
        interrupted = False
        # Not the thread's own join, which interrupted takes a living thread for an ended one.
        while not self._ended.is_set():
            try:
                self._ended.wait()
            except KeyboardInterrupt:
                interrupted = True
        if interrupted:
            raise KeyboardInterrupt

    def __enter__(self) -> "Session":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.join()
