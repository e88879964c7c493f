import os
import warnings
from dataclasses import replace

import imageio.v3
import imageio_ffmpeg
import numpy as np
import pytest
from gymnasium import spaces
from made_up import failing_after

from hq_ray.environments import make
from hq_ray.envs.table_env import TableEnv
from hq_ray.trial import Trial
from hq_ray.video import NotFilmable, film_trial

UP, RIGHT = 1, 4
SMALL = np.zeros((32, 32, 3), np.uint8)
GRID = Trial("VelocityGrid-v0", '{"height":3,"slip_prob":0,"width":4}', None, "standard", 0, 1, 200)
PICTURES = replace(GRID, env="Pictures-v0", env_args="{}")


def constant_policy(action):
    q_values = np.zeros((4 * 3 * 9, 5))
    q_values[:, action] = 1.0
    return q_values


def frames_of(path):
    with warnings.catch_warnings():
        # The reader of imageio leaves the pipes of ffmpeg to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        return imageio.v3.imread(path, plugin="FFMPEG")


class PictureEnv(TableEnv):
    """Ends after three steps; renders whatever it is given."""

    def __init__(self, picture=SMALL):
        steps = [[(1.0, s + 1, 0.0, s == 2)] for s in range(4)]
        super().__init__([{0: step, 1: step} for step in steps], 0, "rgb_array")
        self.picture, self.closed = picture, False

    def render(self):
        picture = self.picture[self.s] if isinstance(self.picture, list) else self.picture
        if isinstance(picture, BaseException):
            raise picture
        return picture

    def close(self):
        self.closed = True
        raise RuntimeError("closed already")


@pytest.fixture
def film(tmp_path, register):
    """Films an environment of pictures, with a table of zeros if no other is given."""

    def film(env, q_values=None):
        register("Pictures-v0", entry_point=lambda render_mode: env)
        path = tmp_path / "film.mp4"
        film_trial(PICTURES, np.zeros((4, 2)) if q_values is None else q_values, path)
        return path

    return film


def test_a_film_has_first_to_last_frame_and_one_second_more(tmp_path):
    path = tmp_path / "videos" / "harmonic" / "alpha0.2.mp4"
    film_trial(GRID, constant_policy(RIGHT), path)
    assert os.listdir(path.parent) == ["alpha0.2.mp4"]
    frames = frames_of(path)
    assert len(frames) == 2 + 8
    env = make(GRID.env, GRID.env_args, render_mode="rgb_array")
    env.reset(seed=0)
    assert np.abs(frames[0].astype(int) - env.render()).mean() < 3
    env.step(RIGHT)
    assert np.abs(frames[-1].astype(int) - env.render()).mean() < 3


@pytest.mark.parametrize(("limit", "max_steps", "steps"), [(200, 5, 5), (3, 300, 3)])
def test_two_limits_end_a_film(tmp_path, limit, max_steps, steps):
    path = tmp_path / "film.mp4"
    film_trial(replace(GRID, max_steps=limit), constant_policy(UP), path, max_steps=max_steps)
    assert len(frames_of(path)) == steps + 1 + 8


@pytest.mark.parametrize(
    ("space", "seen"),
    [
        (spaces.Discrete(4, start=-3), [-3, -2, -1, 0]),
        (spaces.MultiDiscrete([2, 2]), [[0, 0], [0, 1], [1, 0], [1, 1]]),
    ],
)
def test_states_and_actions_are_the_environments_and_ties_take_the_lowest_action(film, space, seen):
    taken = []

    class Spy(PictureEnv):
        def reset(self, *, seed=None, options=None):
            return seen[super().reset(seed=seed)[0]], {}

        def step(self, action):
            taken.append(action)
            state, *rest = super().step(0)
            return seen[state], *rest

    spy = Spy()
    spy.action_space, spy.observation_space = spaces.Discrete(2, start=1), space
    film(spy, np.array([[0.0, 1.0], [3.0, 3.0], [-1.0, 2.0], [9.0, 0.0]]))
    assert taken == [2, 1, 2]
    assert {type(action) for action in taken} == {int}


def test_the_same_arguments_give_the_same_frames_and_replace_an_older_film(tmp_path):
    slippery = replace(GRID, env_args='{"slip_prob":0.8}', seed=5)
    q_values = np.random.default_rng(0).random((576, 5))
    paths = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    paths[1].write_text("old")
    for path in paths:
        film_trial(slippery, q_values, path, max_steps=10)
    first, second = map(frames_of, paths)
    assert np.array_equal(first, second)


def test_odd_frames_become_even(film, capfd, caplog):
    path = film(PictureEnv(np.full((33, 47, 3), 200, np.uint8)))
    assert frames_of(path).shape == (4 + 8, 34, 48, 3)
    assert capfd.readouterr() == ("", "")
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (SystemExit(1), "SystemExit: 1"),
        ([SMALL, SMALL, KeyError("sprite")], "KeyError: 'sprite'"),
        ([SMALL, SMALL[2:]], "frames must have one size, got (32, 32, 3) and then (30, 32, 3)"),
        (None, "frames must be uint8 (rows, columns, 3), got NoneType"),
        (np.zeros((4, 4)), "frames must be uint8 (rows, columns, 3), got float64 (4, 4)"),
    ],
)
def test_an_environment_without_pictures_leaves_the_older_film(tmp_path, film, picture, message):
    env = PictureEnv(picture)
    (tmp_path / "film.mp4").write_text("old")
    with pytest.raises(NotFilmable) as refusal:
        film(env)
    assert str(refusal.value) == f"Pictures-v0 cannot be filmed here: {message}"
    assert env.closed
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize("missing", ["ffmpeg", "render_mode"])
def test_what_a_film_needs_is_named_where_it_is_missing(film, register, monkeypatch, missing):
    if missing == "ffmpeg":
        no_ffmpeg = failing_after(0, None, RuntimeError("no ffmpeg"))
        monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", no_ffmpeg)
    register("Bare-v0", entry_point=lambda: PictureEnv())
    with pytest.raises(NotFilmable, match=f"^Bare-v0 cannot be filmed here: .*{missing}"):
        film_trial(replace(PICTURES, env="Bare-v0"), np.zeros((4, 2)), None)


@pytest.mark.parametrize("fps", [None, float("nan"), "8"])
def test_a_frame_rate_that_is_none_is_four(film, monkeypatch, fps):
    monkeypatch.setitem(PictureEnv.metadata, "render_fps", fps)
    assert len(frames_of(film(PictureEnv()))) == 4 + 4


def test_toy_text_environments_are_filmed_without_a_display(tmp_path, monkeypatch):
    pytest.importorskip("pygame")
    monkeypatch.delenv("SDL_VIDEODRIVER", raising=False)
    monkeypatch.delenv("DISPLAY", raising=False)
    cliff = replace(GRID, env="CliffWalking-v1", env_args="{}")
    film_trial(cliff, np.zeros((48, 4)), tmp_path / "cliff.mp4", max_steps=2)
    assert len(frames_of(tmp_path / "cliff.mp4")) == 3 + 4
    assert "SDL_VIDEODRIVER" not in os.environ
