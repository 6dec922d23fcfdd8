"""What a reader's switches make of the figures on the page: hidden contenders, single seeds, log axis, last third."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.support.ui import WebDriverWait

from optlab.analysis import build
from tests.analysis.made import make_run
from tests.analysis.show.chromium import browser, click, needed, opened

__all__ = ["browser"]
pytestmark = needed

LEVELS = {f"mine{n}": 0.95 - 0.01 * n for n in range(7)}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("views")
    for name, level in LEVELS.items():
        for seed in range(3):
            curve = [level * (1 - 0.5**epoch) + 0.003 * seed for epoch in range(1, 10)]
            make_run(folder, name, seed=seed, curve=curve, val=curve[-1], test=curve[-1], epochs=9)
    return build([folder], figures=False).report


@pytest.fixture
def page(browser: Any, report: Path) -> Iterator[Any]:
    yield opened(browser, report)
    assert browser.get_log("browser") == []


def traces(page: Any, figure: str, expression: str) -> list[Any]:
    """Of each trace that a figure has drawn, what the expression of `t` says."""
    script = f"""return document.querySelector('[data-figure="{figure}"] .plot').data.map(t => {expression})"""
    found: list[Any] = page.execute_script(script)
    return found


def axes(page: Any, figure: str) -> Any:
    """The layout that a figure was drawn with, its numbers and words."""
    script = f"""const l = document.querySelector('[data-figure="{figure}"] .plot').layout;
    return {{x: l.xaxis.range, y: l.yaxis.range, type: l.yaxis.type, title: l.yaxis.title?.text,
             names: l.yaxis.ticktext ?? l.xaxis.ticktext, words: (l.annotations ?? []).map(a => a.text)}}"""
    return page.execute_script(script)


def rows(page: Any) -> list[list[float]]:
    """x of the seed lines in the figure of finals."""
    found = traces(page, "finals", "t.meta.contenders.length ? null : [...t.x]")
    return [x for x in found if x is not None]


def switch(page: Any, name: str) -> None:
    click(page, f'[data-figure="curves"] [data-switch="{name}"]')


def test_lines_have_their_names_at_their_ends_and_leave_in_words(page: Any) -> None:
    words = axes(page, "curves")["words"]
    assert [w for w in words if w in LEVELS] == sorted(LEVELS, reverse=True)  # from the bottom up
    click(page, '[data-chip="mine3"]')
    assert "mine3" not in axes(page, "curves")["words"]
    page.execute_script("""return Plotly.relayout(document.querySelector('[data-figure="curves"] .plot'),
        {'yaxis.range': [60, 80]})""")  # as a reader zooms
    left = {"▼ mine6 down to 44.65, 5 others", "▲ mine0 up to 95.26, 5 others"}
    WebDriverWait(page, 5).until(lambda _: left <= set(axes(page, "curves")["words"]))


def test_with_the_leader_hidden_differences_are_those_of_the_next(page: Any) -> None:
    assert len(axes(page, "differences")["names"]) == 6
    click(page, '[data-chip="mine0"]')
    shown = axes(page, "differences")
    assert len(shown["names"]) == 15  # of six, all pairs
    assert shown["y"] == [-0.5, 14.5]
    visible = traces(page, "differences", "t.visible ? t.y[0] : null")
    assert sorted(y for y in visible if y is not None) == list(range(15))
    assert not [name for name in shown["names"] if "mine0" in name]


def test_seed_lines_join_only_what_is_shown(page: Any) -> None:
    assert rows(page) == [[0, 1, 2, 3, 4, 5, 6]] * 3
    click(page, '[data-chip="mine0"]')
    click(page, '[data-chip="mine3"]')
    assert rows(page) == [[0, 1, 2, 3, 4]] * 3
    shown = axes(page, "finals")
    assert shown["names"] == ["mine1", "mine2", "mine4", "mine5", "mine6"]
    assert shown["x"] == [-0.5, 4.5]
    bars = traces(page, "finals", "t.visible && t.error_y ? t.x[0] : null")
    assert [x for x in bars if x is not None] == pytest.approx([0.22, 1.22, 2.22, 3.22, 4.22])


def test_single_seeds_are_shown_by_a_switch(page: Any) -> None:
    def shown() -> int:
        return sum(traces(page, "curves", "t.visible && t.meta.switch === 'seeds'"))

    assert shown() == 0
    switch(page, "seeds")
    assert shown() == 7
    switch(page, "seeds")
    assert shown() == 0


def test_the_log_axis_shows_errors(page: Any) -> None:
    switch(page, "log")
    axis = axes(page, "curves")
    assert (axis["type"], axis["title"]) == ("log", "validation error (%)")
    lines = traces(page, "curves", "t.meta.end === 'mine0' ? t.y.at(-1) : null")
    [last] = [y for y in lines if y is not None]
    assert last == pytest.approx(100 - 100 * (0.95 * (1 - 0.5**9) + 0.003), abs=1e-3)
    low, high = (10**end for end in axis["y"])
    assert low < last < high < 100
    click(page, '[data-figure="curves"] [data-choice="train/loss"]')
    assert axes(page, "curves")["title"] == "training loss"
    assert math.isfinite(sum(axes(page, "curves")["y"]))


def test_the_last_third_shows_all_that_is_in_it(page: Any) -> None:
    switch(page, "late")
    axis = axes(page, "curves")
    assert axis["x"] == pytest.approx([6, 9], abs=0.2)
    assert axis["y"][0] < 100 * LEVELS["mine6"] * (1 - 0.5**6) < 100 * LEVELS["mine0"] < axis["y"][1]
    assert axis["y"][0] > 80
    assert not [word for word in axis["words"] if "down to" in word or "up to" in word]
