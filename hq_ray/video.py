"""Films the greedy policy of a table of action values."""

import contextlib
import errno
import itertools
import math
import os
import re
import shutil
import subprocess
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from numbers import Real
from pathlib import Path

import gymnasium
import numpy as np

from hq_ray.environments import close, make
from hq_ray.errors import HqRayError, reason_of
from hq_ray.spaces import numbering
from hq_ray.trial import Trial

DEFAULT_FPS = 4.0


class NotFilmable(HqRayError):
    """An environment that cannot be filmed here, or not with this policy; the message says why."""


def film_greedy(
    make_env: Callable[[], gymnasium.Env],
    q_values: np.ndarray,
    path_stem: Path,
    *,
    seed: int,
    max_steps: int = 300,
) -> Path:
    """Films one episode of the greedy policy, argmax_a Q(s, a) with the lowest index among ties.

    The film has the frame of every state from the first to the last, and rests on the last for
    about one second. It is an MP4, or a GIF where ffmpeg is missing, and appears whole or not at
    all. The same arguments give the same frames.

    Args:
        make_env: makes the environment with `render_mode="rgb_array"`; it is closed afterwards.
        q_values: action values, rows and columns as `spaces.numbering` has them.
        path_stem: where to, without suffix; missing folders are made, an older film is replaced.
        seed: of the environment's reset.
        max_steps: at most so many steps.

    Raises:
        OSError: the film cannot be written.
        NotFilmable: the environment cannot render `rgb_array`, or not on this computer; it raises
            an error; its frames are no pictures of one size.
    """
    with _no_display_needed(), contextlib.ExitStack() as stack:
        env = _made(make_env)
        stack.callback(close, env)
        fps = env.metadata.get("render_fps")
        usable = isinstance(fps, Real) and math.isfinite(fps) and fps > 0
        fps = float(fps) if usable else DEFAULT_FPS
        frames = _frames(env, q_values, seed, max_steps, rest=max(1, round(fps)))
        first = next(frames)
        path = film_path(path_stem)
        write = _write_mp4 if path.suffix == ".mp4" else _write_gif
        path.parent.mkdir(parents=True, exist_ok=True)
        hidden = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
        try:
            write(hidden, first, frames, fps)
            hidden.replace(path)
        except OSError as problem:
            problem.filename = str(path)
            raise
        finally:
            hidden.unlink(missing_ok=True)
    return path


def film_path(path_stem: Path) -> Path:
    """Where the film of that stem lies: an MP4, or a GIF where ffmpeg is missing."""
    return path_stem.with_name(path_stem.name + (".mp4" if _ffmpeg_works() else ".gif"))


def film_trial(trial: Trial, q_values: np.ndarray, path_stem: Path, *, max_steps: int) -> Path:
    """Films the greedy policy of a trial's final Q table; see `film_greedy`."""
    make_env = partial(make, trial.env, trial.env_args, trial.max_steps, render_mode="rgb_array")
    return film_greedy(make_env, q_values, path_stem, seed=trial.seed, max_steps=max_steps)


def _made(make_env: Callable[[], gymnasium.Env]) -> gymnasium.Env:
    with _filmed("the environment"), warnings.catch_warnings():
        # gymnasium.make warns of an unknown render mode; the check below says it better.
        warnings.filterwarnings("ignore", message=".*not in the possible render_modes")
        env = make_env()
    modes = env.metadata.get("render_modes") or ()
    if "rgb_array" not in modes or env.render_mode != "rgb_array":
        close(env)
        raise NotFilmable(
            f"{_name(env)} must be made with render mode 'rgb_array' to be filmed, "
            f"it has {env.render_mode!r} of {list(modes)}"
        )
    return env


def _frames(
    env: gymnasium.Env, q_values: np.ndarray, seed: int, max_steps: int, rest: int
) -> Iterator[np.ndarray]:
    """The picture of every state from the first to the last, and that `rest` times more."""
    with _filmed(_name(env)):
        numbered = numbering(env)
        observation, _ = env.reset(seed=seed)
        picture, over, steps = _picture(env), False, 0
        size = picture.shape
        yield _even(picture)
        while not over and steps < max_steps:
            action = int(np.argmax(q_values[numbered.encode(observation)]))
            observation, _, terminated, truncated, _ = env.step(action + numbered.first_action)
            over, steps, picture = terminated or truncated, steps + 1, _picture(env)
            if picture.shape != size:
                raise NotFilmable(
                    f"{_name(env)} must render frames of one size, "
                    f"got {size} and then {picture.shape}"
                )
            yield _even(picture)
        yield from itertools.repeat(_even(picture), rest)


def _picture(env: gymnasium.Env) -> np.ndarray:
    frame = env.render()
    array = isinstance(frame, np.ndarray)
    if not (array and frame.dtype == np.uint8 and frame.size and frame.shape[2:] == (3,)):
        given = f"{frame.dtype} {frame.shape}" if array else type(frame).__name__
        raise NotFilmable(
            f"{_name(env)} must render frames as uint8 (rows, columns, 3), got {given}"
        )
    return frame


def _even(frame: np.ndarray) -> np.ndarray:
    """Repeats the last row and column where needed: the codec takes even sizes only."""
    rows, columns, _ = frame.shape
    return np.pad(frame, ((0, rows % 2), (0, columns % 2), (0, 0)), mode="edge")


def _name(env: gymnasium.Env) -> str:
    return env.spec.id if env.spec is not None else type(env.unwrapped).__name__


@contextlib.contextmanager
def _filmed(name: str) -> Iterator[None]:
    """Turns what an environment raises into NotFilmable."""
    try:
        yield
    except NotFilmable:
        raise
    except (Exception, SystemExit) as error:
        reason = str(error) if isinstance(error, HqRayError) else reason_of(error)
        raise NotFilmable(f"{name} cannot be filmed here: {reason}") from error


@contextlib.contextmanager
def _no_display_needed() -> Iterator[None]:
    """Lets pygame draw into memory on computers without a display."""
    if "SDL_VIDEODRIVER" in os.environ:
        yield
        return
    os.environ["SDL_VIDEODRIVER"] = "dummy"
    try:
        yield
    finally:
        os.environ.pop("SDL_VIDEODRIVER", None)


def _ffmpeg_works() -> bool:
    try:
        import imageio_ffmpeg

        executable = imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):
        return False
    return shutil.which(executable) is not None


def _write_mp4(path: Path, first: np.ndarray, others: Iterable[np.ndarray], fps: float) -> None:
    # By ffmpeg itself: imageio does not look at how it ended, and a full disk cuts films short.
    import imageio_ffmpeg

    rows, columns, _ = first.shape
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{columns}x{rows}", "-r", str(fps)]
    film = ["-vcodec", "libx264", "-pix_fmt", "yuv420p", str(path.absolute())]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *source, "-i", "-", *film]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as ffmpeg:
        try:
            with contextlib.suppress(BrokenPipeError):  # it has ended, and says why
                for frame in itertools.chain([first], others):
                    ffmpeg.stdin.write(frame.tobytes())
            said = ffmpeg.communicate()[1].decode(errors="replace")
        except BaseException:
            ffmpeg.kill()
            raise
    if ffmpeg.returncode != 0:
        reason = re.sub(r"\[[^]]*\] ", "", said.partition("\n")[0])
        raise OSError(errno.EIO, f"ffmpeg: {reason or f'exit code {ffmpeg.returncode}'}")


def _write_gif(path: Path, first: np.ndarray, others: Iterable[np.ndarray], fps: float) -> None:
    import imageio.v3

    # A palette per frame: GIF has none other, and Pillow keeps the frames until the end.
    with imageio.v3.imopen(path, "w", plugin="pillow") as file:
        for frame in itertools.chain([first], others):
            file.write(frame, is_batch=False, bits=8, duration=1000.0 / fps, loop=0)
