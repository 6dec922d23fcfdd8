"""A page of a sweep that runs, in a real browser: it comes back as the reader left it, and then it stops."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from optlab.analysis import build
from optlab.analysis.serve import serving
from optlab.analysis.watch import Watched
from tests.analysis.made import make_run, make_sweep
from tests.analysis.show.chromium import browser as browser
from tests.analysis.show.chromium import click, needed, opened
from tests.analysis.show.test_page import column

pytestmark = needed


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    sweep = tmp_path_factory.mktemp("live") / "which"
    for optimizer in ("adam", "sgd"):
        for lr in (0.01, 0.1, 1.0):
            make_sweep(sweep, {optimizer: [0.9 - lr / 5, 0.91 - lr / 4]}, lr=lr)
    make_run(sweep, "adam", 0.01, 77, status="running", curve=[0.5, 0.6])
    return Watched([sweep])


def wait_until(page: Any, script: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(page, 30, 0.1).until(lambda d: d.execute_script(f"return {script}"))


def test_it_says_what_is_running_and_looks_right_on_a_phone(browser: Any, watched: Watched) -> None:
    watched.write(600)
    page = opened(browser, watched.page)
    assert page.title.startswith("12/13 · which")
    card = page.execute_script("return document.getElementById('live').innerText")
    assert "Running: 12 of 13 runs done" in card
    assert "epoch 2 of 4" in card
    href = page.execute_script("return document.querySelector('#live .going a').getAttribute('href')")
    assert (watched.folder / href).parent.is_dir()
    metrics = {"width": 390, "height": 812, "deviceScaleFactor": 1, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    page = opened(browser, watched.page)
    assert page.execute_script("return document.documentElement.scrollWidth") <= 390
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_it_comes_back_as_the_reader_left_it_and_stops_when_the_sweep_is_over(browser: Any, watched: Watched) -> None:
    watched.write(2)
    page = opened(browser, watched.page)
    top = "return document.querySelector('[data-figure=curves]').getBoundingClientRect().top"
    click(page, '[data-chip="adam"]')
    click(page, '[data-figure="curves"] [data-axis="second"]')
    click(page, '[data-figure="curves"] [data-choice="train/loss"]')
    for _ in range(2):
        click(page, "#runs-0 th:nth-child(2) button")
    page.execute_script(
        """const search = document.querySelector('#runs-0 input');
        search.value = 'sgd'; search.dispatchEvent(new Event('input', {bubbles: true}));
        Plotly.relayout(document.querySelector('[data-figure="lr"] .plot'), {'yaxis.range': [50, 80]});
        window.before = true; scrollTo(0, 1200);"""
    )
    place = page.execute_script(top)
    make_run(watched.sweeps[0], "adam", 0.01, 77, val=0.95, test=0.95)
    watched.write(2)
    wait_until(page, "!window.before && document.documentElement.dataset.ready === 'yes'")
    wait_until(page, "scrollY > 0")
    assert page.title.startswith("13/13")
    assert abs(page.execute_script(top) - place) <= 2  # though the card above is smaller now
    pressed = "[...document.querySelectorAll('[data-figure=curves] [aria-pressed=true]')].map(b => b.textContent)"
    assert {"train/loss", "second"} <= set(page.execute_script(f"return {pressed}"))
    assert page.execute_script("return document.querySelector('[data-chip=adam]').ariaPressed") == "false"
    assert page.execute_script("return document.querySelector('#runs-0 th:nth-child(2)').ariaSort") == "descending"
    rows = page.execute_script(
        "return [...document.querySelectorAll('#runs-0 tbody tr')].filter(r => !r.hidden).map(r => r.dataset.words)"
    )
    assert len(rows) == 6
    assert all("sgd" in row for row in rows)
    zoom = page.execute_script("return document.querySelector('[data-figure=lr] .plot').layout.yaxis.range")
    assert zoom == [50, 80]
    lrs = [float(text) for text in column(page, "runs-0", 1) if text]
    assert lrs == sorted(lrs, reverse=True)

    build([watched.sweeps[0]], figures=False)
    wait_until(page, "document.getElementById('live') === null && document.documentElement.dataset.ready === 'yes'")
    page.execute_script("window.still = true")
    time.sleep(3)
    assert page.execute_script("return window.still")
    assert page.title == "which · optlab"
    assert page.get_log("browser") == []


# At each frame: how many plots in sight are empty, and where the curves stand. Kept over reloads.
FRAMES = """
sessionStorage.setItem('frames', sessionStorage.getItem('frames') ?? '[]');
function look() {
  const within = ({ top, bottom, width }) => width && bottom > 0 && top < innerHeight;
  const isEmpty = (fig) => !fig.querySelector('.plot .xtick, .before .xtick');
  const plots = [...document.querySelectorAll('.plot')].filter((plot) => within(plot.getBoundingClientRect()));
  const seen = [plots.filter((plot) => isEmpty(plot.parentElement)).length,
    document.querySelector('[data-figure=curves]')?.getBoundingClientRect().top ?? null];
  sessionStorage.setItem('frames', JSON.stringify([...JSON.parse(sessionStorage.getItem('frames')), seen]));
  requestAnimationFrame(look);
}
requestAnimationFrame(look);
"""


def test_nothing_blinks_or_moves_when_it_reads_itself_again_and_new_epochs_are_in_sight(
    browser: Any, tmp_path: Path
) -> None:
    def epochs(number: int) -> None:
        for optimizer in ("adam", "sgd"):
            make_run(
                tmp_path / "grows", optimizer, epochs=9, status="running", curve=[0.5 + 0.05 * i for i in range(number)]
            )
        Watched([tmp_path / "grows"]).write(2)

    shown = "document.querySelector('[data-figure=curves] .plot').layout.xaxis.range[1]"
    epochs(3)
    page = opened(browser, tmp_path / "grows" / "report.html")
    assert 3 <= page.execute_script(f"return {shown}") < 4
    page.execute_script("document.querySelector('[data-figure=curves]').scrollIntoView()")
    place = page.execute_script("return document.querySelector('[data-figure=curves]').getBoundingClientRect().top")
    recording = page.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": FRAMES})
    for number in (5, 6, 7, 8):  # on a busy machine one frame may come too early; without the plots kept, all do
        page.execute_script("sessionStorage.removeItem('frames')")
        epochs(number)
        again = f"{shown} >= {number} && document.documentElement.dataset.ready"
        wait_until(page, f"sessionStorage.getItem('frames') && {again}")
        frames = json.loads(page.execute_script("return sessionStorage.getItem('frames')"))
        if {empty for empty, _ in frames} == {0}:
            break
    page.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", recording)
    assert {empty for empty, _ in frames} == {0}
    assert max(abs(top - place) for _, top in frames) <= 2
    wait_until(page, "!document.querySelector('.before')")
    assert page.execute_script(f"return {shown}") >= 5


def test_a_reader_in_the_middle_of_something_is_not_disturbed(browser: Any, watched: Watched) -> None:
    watched.write(2)
    page = opened(browser, watched.page)
    page.execute_script("window.before = true; getSelection().selectAllChildren(document.querySelector('h1'))")
    time.sleep(3.2)  # it looks each second, and reads itself again after two
    assert page.execute_script("return window.before")
    page.execute_script("getSelection().removeAllRanges()")
    wait_until(page, "!window.before")


def test_a_page_that_nobody_writes_says_how_old_it_is(browser: Any, watched: Watched) -> None:
    watched.write(600)
    old = watched.page.read_text().replace('data-written="1', f'data-written="{(time.time() - 240):.0f}" data-was="1')
    watched.page.write_text(old.replace('data-every="600"', 'data-every="3"'))
    page = opened(browser, watched.page)
    wait_until(page, "document.getElementById('age').innerText.includes('Last written 4 min ago')")


def test_a_server_is_asked_whether_there_is_anything_new(browser: Any, watched: Watched) -> None:
    browser.execute_cdp_cmd("Network.setBlockedURLs", {"urls": []})
    watched.write(2)
    with serving(watched.folder, 0) as port:
        browser.get(f"http://127.0.0.1:{port}/")
        wait_until(browser, "document.documentElement.dataset.ready === 'yes'")
        browser.execute_script("window.before = true")
        time.sleep(3.2)
        assert browser.execute_script("return window.before")  # nothing was new
        watched.write(2)
        wait_until(browser, "!window.before && document.documentElement.dataset.ready === 'yes'")
    wait_until(browser, "document.getElementById('age').innerText.includes('The server does not answer')")
