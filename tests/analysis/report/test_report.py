import json
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from small_sweeps import (
    HOSTILE_ENV,
    HOSTILE_FAILURE,
    fresh,
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
def page(written):
    return Page((written / PAGE).read_text())


@pytest.fixture(scope="module")
def written(results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports") / "tiny"
    assert write_report(read(results), folder) == str(folder / PAGE)
    return folder


def test_the_page_needs_nothing_beside_it(written, page):
    links = [a.get(name, "") for _, a, _ in page.elements for name in ("src", "href")]
    assert all(link.startswith(("data:", "#")) for link in links if link)
    assert "@import" not in (written / PAGE).read_text()
    drawn = {path.stem for path in (written / "figures").iterdir()}
    assert {attrs["id"] for attrs, _ in page.all("figure")} == {f"figure-{stem}" for stem in drawn}
    assert len(page.all("img")) == len(drawn)
    assert all(attrs["alt"] for attrs, _ in page.all("img"))


def test_chapters_are_in_order_and_in_the_bar(page):
    assert [attrs["href"] for attrs, _ in page.all("a")] == [f"#{id}" for id in CHAPTERS]
    ids = [attrs["id"] for _, attrs, _ in page.elements if "id" in attrs]
    assert [one for one in ids if one in CHAPTERS] == CHAPTERS
    assert len(set(ids)) == len(ids)


def test_the_answer_stands_first_and_the_rest_is_folded(page):
    paragraphs = [text for attrs, text in page.all("p") if attrs.get("class") != "lead"]
    assert paragraphs[0].startswith("Over 1 environment, harmonic against standard:")
    assert page.all("td")[0][1] == "FrozenLake-v1"
    words = {attrs["class"]: text for attrs, text in page.all("strong")}
    assert words["verdict identical exploratory"] == "identical, exploratory"
    folds = {attrs["id"]: "open" in attrs for attrs, _ in page.all("details") if "id" in attrs}
    assert folds == {"sentences": False} | {one: one == "environment-1" for one in CHAPTERS[1:]}
    (methods,) = [text for attrs, text in page.all("details") if attrs.get("id") == "methods"]
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
    shown = [text for _, text in Page((tmp_path / "out" / PAGE).read_text()).all("td")]
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


def test_three_metrics_of_the_chosen_configurations_are_shown(page):
    headings = [text for _, text in page.all("th", scope="rowgroup")]
    names = {"mean_return": "while learning", "final_return": "at the end"}
    names |= {"policy_value": "what was learned"}
    assert headings == [f"{when}: {METRICS[name].axis_label}" for name, when in names.items()]


def test_tables_stand_beside_the_page(written):
    summary = pd.read_parquet(written / "summary.parquet")
    assert len(summary) == 6
    assert set(summary["n"]) == {6}
    pairs = pd.read_parquet(written / "pairs.parquet")
    assert len(pairs) == 4
    assert {"difference", "low", "high", "holm"} <= set(pairs)
    assert {path.name for path in written.iterdir()} == {
        *("report.html", "figures", "summary.parquet", "pairs.parquet", "verdict.csv"),
        "verdict.tex",
    }


def test_the_verdict_is_there_as_csv_and_for_latex(written, results):
    found = compare(results)
    told = pd.read_csv(written / "verdict.csv")
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
    assert theirs.keys() == ours.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []


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


def test_confirmed_verdicts_and_seeds_above_2_to_53_are_told_exactly(tmp_path, sketched):
    seeds = fresh(0, 3)
    scores = {
        (variant, alpha): dict.fromkeys((*range(3), *(seeds if alpha == best else ())), 1.0)
        for variant, best in (("standard", 0.2), ("harmonic", 0.1))
        for alpha in (0.1, 0.2)
    }
    for number, seed in enumerate(seeds):
        scores["standard", 0.2][seed] = float(number)
        scores["harmonic", 0.1][seed] = number + 5.0 + number / 100
    chosen = {
        0: {"metric": "mean_return", "chosen": [("standard", 0.2), ("harmonic", 0.1)], "seeds": 3}
    }
    write_report(read(publish_scores(tmp_path / "x", scores, chosen)), tmp_path / "out")
    text = (tmp_path / "out" / PAGE).read_text()
    words = Page(text).all("strong", **{"class": "verdict better confirmed"})
    assert [word for _, word in words] == ["better, confirmed"]
    assert [word for _, word in Page(text).all("td") if "fresh" in word] == ["3 fresh"] * 2
    told = configurations(text)
    assert set(told["seeds"]) == {"0-2"}
    assert sorted(told["fresh_seeds"]) == [f"{seeds[0]}-{seeds[-1]}"] * 2 + ["–"] * 2


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
    assert dict(zip(health["variant"], health["missing"], strict=True)) == {
        "standard": 0,
        "harmonic": 2,
    }


def test_many_environments_are_folded(tmp_path, sketched):
    places = []
    for number in range(5):
        scores = {(v, 0.1): {0: 1.0, 1: 2.0} for v in ("standard", "minimum")}
        places.append(publish_scores(tmp_path / str(number), scores, env=f"T{number}-v0"))
    for n_problems in (4, 5):
        some = [Results.at(place) for place in places[:n_problems]]
        write_report(study(some, smooth=7), tmp_path / "out")
        folds = Page((tmp_path / "out" / PAGE).read_text()).all("details")
        folds = [attrs for attrs, _ in folds if "environment" in attrs.get("class", "")]
        assert ["open" in attrs for attrs in folds] == [n_problems < 5] * n_problems


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (float("inf"), "∞"),
        (12345, "12,345"),
        (0.123456, "0.123"),
        (-1234.5, "-1,234"),
        ("x", "x"),
    ],
)
def test_cells(value, text):
    assert cell_text(value) == text


def test_backticks_are_code_and_all_else_is_text():
    assert marked("run `hq-ray <x>` & <b>") == "run <code>hq-ray &lt;x&gt;</code> &amp; &lt;b&gt;"
    assert marked("a ` alone") == "a ` alone"
