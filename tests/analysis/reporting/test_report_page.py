import json

import pandas as pd
import pytest

from hq_ray.analysis.reporting.report_page import (
    MOST_ROWS,
    Section,
    browser_rows,
    cell_text,
    marked,
    render,
)
from hq_ray.analysis.verdict import Verdict


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (float("inf"), "∞"),
        (True, "yes"),
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


def test_rows_cannot_end_their_element():
    frame = pd.DataFrame({"a": ["</script><!--", None], "b": [1.5, float("nan")], "n": [1, 2]})
    text = browser_rows(frame)
    assert "<" not in text
    assert json.loads(text) == {
        "columns": ["a", "b", "n"],
        "rows": [["</script><!--", 1.5, 1], [None, None, 2]],
    }


def test_a_long_table_is_cut_and_says_so():
    section = Section("c", "C", "C", browser=pd.DataFrame({"a": range(MOST_ROWS + 1)}))
    page = render("t", "l", [section], {})
    assert "the first 5,000 rows" in page
    shorter = Section("c", "C", "C", browser=pd.DataFrame({"a": range(3)}))
    assert "Of a longer table" not in render("t", "l", [shorter], {})


def test_a_column_is_aligned_as_a_whole():
    frame = pd.DataFrame({"number": [1.0, None], "text": ["1", "x"]})
    page = render("t", "l", [Section("c", "C", "C", tables=[("words", frame)])], {})
    assert '<td class="number">1</td><td class="short">1</td>' in page
    assert '<td class="number">–</td><td class="short">x</td>' in page


def test_a_verdict_has_a_word_beside_its_colour():
    section = Section("v", "V", "V", verdicts=[Verdict("too few seeds", "<same>")])
    page = render("t", "l", [section], {})
    assert '<p class="verdict too"><strong>Too few seeds</strong> &lt;same&gt;</p>' in page
