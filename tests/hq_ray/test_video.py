import os
import sys
import warnings

import gymnasium
import imageio.v3
import imageio_ffmpeg
import numpy as np
import pytest
from gymnasium import spaces

import hq_ray.envs  # noqa: F401
from hq_ray import video
from hq_ray.errors import HqRayError
from hq_ray.video import NotFilmable, film_greedy

NOOP, UP, DOWN, LEFT, RIGHT = range(5)
SMALL = np.zeros((32, 32, 3), np.uint8)


def make_grid():
    return gymnasium.make(
        "VelocityGrid-v0", width=4, height=3, slip_prob=0, render_mode="rgb_array"
    )


def constant_policy(action):
    q_values = np.zeros((4 * 3 * 9, 5))
    q_values[:, action] = 1.0
    return q_values


def mp4_pixels(path):
    with warnings.catch_warnings():
        # The reader of imageio leaves the pipes of ffmpeg to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        return imageio.v3.imread(path, plugin="FFMPEG")


class PictureEnv(gymnasium.Env):
    """Ends after three steps; renders whatever it is given."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 2}  # noqa: RUF012
    action_space = spaces.Discrete(2)
    observation_space = spaces.Discrete(4)

    def __init__(self, picture=None, render_mode="rgb_array"):
        self.picture, self.render_mode = picture, render_mode
        self.closed = False

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.s = 0
        return self.s, {}

    def step(self, action):
        self.s += 1
        return self.s, 0.0, self.s == 3, False, {}

    def render(self):
        picture = self.picture[self.s] if isinstance(self.picture, list) else self.picture
        if isinstance(picture, BaseException):
            raise picture
        return picture

    def close(self):
        self.closed = True


def film_picture(tmp_path, env):
    return film_greedy(lambda: env, np.zeros((4, 2)), tmp_path / "film", seed=0)


def test_an_mp4_has_first_to_last_frame_and_one_second_more(tmp_path):
    stem = tmp_path / "videos" / "harmonic" / "alpha0.2"
    path = film_greedy(make_grid, constant_policy(RIGHT), stem, seed=0)
    assert path == tmp_path / "videos" / "harmonic" / "alpha0.2.mp4"
    assert imageio_ffmpeg.count_frames_and_secs(path)[0] == 2 + 8
    assert os.listdir(path.parent) == ["alpha0.2.mp4"]

    frames = mp4_pixels(path)
    env = make_grid()
    env.reset(seed=0)
    assert np.abs(frames[0].astype(int) - env.render()).mean() < 3
    env.step(RIGHT)
    assert np.abs(frames[-1].astype(int) - env.render()).mean() < 3


def test_max_steps_ends_a_film(tmp_path):
    path = film_greedy(make_grid, constant_policy(UP), tmp_path / "up", seed=0, max_steps=5)
    assert imageio_ffmpeg.count_frames_and_secs(path)[0] == 6 + 8


def test_truncation_ends_a_film(tmp_path):
    def make_short():
        return gymnasium.make(
            "VelocityGrid-v0", slip_prob=0, render_mode="rgb_array", max_episode_steps=3
        )

    path = film_greedy(make_short, np.zeros((576, 5)), tmp_path / "film", seed=0)
    assert imageio_ffmpeg.count_frames_and_secs(path)[0] == 4 + 8


@pytest.mark.parametrize(
    ("space", "seen"),
    [
        (spaces.Discrete(4), [0, 1, 2, 3]),
        (spaces.Discrete(4, start=-3), [-3, -2, -1, 0]),
        (spaces.MultiDiscrete([2, 2]), [[0, 0], [0, 1], [1, 0], [1, 1]]),
    ],
)
def test_states_and_actions_are_those_of_the_environment_and_ties_take_the_lowest_action(
    tmp_path, space, seen
):
    taken = []

    class Spy(PictureEnv):
        action_space, observation_space = spaces.Discrete(2, start=1), space

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            return seen[0], {}

        def step(self, action):
            assert self.action_space.contains(action)
            taken.append(action)
            state, *rest = super().step(action)
            return seen[state], *rest

    q_values = np.array([[0.0, 1.0], [3.0, 3.0], [-1.0, 2.0], [9.0, 0.0]])
    env = Spy(np.zeros((32, 32, 3), np.uint8))
    film_greedy(lambda: env, q_values, tmp_path / "film", seed=0)
    assert taken == [2, 1, 2]
    assert {type(action) for action in taken} == {int}


def test_without_ffmpeg_the_film_is_a_gif(tmp_path, monkeypatch):
    def missing():
        raise RuntimeError("No ffmpeg exe could be found.")

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", missing)
    path = film_greedy(make_grid, constant_policy(RIGHT), tmp_path / "film", seed=0)
    assert path == tmp_path / "film.gif"
    assert os.listdir(tmp_path) == ["film.gif"]

    frames = imageio.v3.imread(path, index=None)
    env = make_grid()
    env.reset(seed=0)
    assert np.abs(frames[0].astype(int) - env.render()).max() < 8
    env.step(RIGHT)
    assert np.abs(frames[-1].astype(int) - env.render()).max() < 8
    assert len(frames) == 2
    durations = [imageio.v3.immeta(path, index=i)["duration"] for i in range(2)]
    assert durations == pytest.approx([125, 9 * 125], abs=60)


@pytest.mark.parametrize("executable", [None, "/nowhere/ffmpeg"])
def test_ffmpeg_is_missing_without_its_package_or_its_executable(monkeypatch, executable):
    if executable is None:
        monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    else:
        monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", executable)
    assert not video._ffmpeg_works()


def test_the_same_arguments_give_the_same_frames(tmp_path):
    def make_slippery():
        return gymnasium.make("VelocityGrid-v0", slip_prob=0.8, render_mode="rgb_array")

    q_values = np.random.default_rng(0).random((576, 5))
    first, second = (
        film_greedy(make_slippery, q_values, tmp_path / name, seed=5, max_steps=10)
        for name in ("a", "b")
    )
    assert np.array_equal(mp4_pixels(first), mp4_pixels(second))


def test_an_older_film_is_replaced(tmp_path):
    (tmp_path / "film.mp4").write_text("old")
    path = film_greedy(make_grid, constant_policy(RIGHT), tmp_path / "film", seed=0)
    assert path.stat().st_size > 100


def test_odd_frames_become_even(tmp_path, capfd, caplog):
    picture = np.full((33, 47, 3), 200, np.uint8)
    path = film_picture(tmp_path, PictureEnv(picture))
    assert mp4_pixels(path).shape == (4 + 2, 34, 48, 3)
    assert capfd.readouterr() == ("", "")
    assert caplog.text == ""


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_an_error_in_the_middle_leaves_no_file(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(video, "_ffmpeg_works", lambda: suffix == ".mp4")

    class Breaks(PictureEnv):
        def step(self, action):
            if self.s == 1:
                raise ZeroDivisionError("in step")
            return super().step(action)

    env = Breaks(np.zeros((32, 32, 3), np.uint8))
    old = tmp_path / f"film{suffix}"
    old.write_text("old")
    with pytest.raises(NotFilmable) as refusal:
        film_picture(tmp_path, env)
    assert str(refusal.value) == "Breaks cannot be filmed here: ZeroDivisionError: in step"
    assert env.closed
    assert list(tmp_path.iterdir()) == [old]
    assert old.read_text() == "old"


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (
            gymnasium.error.DependencyNotInstalled("pygame is not installed"),
            "PictureEnv cannot be filmed here: DependencyNotInstalled: pygame is not installed",
        ),
        (NotImplementedError(), "PictureEnv cannot be filmed here: NotImplementedError"),
        (SystemExit(1), "PictureEnv cannot be filmed here: SystemExit: 1"),
        (
            [SMALL, SMALL, KeyError("sprite")],
            "PictureEnv cannot be filmed here: KeyError: 'sprite'",
        ),
        (
            [SMALL, SMALL[1:]],
            r"must render frames of one size, got \(32, 32, 3\) and then \(31, 32, 3\)",
        ),
        (None, r"must render frames as uint8 \(rows, columns, 3\), got NoneType"),
        ([SMALL, None], r"must render frames as uint8 \(rows, columns, 3\), got NoneType"),
        (SMALL[:0], r"must render frames as uint8 .*, got uint8 \(0, 32, 3\)"),
        (np.zeros((4, 4)), r"must render frames as uint8 .*, got float64 \(4, 4\)"),
    ],
)
def test_an_environment_without_pictures_is_not_filmable(tmp_path, picture, message):
    env = PictureEnv(picture)
    with pytest.raises(NotFilmable, match=message):
        film_picture(tmp_path / "new", env)
    assert env.closed
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert issubclass(NotFilmable, HqRayError)


def test_an_environment_that_sees_what_it_has_not_declared_is_not_filmable(tmp_path):
    class Outside(PictureEnv):
        observation_space = spaces.Discrete(1)

    with pytest.raises(NotFilmable) as refusal:
        film_picture(tmp_path, Outside(SMALL))
    assert str(refusal.value) == (
        "Outside cannot be filmed here: the observation must lie in Discrete(1), got 1"
    )


@pytest.mark.parametrize("fps", [None, 0, -4, float("nan"), "8"])
def test_a_frame_rate_that_is_none_is_four(tmp_path, monkeypatch, fps):
    monkeypatch.setitem(PictureEnv.metadata, "render_fps", fps)
    path = film_picture(tmp_path, PictureEnv(SMALL))
    assert imageio_ffmpeg.count_frames_and_secs(path)[0] == 4 + 4


def test_a_film_outlives_what_close_raises(tmp_path):
    class Unclosable(PictureEnv):
        def close(self):
            raise RuntimeError("closed already")

    assert film_picture(tmp_path, Unclosable(SMALL)).exists()


def test_an_environment_that_fails_to_be_made_for_pictures_is_not_filmable(tmp_path):
    def needs_pygame():
        raise gymnasium.error.DependencyNotInstalled("pygame is not installed")

    def knows_no_render_mode():
        return (lambda: None)(render_mode="rgb_array")

    def has_another_error():
        raise TypeError("width must be an integer")

    arguments = (np.zeros((4, 2)), tmp_path / "film")
    with pytest.raises(NotFilmable, match=r"the environment cannot be filmed here: .* pygame"):
        film_greedy(needs_pygame, *arguments, seed=0)
    with pytest.raises(NotFilmable, match=r"filmed here: TypeError: .* argument 'render_mode'"):
        film_greedy(knows_no_render_mode, *arguments, seed=0)
    with pytest.raises(NotFilmable, match="filmed here: TypeError: width must be an integer"):
        film_greedy(has_another_error, *arguments, seed=0)


def test_an_unknown_render_mode_is_reported_once(tmp_path):
    class TextOnly(PictureEnv):
        metadata = {"render_modes": ["ansi"], "render_fps": 4}  # noqa: RUF012

    spec = gymnasium.envs.registration.EnvSpec("TextOnly-v0", entry_point=TextOnly)
    with pytest.raises(NotFilmable, match=r"TextOnly-v0 must .* of \['ansi'\]"):
        film_greedy(
            lambda: gymnasium.make(spec, render_mode="rgb_array"),
            np.zeros((4, 2)),
            tmp_path / "film",
            seed=0,
        )


def test_toy_text_environments_are_filmed_without_a_display(tmp_path, monkeypatch):
    pytest.importorskip("pygame")
    monkeypatch.delenv("SDL_VIDEODRIVER", raising=False)
    monkeypatch.delenv("DISPLAY", raising=False)
    path = film_greedy(
        lambda: gymnasium.make("CliffWalking-v1", render_mode="rgb_array"),
        np.zeros((48, 4)),
        tmp_path / "cliff",
        seed=0,
        max_steps=2,
    )
    assert imageio_ffmpeg.count_frames_and_secs(path)[0] == 3 + 4
    assert "SDL_VIDEODRIVER" not in os.environ
