"""report.html in a real browser: it draws, sorts, toggles and switches, says nothing on the console, fits a phone."""

import base64
import re
from pathlib import Path
from typing import Any

import pytest

from optlab.analysis import build
from tests.analysis.made import make_run, make_study, make_sweep
from tests.analysis.show.chromium import browser as browser
from tests.analysis.show.chromium import click, needed, opened

pytestmark = needed


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    make_study(folder / "which")
    make_sweep(folder / "which" / "more", {"adam": [0.9, 0.91, 0.92], "sgd": [0.8, 0.82, 0.81]}, dataset="mnist")
    make_run(folder / "which", "sgd", 0.1, 91, phase="confirm", epochs=6, test_curve=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    make_run(folder / "which", "sgd", 0.1, 90, status="failed", phase="confirm", epochs=6)
    return build([folder / "which"], figures=False).report


@pytest.fixture
def page(browser: Any, report: Path) -> Any:
    return opened(browser, report)


def column(page: Any, table: str, index: int) -> list[str]:
    script = (
        "return [...document.querySelectorAll(arguments[0] + ' tbody tr')].map(r => r.cells[arguments[1]].innerText)"
    )
    return [text.strip() for text in page.execute_script(script, f"#{table}", index)]


def traces(page: Any, figure: str, expression: str) -> list[Any]:
    """Of each trace that a figure has drawn, what the expression of `t` says."""
    script = f"""const plot = document.querySelector('.setting:not([hidden]) [data-figure="{figure}"] .plot');
    return plot.data.map(t => {expression})"""
    found: list[Any] = page.execute_script(script)
    return found


def test_it_draws_every_figure_and_the_console_stays_silent(page: Any) -> None:
    script = """return [...document.querySelectorAll('.setting:not([hidden]) .fig')].map(
        f => [f.dataset.figure, f.querySelectorAll('.plot .scatterlayer .trace').length])"""
    drawn = dict(page.execute_script(script))
    assert list(drawn) == ["curves", "finals", "differences", "lr", "budget", "target", "gap"]
    assert all(count >= 4 for count in drawn.values()), drawn
    assert page.get_log("browser") == []


def test_it_is_one_file_that_asks_for_nothing(page: Any, report: Path) -> None:
    assert page.execute_script("return performance.getEntriesByType('resource').length") == 0
    outside = re.sub(r'<script type="text/plain".*?</script>', "", report.read_text(), flags=re.S)
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', outside)
    assert report.stat().st_size < 1_000_000


def test_the_verdict_stands_first_in_words(page: Any) -> None:
    shown = page.execute_script("return document.querySelector('main h2').innerText")
    assert "momentum" in shown or "adam" in shown
    top = page.execute_script("return document.querySelector('main h2').getBoundingClientRect().top")
    assert top < 700  # on the first screen, below the overview


def test_a_click_on_a_heading_sorts_and_a_second_turns_it_round(page: Any) -> None:
    click(page, "#runs-0 th:nth-child(2) button")
    up = [float(text) for text in column(page, "runs-0", 1)]
    assert up == sorted(up)
    click(page, "#runs-0 th:nth-child(2) button")
    assert [float(text) for text in column(page, "runs-0", 1)] == up[::-1]
    assert page.execute_script("return document.querySelector('#runs-0 th:nth-child(2)').ariaSort") == "descending"
    click(page, "#runs-0 th:nth-child(1) button")
    names = column(page, "runs-0", 0)
    assert names == sorted(names)


def test_an_optimizer_can_be_switched_off_and_on(page: Any) -> None:
    def of_adam(figure: str) -> set[bool]:
        pairs = traces(page, figure, "[(t.meta?.contenders ?? []).includes('adam'), t.visible]")
        return {visible for is_adam, visible in pairs if is_adam}

    click(page, '[data-chip="adam"]')
    for figure in ("curves", "finals", "differences", "lr", "budget", "target", "gap"):
        assert of_adam(figure) == {False}, figure
    assert any(visible is True for visible in traces(page, "curves", "t.visible"))
    click(page, '[data-chip="adam"]')
    assert of_adam("finals") == {True}


def test_the_x_axis_and_the_metric_can_be_switched(page: Any) -> None:
    figure = '.setting:not([hidden]) [data-figure="curves"]'
    ends = {"epoch": 6, "sample": 6000, "second": 6.0}
    for axis, end in ends.items():
        click(page, f'{figure} [data-axis="{axis}"]')
        assert {max(x) for x in traces(page, "curves", "[...t.x].filter(Number.isFinite)")} == {end}
    click(page, f'{figure} [data-choice="train/loss"]')
    title = f"return document.querySelector('{figure} .ytitle').textContent"
    assert page.execute_script(title) == "training loss"


def test_every_number_leads_to_its_runs(page: Any, report: Path) -> None:
    hrefs = page.execute_script("return [...document.querySelectorAll('#runs-0 a')].map(a => a.getAttribute('href'))")
    assert len(hrefs) == 4 * (3 * 2 + 5) + 2
    assert all((report.parent / href / "run.json").exists() for href in hrefs)
    click(page, "#standings-0 tbody tr:first-child [data-find]")
    script = (
        "return [...document.querySelectorAll('#runs-0 tbody tr')].filter(r => !r.hidden).map(r => r.dataset.words)"
    )
    shown = page.execute_script(script)
    assert len(shown) == 7  # two tuning seeds and five of the confirmation
    assert len({words.split()[0] for words in shown}) == 1


def test_settings_are_behind_tabs(page: Any) -> None:
    click(page, "[data-setting='setting-cnn-on-mnist']")
    shown = page.execute_script(
        "return [...document.querySelectorAll('.setting')].filter(s => !s.hidden).map(s => s.innerText).join(' ')"
    )
    assert "cnn on mnist" in shown
    assert len(traces(page, "curves", "1")) > 0
    assert page.current_url.endswith("#setting-cnn-on-mnist")  # a link that can be passed on


def test_a_link_leads_to_its_setting_and_to_what_lies_in_it(browser: Any, report: Path) -> None:
    script = "return [...document.querySelectorAll('.setting')].filter(s => !s.hidden).map(s => s.dataset.of ?? s.id)"
    for place in ("setting-cnn-on-mnist", "standings-1"):
        browser.get("about:blank")
        browser.get(f"{report.as_uri()}#{place}")
        assert set(browser.execute_script(script)) == {"setting-cnn-on-mnist"}
    browser.get("about:blank")
    click(opened(browser, report), "#overview tbody tr:nth-child(2) a")
    assert set(browser.execute_script(script)) == {"setting-cnn-on-mnist"}


def test_a_dash_is_last_whichever_way_a_table_is_sorted(page: Any) -> None:
    for _ in range(2):
        click(page, "#runs-0 th:nth-child(6) button")
        values = column(page, "runs-0", 5)
        known = [text for text in values if text != "–"]
        assert 0 < len(known) < len(values)  # a run that failed has none
        assert values == [*known, *["–"] * (len(values) - len(known))]


def test_the_runs_are_found_by_value_and_an_empty_search_says_so(page: Any) -> None:
    from selenium.webdriver.common.by import By

    field = page.find_element(By.CSS_SELECTOR, "input[data-for='runs-0']")
    said = "return document.querySelector('[data-found=\"runs-0\"]').innerText"
    shown = "return [...document.querySelectorAll('#runs-0 tbody tr')].filter(r => !r.hidden).map(r => r.dataset.words)"
    field.send_keys("adam lr=1e-3")
    found = page.execute_script(shown)
    assert found
    assert all("adam lr=0.001" in words for words in found)
    assert page.execute_script(said).startswith(f"{len(found)} of ")
    field.clear()
    field.send_keys("adm")
    assert page.execute_script(shown) == []
    assert "“adm”" in page.execute_script(said)


def test_commands_to_repeat_it(page: Any) -> None:
    commands = page.execute_script("return [...document.querySelectorAll('#reproduce code')].map(c => c.innerText)")
    # A sweep without a name makes a folder of its own each time, so going on in this one takes its name.
    assert commands[0] == "python train.py -m hydra/sweeper=study optimizer=sgd,adam"
    assert commands[1] == "python train.py -m hydra/sweeper=study optimizer=sgd,adam sweep=which"
    said = page.execute_script("return [...document.querySelectorAll('#reproduce .note')].map(n => n.innerText)")
    assert said[:2] == [
        "the whole sweep once more, in a new folder",
        "go on in which: only runs that are missing there",
    ]
    # With -m, what a study's preset sets would be refused: the loop is what can be typed.
    loop = "for seed in 2 3 4 5 6; do python train.py optimizer=adam optimizer.lr=0.001 seed=$seed; done"
    assert loop in commands
    assert "python train.py -m optimizer=adam optimizer.lr=0.001 seed=0,1,2" in commands


def test_what_failed_is_named(page: Any) -> None:
    text = page.execute_script("return document.querySelector('main').innerText")
    assert "1 run failed" in text
    assert "RuntimeError: out of memory" in text


def test_light_and_dark_follow_the_system_and_the_button(page: Any, report: Path) -> None:
    def ground() -> float:
        rgb = page.execute_script("return getComputedStyle(document.body).backgroundColor")
        return sum(int(number) for number in re.findall(r"\d+", rgb)[:3]) / 3

    def prefer(scheme: str) -> None:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    prefer("dark")
    assert ground() < 60
    prefer("light")
    assert ground() > 200
    click(page, "#theme")
    click(page, "#theme")
    assert ground() < 60  # dark by choice
    opened(page, report)
    assert ground() < 60  # and remembered
    click(page, "#theme")
    assert ground() > 200


def test_it_fits_a_phone(browser: Any, report: Path) -> None:
    metrics = {"width": 375, "height": 812, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        page = opened(browser, report)
        assert page.execute_script("return document.documentElement.scrollWidth") <= 375
        widths = page.execute_script(
            "return [...document.querySelectorAll('.plot svg.main-svg')].map(s => s.clientWidth)"
        )
        assert max(widths) <= 375
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_it_prints(page: Any) -> None:
    printed = page.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    content = base64.b64decode(printed["data"])
    assert content.startswith(b"%PDF")
    assert content.count(b"/Type /Page\n") + content.count(b"/Type /Page ") < 20
    assert page.get_log("browser") == []


def test_names_are_text_and_never_markup(browser: Any, tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)></script>"
    for seed in range(3):
        make_run(tmp_path, f"adam{name}", seed=seed, config={"model": {"name": name}})
    page = opened(browser, build([tmp_path], figures=False).report)
    assert page.execute_script("return document.querySelectorAll('main img').length") == 0
    assert name in page.execute_script("return document.querySelector('.eyebrow').innerText")
    assert page.get_log("browser") == []
