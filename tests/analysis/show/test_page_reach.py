"""report.html for those without a mouse, a wide screen, scripts or a screen at all."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from optlab.analysis import build
from tests.analysis.made import make_run, make_sweep
from tests.analysis.show.chromium import browser as browser
from tests.analysis.show.chromium import click, needed, opened

pytestmark = needed

PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two settings, with pictures, and a run that failed."""
    folder = tmp_path_factory.mktemp("reach") / "sweep"
    for dataset in ("digits", "mnist"):
        make_sweep(folder, {"adam": [0.9, 0.91, 0.92], "sgd": [0.8, 0.82, 0.81]}, dataset=dataset)
    make_run(folder, "adam", seed=9, status="failed")
    return build([folder]).report


@pytest.fixture
def page(browser: Any, report: Path) -> Any:
    return opened(browser, report)


@pytest.fixture
def phone(browser: Any, report: Path) -> Iterator[Any]:
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    yield opened(browser, report)
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


CURVES = '.setting:not([hidden]) [data-figure="curves"]'


def ranges(page: Any) -> Any:
    """The ranges of both axes of the learning curves."""
    script = f"const l = document.querySelector('{CURVES} .plot')._fullLayout; return [l.xaxis.range, l.yaxis.range]"
    return page.execute_script(script)


def press(page: Any, *keys: str) -> None:
    from selenium.webdriver.common.by import By

    page.find_element(By.CSS_SELECTOR, f"{CURVES} .plot").send_keys(*keys)


def test_a_swipe_over_a_figure_scrolls_the_page(phone: Any) -> None:
    script = f"""const plot = document.querySelector('{CURVES} .plot');
    plot.scrollIntoView({{block: 'center'}});
    const box = plot.getBoundingClientRect();
    return [scrollY, Math.round(box.left + box.width / 2), Math.round(box.top + box.height / 2)]"""
    before, x, y = phone.execute_script(script)
    drawn = ranges(phone)
    for kind, above in (("touchStart", 0), *(("touchMove", up) for up in range(20, 220, 20)), ("touchEnd", None)):
        points = [] if above is None else [{"x": x, "y": y - above}]
        phone.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert phone.execute_script("return scrollY") > before + 100
    assert ranges(phone) == drawn


def test_a_phone_can_still_zoom(phone: Any) -> None:
    (left, right), _ = ranges(phone)
    click(phone, f'{CURVES} [data-zoom="in"]')
    assert ranges(phone)[0] == pytest.approx([left + (right - left) / 4, right - (right - left) / 4])


def test_keys_zoom_move_and_reset(page: Any) -> None:
    (left, right), (low, high) = ranges(page)
    press(page, "+")
    assert ranges(page)[1] == pytest.approx([low + (high - low) / 4, high - (high - low) / 4])
    press(page, "-", "\ue014")  # the right arrow
    assert ranges(page)[0] == pytest.approx([left + 0.2 * (right - left), right + 0.2 * (right - left)])
    click(page, '[data-chip="adam"]')  # a toggle keeps the zoom
    assert ranges(page)[0][0] == pytest.approx(left + 0.2 * (right - left))
    press(page, "0")
    assert ranges(page)[0] == pytest.approx([left, right])


def test_what_a_pointer_is_told_stands_in_a_table_too(page: Any) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    click(page, f"{CURVES} summary")
    rows = f"return [...document.querySelectorAll('{CURVES} .numbers tr')].map(r => [...r.cells].map(c => c.innerText))"
    heading, *found = WebDriverWait(page, 10).until(lambda d: d.execute_script(rows))  # told of a moment later
    assert heading == ["", "epoch", "validation accuracy (%)", "said of it"]
    assert len(found) == 2 * 4
    assert found[3] == ["adam", "4", "91", "91.00 % (90.50–91.50), 3 seeds"]
    click(page, '[data-chip="adam"]')
    assert {row[0] for row in page.execute_script(rows)[1:]} == {"sgd"}


def test_the_first_tab_stop_skips_to_the_verdict_and_every_link_of_the_contents_leads_somewhere(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    page.switch_to.active_element.send_keys(Keys.TAB)
    assert page.execute_script("return document.activeElement.innerText") == "Skip to the verdict"
    assert page.execute_script("return document.activeElement.getBoundingClientRect().top") >= 0
    script = """return [...document.querySelectorAll('.skip, .contents a')].map(
        a => [a.innerText, document.querySelector(a.hash)?.getClientRects().length > 0])"""
    links = page.execute_script(script)
    assert [text for text, _ in links[1:]] == [
        "Verdict",
        "Failed and skipped",
        "Figures",
        "Tables",
        "Repeat it",
        "How to read this",
    ]
    assert all(leads for _, leads in links)


def test_buttons_that_copy_say_what(page: Any) -> None:
    labels = page.execute_script("return [...document.querySelectorAll('.copy')].map(b => b.ariaLabel)")
    assert "copy the command of adam lr 0.001 seed 2" in labels
    assert "copy the command: the whole sweep once more, in a new folder" not in labels  # nothing was recorded of it
    assert len(set(labels)) == len(labels) - 6  # the same optimizer and seed on both data sets


def test_without_scripts_the_pictures_stand_in_the_page(browser: Any, report: Path) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(report.as_uri())
        script = """return [...document.querySelectorAll('.fig')].map(f => [
            f.dataset.figure, f.querySelector('.still svg')?.getBoundingClientRect().width ?? 0])"""
        shown = browser.execute_script(script)
        assert [name for name, _ in shown].count("curves") == 2
        assert all(width > 200 for _, width in shown), shown
        unseen = (
            "return [...document.querySelectorAll('.chips, .switches, .copy, .plot')].filter(e => e.clientWidth).length"
        )
        assert browser.execute_script(unseen) == 0
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_a_browser_that_cannot_unpack_them_shows_the_pictures(browser: Any, report: Path) -> None:
    added = browser.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": "delete window.DecompressionStream"}
    )
    try:
        page = opened(browser, report)
        assert "pictures stand in their place" in page.execute_script("return document.querySelector('main').innerText")
        assert page.execute_script(f"return document.querySelector('{CURVES} .still svg').clientWidth") > 200
    finally:
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
        browser.get_log("browser")


def test_the_pictures_of_a_page_have_ids_of_their_own(report: Path) -> None:
    text = report.read_text()
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", text)) | set(re.findall(r'<use href="#([^"]+)"', text)) <= set(ids)
    assert "<metadata" not in text
    assert len(text) < 1_100_000


def test_a_report_without_pictures_says_so(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"adam": [0.9, 0.91, 0.92]})
    text = build([tmp_path], figures=False).report.read_text()
    assert "made without pictures" in text
    assert "there is no picture of it in this page" in text


def test_paper_shows_every_setting(page: Any) -> None:
    content = base64.b64decode(page.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"])
    assert content.startswith(b"%PDF")
    page.execute_script("dispatchEvent(new Event('beforeprint'))")
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        script = """return [...document.querySelectorAll('.fig')].map(f => Math.max(
            f.querySelector('.still').clientHeight, f.querySelector('.plot').clientHeight))"""
        assert min(page.execute_script(script)) > 80
        text = page.execute_script("return document.querySelector('main').innerText")
        assert text.count("cnn on mnist") >= 3  # above its verdict, its figures and its tables
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
        page.execute_script("dispatchEvent(new Event('afterprint'))")
    assert page.get_log("browser") == []


LONG = "an_optimizer_whose_name_tells_everything_that_was_changed_in_it_since_the_first_"
ODD = "<b>x</b> & $a_b$ 優化器"


@pytest.mark.parametrize("width", [390, 1280])
def test_long_and_odd_names_fit_and_are_text(browser: Any, tmp_path: Path, width: int) -> None:
    for seed in range(3):
        for name, value in ((LONG, 0.9), (LONG + "again", 0.8), (ODD, 0.7)):
            make_run(tmp_path / LONG, name, seed=seed, val=value, test=value, config={"model": {"name": LONG}})
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE | {"width": width, "mobile": width < 400})
    try:
        page = opened(browser, build([tmp_path / LONG], figures=False).report)
        assert page.execute_script("return document.documentElement.scrollWidth") <= width
        wide = "return [...document.querySelectorAll('main *')].filter(e => !e.closest('.scroll, .chips') && "
        wide += "e.getBoundingClientRect().right > innerWidth + 1).map(e => e.className.baseVal ?? e.className)"
        assert page.execute_script(wide) == []
        room = "return [...document.querySelectorAll('.plot .nsewdrag')].map(e => e.getBoundingClientRect().width)"
        assert min(page.execute_script(room)) > 0.3 * width / 2, "names leave no room for what is drawn"
        ticks = "return [...document.querySelectorAll('[data-figure=finals] .xtick')].map(t => t.textContent)"
        assert ODD.replace(" ", "") in [tick.replace(" ", "") for tick in page.execute_script(ticks)]  # in two lines
        assert page.execute_script("return document.querySelectorAll('main .card:not(.verdict) b').length") == 0
        assert page.get_log("browser") == []
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
