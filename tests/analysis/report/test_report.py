import json
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from small_sweeps import (
    HOSTILE_ENV,
    HOSTILE_FAILURE,
    in_other_files,
    make_up,
    publish_scores,
    train,
)

from hq_ray.analysis.api import compare
from hq_ray.analysis.metrics import METRICS
from hq_ray.analysis.report import tables as report_tables
from hq_ray.analysis.report.page import PAGE, marked, write_report
from hq_ray.analysis.report.tables import cell_text, verdict_latex
from hq_ray.analysis.study import study
from hq_ray.analysis.words import round_number
from hq_ray.store import Results

CHAPTERS = ["verdict", "environment-1", "configurations", "health", "methods", "files"]


class Page(HTMLParser):
    """Elements in order, with their text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self._open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append([tag, dict(attrs), ""])
        self._open.append(self.elements[-1])

    def handle_data(self, data):
        for element in self._open:
            element[2] += data

    def handle_endtag(self, tag):
        while self._open and self._open.pop()[0] != tag:
            pass

    def all(self, tag, **attributes):
        return [
            (attrs, text)
            for name, attrs, text in self.elements
            if name == tag and attributes.items() <= attrs.items()
        ]


def configurations(text):
    """The table of configurations, by column."""
    start = text.index('<table class="sortable">')
    columns = {}
    for attrs, value in Page(text[start : text.index("</table>", start)]).all("td"):
        columns.setdefault(attrs["data-name"], []).append(value)
    return columns


def read(place, **options):
    return study([Results.at(place)], smooth=7, **options)


def files(folder):
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return train(tmp_path_factory.mktemp("results"), seeds="0-5")


@pytest.fixture(scope="module")
def written(results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports") / "tiny"
    assert write_report(read(results), folder) == str(folder / PAGE)
    return folder


@pytest.fixture(scope="module")
def page(written):
    return Page((written / PAGE).read_text())


def test_the_page_needs_nothing_beside_it_and_its_bar_has_its_chapters(written, page):
    links = [a.get(name, "") for _, a, _ in page.elements for name in ("src", "href")]
    assert all(link.startswith(("data:", "#")) for link in links if link)
    assert "@import" not in (written / PAGE).read_text()
    drawn = {path.stem for path in (written / "figures").iterdir()}
    assert {attrs["id"] for attrs, _ in page.all("figure")} == {f"figure-{stem}" for stem in drawn}
    assert len(page.all("img")) == len(drawn)
    assert all(attrs["alt"] for attrs, _ in page.all("img"))
    assert [attrs["href"] for attrs, _ in page.all("a")] == [f"#{id}" for id in CHAPTERS]
    ids = [attrs["id"] for _, attrs, _ in page.elements if "id" in attrs]
    assert [one for one in ids if one in CHAPTERS] == CHAPTERS
    assert len(set(ids)) == len(ids)


def test_the_answer_stands_first_then_three_metrics_and_the_rest_is_folded(page):
    paragraphs = [text for attrs, text in page.all("p") if attrs.get("class") != "lead"]
    assert paragraphs[0].startswith("Over 1 problem, harmonic against standard:")
    assert page.all("td")[0][1] == "FrozenLake-v1"
    words = {attrs["class"]: text for attrs, text in page.all("strong")}
    assert words["verdict identical exploratory"] == "identical, exploratory"
    names = {"mean_return": "while learning", "final_return": "at the end"}
    names |= {"policy_value": "what was learned"}
    headings = [text for _, text in page.all("th", scope="rowgroup")]
    assert headings == [f"{when}: {METRICS[name].axis_label}" for name, when in names.items()]
    folds = {attrs["id"]: "open" in attrs for attrs, _ in page.all("details") if "id" in attrs}
    assert folds == {"sentences": False} | {one: one == "environment-1" for one in CHAPTERS[1:]}
    ((_, methods),) = page.all("details", id="methods")
    assert "Exploratory: each variant's configuration was chosen from its whole grid" in methods
    assert "trailing mean over 7 episodes" in methods


def test_a_confirmed_page_says_what_pandas_and_scipy_find_in_the_trials(tmp_path, sketched):
    env = {"id": "VelocityGrid-v0", "width": 4}
    variants = ["standard", "harmonic", "minimum"]
    results = train(tmp_path, env=env, variant=variants, seeds="0-4", confirm={"seeds": 6})
    write_report(read(results), tmp_path / "out")
    trials = pd.read_parquet(results / "trials")
    explored = trials[trials["role"] == "exploration"]
    fresh = trials[trials["role"] == "confirmation"].sort_values("seed")
    best = explored.groupby(["variant", "config_id"], observed=True)["mean_return"].mean()
    assert set(fresh["config_id"]) == {best[v].idxmax() for v in variants}
    told = pd.read_csv(tmp_path / "out" / "verdict.csv").set_index("variant")
    text = (tmp_path / "out" / PAGE).read_text()
    shown = [text for _, text in Page(text).all("td")]
    words = [(attrs["class"], text) for attrs, text in Page(text).all("strong")]
    for kind in told["kind"]:
        assert (f"verdict {kind} confirmed", f"{kind}, confirmed") in words
    assert shown.count("6 fresh") == 2
    rows = configurations(text)
    scores = [float(score.replace(",", "")) for score in rows["mean"]]
    assert scores == sorted(scores, reverse=True)
    assert set(rows["seeds"]) == {"0-4"}
    # Above 2^53, where a number of the page's script is not exact.
    seeds = f"{2**62}-{2**62 + 5}"
    assert sorted(rows["fresh_seeds"]) == [seeds] * 3 + ["–"] * 4
    for metric in ("mean_return", "final_return", "policy_value"):
        scores = {v: fresh.loc[fresh["variant"] == v, metric].to_numpy() for v in variants}
        for variant in variants[1:]:
            ours, base = scores[variant], scores["standard"]
            test = stats.ttest_rel(ours, base)
            by_hand = [(ours - base).mean(), *test.confidence_interval()]
            names = [f"{metric}_{end}" for end in ("difference", "low", "high")]
            if metric == "mean_return":
                by_hand += [test.pvalue, ours.mean(), base.mean()]
                by_hand += [(ours > base).sum(), (ours == base).sum(), (ours < base).sum()]
                names += ["p_value", "mean", "baseline_mean", "wins", "ties", "losses"]
            found = told.loc[variant, names].to_numpy(dtype=float)
            assert found == pytest.approx(np.array(by_hand), rel=1e-10, abs=1e-10)
            numbers = [ours.mean(), base.mean(), *by_hand[:1]]
            row = [variant, "6", *map(round_number, numbers)]
            row.append(" to ".join(map(round_number, by_hand[1:3])))
            assert any(shown[at : at + len(row)] == row for at in range(len(shown)))


def test_tables_and_the_verdict_stand_beside_the_page(written, results):
    assert {path.name for path in written.iterdir()} == {
        *("report.html", "figures", "summary.parquet", "pairs.parquet", "verdict.csv"),
        "verdict.tex",
    }
    summary, pairs = (pd.read_parquet(written / f"{name}.parquet") for name in ("summary", "pairs"))
    assert summary["n"].tolist() == [6] * 6
    assert pairs["n"].tolist() == [6] * 4
    found, told = compare(results), pd.read_csv(written / "verdict.csv")
    assert told.columns.tolist() == found.columns.tolist()
    assert told["difference"].to_numpy() == pytest.approx(found["difference"].to_numpy(), rel=1e-15)
    text = (written / "verdict.tex").read_text()
    assert "identical, exploratory" in text
    assert text.count("\\\\") == 2  # the head and a row


def test_latex_is_escaped(tmp_path):
    standard, minimum = {0: 1.0, 1: 2.0, 2: 9.0}, {0: 5.0, 1: 6.01, 2: 13.0}
    scores = {("standard", 0.1): standard, ("minimum", 0.1): minimum}
    folder = publish_scores(tmp_path / "x", scores, label=r"[50 % \a_1 {b} $ <|> &#")
    text = verdict_latex(read(folder).comparisons)
    assert r"{[}50 \% \textbackslash a\_1 \{b\} \$ $<$$|$$>$ \&\# & minimum" in text
    assert "$<$ 0.001" in text
    assert verdict_latex([]).startswith("%")


def test_other_files_of_the_same_trials_give_the_same_bytes(written, results, tmp_path):
    other = in_other_files(results, tmp_path / "other" / "tiny")
    again = tmp_path / "again"
    write_report(read(other), again)
    # Only where the results lie is another place.
    theirs = {
        name: content.replace(str(other).encode(), str(results).encode())
        for name, content in files(again).items()
    }
    ours = files(written)
    assert [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)] == []


def test_a_report_of_a_part_says_so_and_figures_of_an_earlier_one_go(results, tmp_path, sketched):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "mine.png").write_text("not ours")
    told = []
    write_report(read(results), tmp_path, progress=lambda *given: told.append(given))
    assert told == [("drawing figures", done, len(told)) for done in range(len(told))]
    assert (tmp_path / "figures" / "difference.png").exists()
    where = "variant == 'harmonic'"
    write_report(read(results, where=where), tmp_path)
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert "difference.png" not in names
    assert {"mine.png", "curves_returns.png"} < names
    page = Page((tmp_path / PAGE).read_text())
    assert any(text == where for _, text in page.all("code"))
    assert (tmp_path / "verdict.tex").read_text().startswith("%")
    words = " ".join(text for _, text in page.all("p"))
    assert "There is only harmonic, and nothing to compare it with." in words
    # Planned trials are those of the whole sweep, so they say nothing of a part.
    assert "of 36 planned" not in words


def test_hostile_names_stay_text(tmp_path, sketched):
    write_report(read(make_up(tmp_path / "made", n_alphas=6)), tmp_path / "out")
    text = (tmp_path / "out" / PAGE).read_text()
    page = Page(text)
    assert not page.all("b", id="x")
    assert all("onerror" not in attrs for attrs, _ in page.all("img"))
    assert len(page.all("script")) == 1
    words = [text for _, text in page.all("td")]
    assert f"ValueError: {HOSTILE_FAILURE}" in words
    assert configurations(text)["env"] == [f'{HOSTILE_ENV}, text "<i>"'] * 12
    assert all(path.is_file() for path in (tmp_path / "out" / "figures").iterdir())


def test_a_long_table_is_cut_and_says_so(tmp_path, sketched, monkeypatch):
    found = read(make_up(tmp_path / "made", n_alphas=6))
    for most, told in ((12, False), (10, True)):
        monkeypatch.setattr(report_tables, "MOST_CONFIGURATIONS", most)
        write_report(found, tmp_path / "out")
        text = (tmp_path / "out" / PAGE).read_text()
        assert len(configurations(text)["env"]) == most
        assert (f"Configurations, the first {most} of 12" in text) is told


def test_what_is_missing_is_of_the_exploration_whatever_the_label(tmp_path, sketched):
    grid = {"id": "VelocityGrid-v0", "width": 4, "label": "small grid"}
    results = train(tmp_path, env=grid, confirm={"seeds": 3}, parameters={}, episodes=5)
    described = json.loads((results / "sweep.json").read_text())
    assert described["planned"] == {'VelocityGrid-v0 {"width":4}': {"standard": 4, "harmonic": 4}}
    described["planned"]['VelocityGrid-v0 {"width":4}']["harmonic"] = 6
    (results / "sweep.json").write_text(json.dumps(described))
    write_report(read(results), tmp_path / "out")
    text = " ".join((tmp_path / "out" / PAGE).read_text().split())
    assert "8 of 10 planned trials done, and 6 of the confirmation; 0 failed" in text
    health = pd.read_parquet(tmp_path / "out" / "figures" / "health.parquet")
    assert set(health["env"]) == {"small grid"}
    assert health.set_index("variant")["missing"].to_dict() == {"standard": 0, "harmonic": 2}


@pytest.mark.parametrize("n_problems", [4, 5])
def test_many_environments_are_folded(tmp_path, sketched, n_problems):
    scores = {(v, 0.1): {0: 1.0, 1: 2.0} for v in ("standard", "minimum")}
    places = [
        Results.at(publish_scores(tmp_path / str(number), scores, env=f"T{number}-v0"))
        for number in range(n_problems)
    ]
    write_report(study(places), tmp_path / "out")
    folds = Page((tmp_path / "out" / PAGE).read_text()).all("details")
    shown = ["open" in attrs for attrs, _ in folds if "environment" in attrs.get("class", "")]
    assert shown == [n_problems < 5] * n_problems


def test_cells_and_notes_are_for_a_reader():
    values = [None, float("nan"), float("inf"), 12345, 0.123456, -1234.5, "x"]
    assert [*map(cell_text, values)] == ["–", "–", "∞", "12,345", "0.123", "-1,234", "x"]
    assert marked("run `hq-ray <x>` & <b>") == "run <code>hq-ray &lt;x&gt;</code> &amp; &lt;b&gt;"
    assert marked("a ` alone") == "a ` alone"
