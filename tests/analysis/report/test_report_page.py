import json

import pandas as pd
import pytest

from hq_ray.analysis.report.page import browser_rows, marked
from hq_ray.analysis.report.tables import cell_text


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


def test_rows_cannot_end_their_element():
    frame = pd.DataFrame({"a": ["</script><!--", None], "b": [1.5, float("nan")], "n": [1, 2]})
    text = browser_rows(frame)
    assert "<" not in text
    assert json.loads(text) == {
        "columns": ["a", "b", "n"],
        "rows": [["</script><!--", 1.5, 1], [None, None, 2]],
    }
