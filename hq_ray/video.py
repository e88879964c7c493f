"""Films the greedy policy of a table of action values."""

import contextlib
import errno
import math
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from hq_ray.environments import made
from hq_ray.errors import HqRayError, first_line, reason_of
from hq_ray.spaces import numbering
from hq_ray.trial import Trial
from hq_ray.user_code import RAISED


class NotFilmable(HqRayError):
    """An environment that cannot be filmed here, or not with this policy; the message says why."""


def film_trial(trial: Trial, q_values: np.ndarray, path: Path, *, max_steps: int = 300) -> None:
    """Films one episode of the greedy policy, argmax_a Q(s, a) with the lowest index among ties.

    The film, an MP4, has the frame of every state and rests on the last for about one second. It
    appears whole or not at all. The same arguments give the same frames.

    Args:
        trial: its environment is filmed, with its seed and step limit.
        q_values: action values, rows and columns as `spaces.numbering` has them.
        path: missing folders are made, an older film is replaced.
        max_steps: at most so many steps.

    Raises:
        OSError: the film cannot be written.
        NotFilmable: ffmpeg is missing; the environment cannot render `rgb_array`, or not on this
            computer; it raises an error; its frames are no pictures of one size.
    """
    import imageio_ffmpeg

    with contextlib.ExitStack() as stack:
        if "SDL_VIDEODRIVER" not in os.environ:  # lets pygame draw on computers without a display
            os.environ["SDL_VIDEODRIVER"] = "dummy"
            stack.callback(os.environ.pop, "SDL_VIDEODRIVER", None)
        with _filmed(trial.env):
            ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
            where = (trial.env, trial.env_args, trial.max_steps)
            env = stack.enter_context(made(*where, render_mode="rgb_array"))
        fps = env.metadata.get("render_fps")
        if not (isinstance(fps, int | float) and 0 < fps < math.inf):
            fps = 4.0
        frames = _frames(env, trial, q_values, max_steps, rest=max(1, round(fps)))
        first = next(frames)
        path.parent.mkdir(parents=True, exist_ok=True)
        hidden = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
        try:
            _write_mp4(ffmpeg, hidden, first, frames, fps)
            hidden.replace(path)
        except OSError as problem:
            problem.filename = str(path)
            raise
        finally:
            hidden.unlink(missing_ok=True)


@contextlib.contextmanager
def _filmed(name: str) -> Iterator[None]:
    """Makes a NotFilmable of what an environment raises."""
    try:
        yield
    except RAISED as error:
        reason = str(error) if isinstance(error, HqRayError) else reason_of(error)
        raise NotFilmable(f"{name} cannot be filmed here: {reason}") from error


def _frames(
    env: gymnasium.Env, trial: Trial, q_values: np.ndarray, max_steps: int, rest: int
) -> Iterator[np.ndarray]:
    """The picture of every state from the first to the last, and that `rest` times more."""
    with _filmed(trial.env):
        numbered = numbering(env)
        observation, _ = env.reset(seed=trial.seed)
        over, steps, picture = False, 0, _picture(env)
        size = picture.shape
        yield picture
        while not over and steps < max_steps:
            action = int(np.argmax(q_values[numbered.encode(observation)]))
            observation, _, terminated, truncated, _ = env.step(action + numbered.first_action)
            over, steps, picture = terminated or truncated, steps + 1, _picture(env)
            if picture.shape != size:
                raise HqRayError(f"frames must have one size, got {size} and then {picture.shape}")
            yield picture
        yield from [picture] * rest


def _picture(env: gymnasium.Env) -> np.ndarray:
    frame: Any = env.render()
    array = isinstance(frame, np.ndarray)
    if not (array and frame.dtype == np.uint8 and frame.size and frame.shape[2:] == (3,)):
        given = f"{frame.dtype} {frame.shape}" if array else type(frame).__name__
        raise HqRayError(f"frames must be uint8 (rows, columns, 3), got {given}")
    rows, columns, _ = frame.shape
    # The codec takes even sizes only.
    return np.pad(frame, ((0, rows % 2), (0, columns % 2), (0, 0)), mode="edge")


def _write_mp4(
    ffmpeg: str, path: Path, first: np.ndarray, others: Iterator[np.ndarray], fps: float
) -> None:
    """Writes a film by ffmpeg itself: imageio ignores how ffmpeg ends, and so a full disk."""
    rows, columns, _ = first.shape
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{columns}x{rows}", "-r", str(fps)]
    film = ["-vcodec", "libx264", "-pix_fmt", "yuv420p", str(path.absolute())]
    command = [ffmpeg, "-v", "error", "-y", *source, "-i", "-", *film]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        stdin: Any = process.stdin
        with contextlib.suppress(BrokenPipeError):  # ffmpeg has ended, and says why
            stdin.write(first)
            for frame in others:
                stdin.write(frame)
        complaint = process.communicate()[1].decode(errors="replace")
    if process.returncode != 0:
        reason = first_line(complaint) or f"exit code {process.returncode}"
        raise OSError(errno.EIO, f"ffmpeg: {reason}")
