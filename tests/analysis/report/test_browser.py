"""The report's page in a real browser, at a laptop's width and at a phone's."""

import json
import shutil
from pathlib import Path

import pytest
from small_sweeps import make_up, train

from hq_ray.analysis.report.page import write_report
from hq_ray.analysis.study import study
from hq_ray.store import Results

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="chromium and chromedriver must be installed"
)
SIZES = {"laptop": (1280, 900), "phone": (390, 800)}
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]

# Elements with text of their own whose text does not fit them, and that cannot be scrolled to it.
CLIPPED = """
return [...document.querySelectorAll("h1, h2, p, li, td, th, strong, code, a, output, label")]
  .filter((e) => e.offsetParent !== null && !e.closest(".scroll, nav"))
  .filter((e) => e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0
    && getComputedStyle(e).display !== "inline")
  .map((e) => e.outerHTML.slice(0, 120));
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    found = study([Results.at(make_up(folder / "made"))])
    return write_report(found, folder / "report")


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """The report of a confirmed sweep of two environments and three variants."""
    results = train(
        tmp_path_factory.mktemp("large"),
        env=["CliffWalking-v1", {"id": "VelocityGrid-v0", "max_speed": 2}],
        variant=["standard", "harmonic", "minimum"],
        confirm={"seeds": 3},
    )
    return write_report(study([Results.at(results)], smooth=7), results.parent / "report")


@pytest.fixture(scope="module")
def driver():
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    browser.implicitly_wait(0)
    yield browser
    browser.quit()


@pytest.fixture
def browser(driver, page):
    """The page at a laptop's width, its folds open; at the end the console must be empty."""
    show(driver, page, SIZES["laptop"])
    open_folds(driver)
    yield driver
    assert driver.get_log("browser") == []


def show(driver, page, size):
    width, height = size
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.get(f"file://{page}")


def open_folds(driver):
    driver.execute_script("document.querySelectorAll('details').forEach((one) => one.open = true)")


def folded(driver):
    return driver.execute_script(
        "return [...document.querySelectorAll('details[id]:not([open])')].map((one) => one.id)"
    )


def rows(browser):
    return browser.execute_script(
        "return [...document.querySelectorAll('#browser-table tbody tr')]"
        ".map((row) => [...row.cells].map((cell) => cell.textContent))"
    )


def column(browser, name):
    names = browser.execute_script(
        "return [...document.querySelectorAll('#browser-table th')].map((cell) => cell.innerText)"
    )
    place = [one.split(" ")[0] for one in names].index(name)
    return [row[place] for row in rows(browser)]


def numbers(texts):
    return [float(text.replace(",", "")) for text in texts if text]


def ask(browser, text):
    """Types into the filter; returns the count's words."""
    field = browser.find_element("id", "filter")
    field.clear()
    field.send_keys(text)
    return browser.find_element("id", "count").text


def sort(browser, name):
    for button in browser.find_elements("css selector", "#browser-table th button"):
        if button.get_property("textContent") == name:
            browser.execute_script("arguments[0].click()", button)


def fits(browser):
    """Nothing is cut off, and what is wider than the window scrolls in itself."""
    width = browser.execute_script("return window.innerWidth")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.execute_script(CLIPPED) == []
    wide = browser.execute_script(
        "return [...document.querySelectorAll('main *')]"
        ".filter((e) => !e.closest('.scroll, .picture'))"
        ".filter((e) => e.getBoundingClientRect().right > window.innerWidth + 1)"
        ".map((e) => e.outerHTML.slice(0, 120))"
    )
    assert wide == []


@pytest.mark.parametrize("size", SIZES.values(), ids=list(SIZES))
def test_a_page_of_hostile_names_fits(driver, page, size):
    show(driver, page, size)
    open_folds(driver)
    fits(driver)
    bar = "const bar = document.querySelector('nav ul'); "
    assert driver.execute_script(f"{bar}return bar.scrollWidth <= bar.clientWidth")
    sizes = driver.execute_script("return [...document.images].map((one) => one.naturalWidth)")
    assert len(sizes) == len(list(Path(page).parent.glob("figures/*.png"))) > 0
    assert min(sizes) >= 600


@pytest.mark.parametrize("size", SIZES.values(), ids=list(SIZES))
def test_a_large_page_is_short_and_fits_with_its_folds_shut_and_open(driver, large, size):
    show(driver, large, size)
    if size == SIZES["laptop"]:
        assert driver.execute_script("return document.documentElement.scrollHeight") <= 8_000
    assert set(folded(driver)) == {"sentences", "configurations", "health", "methods", "files"}
    fits(driver)
    open_folds(driver)
    fits(driver)
    # Every column of these tables is to be seen, on a phone as a list.
    hidden = driver.execute_script(
        "return [...document.querySelectorAll('#verdict .scroll, .environment .scroll')]"
        ".filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.innerText.slice(0, 120))"
    )
    assert hidden == []
    # Tables and figures stand side by side where there is room.
    lefts = driver.execute_script(
        "return [...document.querySelector('.beside').children]"
        ".map((one) => Math.round(one.getBoundingClientRect().left))"
    )
    assert len(set(lefts)) == (3 if size == SIZES["laptop"] else 1)
    assert driver.get_log("browser") == []


def test_seeds_above_2_to_53_are_shown_exactly(driver, large):
    show(driver, large, SIZES["laptop"])
    open_folds(driver)
    assert ask(driver, f"fresh_seeds={2**62}-{2**62 + 2}") == "6 of 14"
    assert set(column(driver, "fresh_seeds")) == {f"{2**62}-{2**62 + 2}"}


def test_a_link_into_a_fold_opens_it(driver, page):
    from selenium.webdriver.support.ui import WebDriverWait

    show(driver, page, SIZES["laptop"])
    assert "methods" in folded(driver)
    driver.find_element("css selector", "nav a[href='#methods']").click()
    WebDriverWait(driver, 60).until(lambda driver: "methods" not in folded(driver))
    assert driver.find_element("css selector", "#methods dt").is_displayed()


def test_sorting_is_by_number_and_both_ways(browser):
    assert len(rows(browser)) == 100
    sort(browser, "alpha")
    rising = numbers(column(browser, "alpha"))
    assert rising == sorted(rising)
    assert rising[0] < 0.02
    sort(browser, "alpha")
    falling = numbers(column(browser, "alpha"))
    assert falling == sorted(falling, reverse=True)
    assert falling[0] > 0.89
    pressed = browser.execute_script(
        "return document.querySelector('[aria-sort]').getAttribute('aria-sort')"
    )
    assert pressed == "descending"
    sort(browser, "variant")
    assert column(browser, "variant")[0] == "harmonic"


def test_more_is_shown_when_asked_for(browser):
    browser.execute_script("document.getElementById('more').click()")
    assert len(rows(browser)) == 120
    assert not browser.find_element("id", "more").is_displayed()


def test_the_filter_narrows_and_says_what_is_wrong(browser):
    field = browser.find_element("id", "filter")
    asked = {
        "": "120 of 120",
        "HARMonic": "60 of 120",
        "variant=standard alpha>=0.9": "1 of 120",
        "variant!=standard": "60 of 120",
        "n=2 </script>": "120 of 120",
        "nowhere": "0 of 120",
        "harmonic alpha<0.1": "6 of 120",
    }
    for text, told in asked.items():
        assert ask(browser, text) == told, text
    assert max(numbers(column(browser, "alpha"))) < 0.1
    wrong = {
        "alpa<0.3": "no column alpa; columns: env, variant, alpha",
        "alpha<": "alpha< must end in a value",
        "alpha<small": "alpha<small must compare with a number",
    }
    for given, told in wrong.items():
        assert ask(browser, f"harmonic {given}").startswith(told)
        assert field.get_attribute("aria-invalid") == "true"
        assert len(rows(browser)) == 60  # the words that are understood hold
    assert ask(browser, "harmonic") == "60 of 120"
    assert field.get_attribute("aria-invalid") == "false"


def test_what_is_missing_stands_last(driver, page, tmp_path):
    """With values as no results have them."""
    content = {"columns": ["a", "b"], "rows": [[None, "x"], [2, None], [1e-9, "é"], [-10, "10"]]}
    text = Path(page).read_text()
    start = text.index('id="rows">') + len('id="rows">')
    end = text.index("</script>", start)
    other = tmp_path / "other.html"
    other.write_text(text[:start] + json.dumps(content) + text[end:])
    driver.get(f"file://{other}")
    open_folds(driver)
    assert column(driver, "a") == ["", "2", "1e-09", "-10"]
    sort(driver, "a")
    assert column(driver, "a") == ["-10", "1e-09", "2", ""]
    sort(driver, "a")
    assert column(driver, "a") == ["2", "1e-09", "-10", ""]


def test_the_keyboard_is_enough(browser):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    field = browser.find_element("id", "filter")
    field.send_keys("harmonic", Keys.TAB)  # to the table, which scrolls with the arrows
    assert browser.switch_to.active_element.get_attribute("class") == "scroll"
    browser.switch_to.active_element.send_keys(Keys.TAB)
    assert browser.switch_to.active_element.text == "env"
    browser.switch_to.active_element.send_keys(Keys.TAB)
    browser.switch_to.active_element.send_keys(Keys.TAB)
    assert browser.switch_to.active_element.text == "alpha"
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    cell = browser.switch_to.active_element.find_element(By.XPATH, "..")
    assert cell.get_attribute("aria-sort") == "ascending"
    found = numbers(column(browser, "alpha"))
    assert found == sorted(found)
