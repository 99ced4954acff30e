"""The report in a real browser: it fits wide and narrow windows, shows every picture, and is quiet.

Needs Chromium and its driver, which `make test` installs on Debian and Ubuntu.
"""

from __future__ import annotations

import base64
import shutil
from pathlib import Path

import pytest
from reports import computed_experiment

from napari_scribseg.experiment.report.html import write_report

DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    DRIVER is None, reason="no chromedriver: scripts/system-packages.sh browser installs it"
)


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    labels = ("good", "plain", "a_method_with_a_rather_long_name.v2", "bad")
    folder, experiment = computed_experiment(
        tmp_path_factory.mktemp("browser"), *labels, patients=8, shares=(0.5, 1.0)
    )
    return write_report(folder, experiment)


@pytest.fixture(scope="module")
def browser():
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.mark.parametrize("width", [1440, 800, 390])
def test_the_page_fits_the_window_and_says_nothing_on_the_console(browser, report, width):
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(report.as_uri())
    assert browser.execute_script("return window.innerWidth") == width
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    broken = browser.execute_script(
        "return [...document.images].filter(i => !i.complete || !i.naturalWidth).length"
    )
    assert browser.execute_script("return document.images.length") > 5
    assert broken == 0
    # Nothing sticks out of its place, but for tables and plots, which scroll in theirs.
    out = browser.execute_script(
        "return [...document.querySelectorAll('h1, h2, h3, p, li, figcaption, summary, pre')]"
        ".filter(e => e.offsetParent && !e.closest('.scroll'))"
        ".filter(e => e.getBoundingClientRect().right > innerWidth + 1)"
        ".map(e => e.textContent.slice(0, 40))"
    )
    assert out == []
    assert browser.get_log("browser") == []


def test_every_section_is_reached_by_its_link(browser, report):
    browser.get(report.as_uri())
    links = browser.find_elements("css selector", "nav a")
    assert len(links) >= 5
    for link in links:
        link.click()
        name = browser.execute_script("return location.hash").removeprefix("#")
        top = browser.execute_script(
            "return document.getElementById(arguments[0]).getBoundingClientRect().top", name
        )
        at_end = browser.execute_script(
            "return scrollY + innerHeight >= document.documentElement.scrollHeight - 2"
        )
        assert abs(top) < 2 or at_end


def test_tables_can_be_scrolled_with_the_keyboard(browser, report):
    browser.get(report.as_uri())
    assert browser.execute_script(
        "return [...document.querySelectorAll('.scroll')].every(e => e.tabIndex === 0"
        " && e.getAttribute('aria-label'))"
    )


def test_it_prints_on_a_few_pages(browser, report):
    browser.get(report.as_uri())
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    pdf = base64.b64decode(printed["data"])
    assert 2 <= pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") <= 20


def test_a_page_that_was_tampered_with_runs_nothing_and_asks_nobody(browser, report, tmp_path):
    """Its Content-Security-Policy is in force: an added script, frame or far picture is refused."""
    strange = (
        "<script>document.title = 'ran'</script>"
        "<img id='far' src='http://127.0.0.1:9/x.png' onerror=\"document.title = 'ran'\">"
        "<iframe src='data:text/html,x'></iframe>"
    )
    page = tmp_path / "report.html"
    text = report.read_text(encoding="utf-8").replace("<header>", f"{strange}<header>", 1)
    page.write_text(text, encoding="utf-8")
    browser.get(page.as_uri())
    assert browser.title != "ran"
    refused = [entry["message"] for entry in browser.get_log("browser")]
    for directive in ("script-src", "img-src", "frame-src"):
        assert any(directive in message for message in refused), refused
    # The page's own pictures, which are part of it, are shown all the same.
    assert browser.execute_script(
        "return [...document.images].filter(i => i.id !== 'far' && !i.naturalWidth).length === 0"
    )
