"""The report's page in a real browser, at a laptop's width and at a phone's."""

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
        "return [...document.querySelectorAll('#browser tbody tr:not([hidden])')]"
        ".map((row) => [...row.cells].map((cell) => cell.textContent))"
    )


def column(browser, name):
    names = browser.execute_script(
        "return [...document.querySelectorAll('#browser th')].map((cell) => cell.innerText)"
    )
    place = [one.split(" ")[0] for one in names].index(name)
    return [row[place] for row in rows(browser)]


def numbers(texts):
    return [float(text.replace(",", "")) for text in texts if text != "–"]


def ask(browser, text):
    """Types into the filter; returns the count's words."""
    field = browser.find_element("id", "filter")
    field.clear()
    field.send_keys(text)
    return browser.find_element("id", "count").text


def sort(browser, name):
    for button in browser.find_elements("css selector", "#browser th button"):
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


def test_a_link_into_a_fold_opens_it(driver, page):
    from selenium.webdriver.support.ui import WebDriverWait

    show(driver, page, SIZES["laptop"])
    assert "methods" in folded(driver)
    driver.find_element("css selector", "nav a[href='#methods']").click()
    WebDriverWait(driver, 60).until(lambda driver: "methods" not in folded(driver))
    assert driver.find_element("css selector", "#methods dt").is_displayed()


def test_sorting_is_by_number_and_both_ways(browser):
    assert len(rows(browser)) == 120
    for order, ends in (("ascending", (0.01, 0.02)), ("descending", (0.89, 0.9))):
        sort(browser, "alpha")
        found = numbers(column(browser, "alpha"))
        assert found == sorted(found, reverse=order == "descending")
        assert ends[0] <= found[0] <= ends[1]
        pressed = browser.find_element("css selector", "[aria-sort]")
        assert pressed.get_attribute("aria-sort") == order
    sort(browser, "variant")
    assert column(browser, "variant")[0] == "harmonic"


def test_what_is_missing_stands_last_whichever_way_round_and_seeds_are_exact(driver, large):
    show(driver, large, SIZES["laptop"])
    open_folds(driver)
    for sign in (1, -1):
        sort(driver, "eps_shift")
        levels = column(driver, "eps_shift")
        known = numbers(levels)
        assert 0 < len(known) < len(levels) == 14
        assert levels[len(known) :] == ["–"] * (14 - len(known))
        assert known == sorted(known, key=lambda level: sign * level)
    # Seeds above 2^53 are shown exactly.
    assert ask(driver, f"{2**62}-{2**62 + 2}") == "6 of 14"
    assert set(column(driver, "fresh_seeds")) == {f"{2**62}-{2**62 + 2}"}


def test_the_filter_keeps_the_rows_that_hold_every_word(browser):
    asked = {"": 120, "HARMonic": 60, "</script>": 120, "nowhere": 0, "harmonic 0.0": None}
    for text, n in asked.items():
        told = ask(browser, text)
        assert told == f"{len(rows(browser))} of 120"
        assert n is None or len(rows(browser)) == n
    assert all("0.0" in " ".join(row) and "harmonic" in row for row in rows(browser))


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
