"""trace.html in a real browser: it steps, lights up, computes again, speaks two languages and fits a phone."""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optlab.config import compose
from optlab.teaching import formulas
from optlab.teaching.page import render, write
from optlab.teaching.page.numbers import short
from optlab.teaching.page.sliders import recomputable
from optlab.teaching.trace.command import trace
from optlab.teaching.words import WORDS, say
from tests.analysis.show.chromium import browser as browser
from tests.analysis.show.chromium import click, needed, opened
from tests.conftest import words_of

ADAM = ("mode=trace", "optimizer=adam", "model=cnn", "trace.compare=[sgd,momentum,adam]", "trace.demo=no_zero_grad")
LINES = ["forward", "zero_grad", "backward", "step", "after", "next"]

# A class with the options of its group: formulas of each kind that the script computes.
ON_FILE: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("torch.optim.sgd.SGD", {"lr": 0.1, "weight_decay": 0.01}),
    "nesterov": ("torch.optim.sgd.SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "adam": ("torch.optim.adam.Adam", {"lr": 0.001, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0}),
    "amsgrad": ("torch.optim.adam.Adam", {"lr": 0.001, "betas": (0.9, 0.999), "eps": 1e-8, "amsgrad": True}),
    "nadam": (
        "torch.optim.nadam.NAdam",
        {"lr": 0.002, "betas": (0.9, 0.999), "eps": 1e-8, "momentum_decay": 0.004, "weight_decay": 0},
    ),
    "radam": ("torch.optim.radam.RAdam", {"lr": 0.001, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0}),
    "rmsprop": (
        "torch.optim.rmsprop.RMSprop",
        {"lr": 0.01, "alpha": 0.99, "eps": 1e-8, "weight_decay": 0, "momentum": 0.5, "centered": True},
    ),
}


@pytest.fixture(scope="module")
def adam(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A real trace of `cnn`, with a comparison and a demonstration."""
    folder = tmp_path_factory.mktemp("trace")
    words = words_of(*ADAM)
    return trace(compose(words), folder / "run", words) | {"folder": folder / "run"}


@pytest.fixture
def page(browser: Any, adam: dict[str, Any]) -> Iterator[Any]:
    """As a reader opens it who has chosen nothing yet; whatever is done, the console stays silent."""
    yield opened(browser, adam["folder"] / "trace.html")
    browser.execute_script("localStorage.clear()")
    assert browser.get_log("browser") == []


def texts(page: Any, selector: str) -> list[str]:
    """What is seen of each element; an element that is hidden has no text."""
    script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.innerText.trim())"
    found: list[str] = page.execute_script(script, selector)
    return found


def slide(page: Any, name: str, place: int) -> None:
    page.execute_script(
        """const knob = document.querySelector(`.step.current [data-name=${arguments[0]}]`);
        knob.value = arguments[1]; knob.dispatchEvent(new Event("input", { bubbles: true }))""",
        name,
        place,
    )


# -- without a browser


def test_numbers_have_few_digits_and_a_title_has_all() -> None:
    shown = {0.1: "0.1", -0.0123456: "−0.01235", 1.23456e-5: "1.235×10⁻⁵", -1e-8: "−10⁻⁸", 123456.7: "1.235×10⁵"}
    assert {value: short(value) for value in shown} == shown
    assert [short(None), short(0.0), short(12345.6), short(1234)] == ["–", "0", "12350", "1,234"]


def test_the_page_is_small_and_asks_for_nothing(adam: dict[str, Any]) -> None:
    written = (adam["folder"] / "trace.html").read_text()
    assert len(written.encode()) < 300_000
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', written)


@needed
def test_a_users_names_are_text(browser: Any, adam: dict[str, Any], tmp_path: Path) -> None:
    hostile = copy.deepcopy({key: value for key, value in adam.items() if key != "folder"})
    for key in ("dataset", "model", "loss", "command"):
        hostile["run"][key] = "</script><img src=x onerror=document.title='run'>"
    hostile["steps"][0]["forward"]["samples"][0]["label"] = "<b>cat</b>"
    write(hostile, tmp_path / "trace.html")
    opened(browser, tmp_path / "trace.html")
    assert browser.title == say("page.title", optimizer="adam")
    assert browser.execute_script("return document.querySelectorAll('img').length") == 0
    assert any("<b>cat</b>" in row for row in texts(browser, ".samples td"))


def test_an_optimizer_without_a_formula_is_shown_with_all_the_rest(adam: dict[str, Any]) -> None:
    without = copy.deepcopy({key: value for key, value in adam.items() if key != "folder"})
    for step in without["steps"]:
        step["weight"] |= {"formula": None, "no_formula": "trace.no_formula"}
    without["run"]["class"] = "mine.Optimizer"
    written = render(without | {"compare": None, "demo": None})
    assert "No formula is on file for mine.Optimizer." in written
    assert 'class="histogram"' in written
    assert 'type="range"' not in written


# -- in a browser


@needed
def test_stepping_marks_the_line_and_shows_what_it_changed(page: Any) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    def where() -> tuple[str, str, list[str]]:
        script = """return [document.querySelector("[data-go][aria-pressed=true]").dataset.go,
            document.querySelector("[data-line][aria-current=step]").dataset.line,
            [...document.querySelectorAll(".stage")].filter((s) => s.offsetParent).map((s) => s.dataset.stage)]"""
        step, line, seen = page.execute_script(script)
        return step, line, seen

    body = page.find_element(By.TAG_NAME, "body")
    seen = [where()]
    for _ in range(6):
        body.send_keys(Keys.ARROW_RIGHT)
        seen.append(where())
    assert seen == [*(("0", line, [line]) for line in LINES), ("1", "forward", ["forward"])]
    click(page, "[data-move='-1']")
    assert where() == ("0", "next", ["next"])
    click(page, "[data-line=backward]")
    assert where() == ("0", "backward", ["backward"])
    click(page, "#every")
    assert where()[2] == [*LINES, *LINES]
    click(page, "#every")


@needed
def test_what_is_shown_are_the_traces_numbers(page: Any, adam: dict[str, Any]) -> None:
    first = adam["steps"][0]
    assert short(first["forward"]["mean"], 6) in texts(page, ".answer")[0]
    click(page, "[data-line=step]")
    assert texts(page, ".step.current .result output") == [
        short(line["value"], 9) for line in first["weight"]["formula"]["lines"]
    ]
    said = texts(page, ".step.current .departure")
    assert any(say("departure.adam_eps") in each and "pytorch#2060" in each for each in said)
    click(page, "[data-line=after]")
    assert short(first["after"]["predicted_fall"]) in texts(page, ".step.current .stage.current .falls")[0]


@needed
def test_a_symbol_lights_up_wherever_it_stands_and_says_its_name_and_number(page: Any, adam: dict[str, Any]) -> None:
    from selenium.webdriver.common.keys import Keys

    click(page, "[data-line=step]")
    page.execute_script("document.querySelector('.step.current .worked [data-key=m_hat] [data-symbol=m]').focus()")
    lit = page.execute_script("return [...document.querySelectorAll('.step.current .lit')].map(e => e.dataset.symbol)")
    assert set(lit) == {"m"}
    assert len(lit) >= 4  # its own line twice and its result, and in m̂ as a symbol and as a number
    values = adam["steps"][0]["weight"]["formula"]["values"]
    assert texts(page, ".step.current .pointed")[0].split("=")[1].split() == [
        short(values["m"], 9),
        *say("symbol.m").split(),
    ]
    page.switch_to.active_element.send_keys(Keys.TAB)  # the next symbol, by the keyboard alone
    assert "m" not in page.execute_script(
        "return [...document.querySelectorAll('.step.current .lit')].map(e => e.dataset.symbol)"
    )


@needed
def test_a_slider_computes_the_step_again_as_python_does(page: Any, adam: dict[str, Any]) -> None:
    click(page, "[data-line=step]")
    before = texts(page, ".step.current .worked .numbers, .step.current .result output")
    weight = adam["steps"][0]["weight"]
    slide(page, "lr", 700)
    slide(page, "beta1", 700)
    changed = page.execute_script(
        """const section = document.querySelector(".step.current .formula");
        return Object.fromEntries(["lr", "beta1"].map((name) => [name, values.get(section)[name]]))"""
    )
    assert changed["lr"] > 0.001
    assert changed["beta1"] != 0.9
    expected = at_one(adam["run"]["class"], weight["hyperparameters"], weight["formula"]["values"], changed)
    assert texts(page, ".step.current .result output")[-1] == short(expected["w"], 9)
    assert texts(page, ".step.current .result output")[1] == short(expected["m"], 9)
    assert short(changed["lr"]) in texts(page, ".step.current .worked .numbers")[-1]
    assert say("page.moved") in texts(page, ".step.current .moved")[0]
    click(page, ".step.current .reset")
    assert texts(page, ".step.current .worked .numbers, .step.current .result output") == before


@needed
def test_the_pages_arithmetic_is_that_of_the_trace(page: Any) -> None:
    for cls, group in ON_FILE.values():
        values, given = worked(cls, group)
        same = page.execute_script("return compute(arguments[0])", given)
        assert same == pytest.approx(values, rel=2e-7), cls
        assert same["w"] == np.float32(same["w"])  # rounded as torch rounds it
        more = page.execute_script("return compute(arguments[0], arguments[1])", given, {"lr": 0.5})
        assert more == pytest.approx(at_one(cls, group, values, {"lr": 0.5}), rel=2e-7), cls
        assert more["w"] != same["w"]


def worked(cls: str, group: dict[str, Any]) -> tuple[dict[str, float], dict[str, Any]]:
    """The numbers of one weight in a step from a random state, and what the page's script is given of them."""
    generator = np.random.default_rng(5)
    formula = formulas.find(cls, group)
    assert formula is not None
    state: dict[str, Any] = {key: np.abs(generator.normal(size=1)).astype(np.float32) + 0.1 for key in formula.state}
    state |= {key: np.float32(value) for key, value in (("step", 7.0), ("mu_product", 0.4)) if key in state}
    gradient, weight = generator.normal(size=(2, 1)).astype(np.float32)
    step = formula.work(formula.collect(group, state, gradient, weight))
    values = step.at((0,))
    lines = [
        {"key": line.key, "tree": line.tree, "value": values[line.key], "torch_state": line.torch_state}
        for line in step.lines
    ]
    shown = {"before": float(weight[0]), "formula": {"values": values, "lines": lines, "precision": "float32"}}
    given: dict[str, Any] = json.loads(json.dumps(recomputable({"weight": shown})))
    return values, given


def at_one(cls: str, group: dict[str, Any], values: dict[str, float], changed: dict[str, float]) -> dict[str, float]:
    """The numbers of one weight, by the formulas' own code."""
    formula = formulas.find(cls, group)
    assert formula is not None
    given: dict[str, Any] = {}
    for name in formula.inputs:
        symbol, value = formulas.SYMBOLS[name], {**values, **changed}[name]
        tensor = symbol.kind in ("gradient", "weight", "state") and symbol.torch not in ("step", "mu_product")
        given[str(symbol.torch)] = np.array([value], np.float32) if tensor else value
    return formula.work(given).at((0,))


@needed
def test_the_button_says_everything_in_chinese_and_the_page_remembers_it(page: Any, adam: dict[str, Any]) -> None:
    def lang() -> str:
        return str(page.execute_script("return document.documentElement.lang"))[:2]

    def said() -> list[tuple[str, str]]:
        script = "return [...document.querySelectorAll('[data-t]')].map(e => [e.dataset.t, e.dataset.f, e.textContent])"
        spoken = lang()
        found = page.execute_script(script)
        return [(text, say(key, spoken, **json.loads(fields or "{}"))) for key, fields, text in found]

    assert all(shown == expected for shown, expected in said())
    click(page, "#every")
    english = page.execute_script("return document.body.innerText")
    click(page, "#language")
    assert lang() == "zh"
    assert page.title == say("page.title", "zh", optimizer="adam")
    assert all(shown == expected for shown, expected in said())
    chinese = page.execute_script("return document.body.innerText")
    used = {key for key, text in WORDS.items() if len(said_in(text.en)) > 12 and said_in(text.en) in english}
    assert len(used) > 40
    assert not {key for key in used if said_in(WORDS[key].en) in chinese}
    rest = """const found = [];
        const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        while (walk.nextNode()) {
          const own = "[data-t], noscript, code, pre, math, script, style, svg, .name, .outcome, .from, td, h4 small";
          if (!walk.currentNode.parentElement.closest(own)) found.push(walk.currentNode.data);
        }
        return found.join(" ") + " " + [...document.querySelectorAll("[aria-label], [title]:not(.n)")]
          .filter((e) => !e.closest(".cell")).map((e) => (e.ariaLabel ?? "") + " " + e.title).join(" ")"""
    assert set(re.findall(r"[A-Za-z]{3,}", page.execute_script(rest))) <= {"optlab", "torch", "English", "ulp", "nan"}
    opened(page, adam["folder"] / "trace.html")
    assert lang() == "zh"
    click(page, "#language")
    assert lang() == "en"


def said_in(template: Any) -> str:
    """The longest part of a template without a field."""
    text = template if isinstance(template, str) else template[1]
    return max(re.split(r"\{[^}]*\}", text), key=len).strip()


@needed
def test_it_fits_a_phone(page: Any) -> None:
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    )
    try:
        click(page, "#every")
        for _ in range(2):
            assert page.execute_script("return document.documentElement.scrollWidth") <= 360
            click(page, "#language")
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@needed
def test_optimizers_stand_side_by_side_and_a_line_is_struck_out(page: Any, adam: dict[str, Any]) -> None:
    rows = adam["compare"]["optimizers"]
    shown = [row.split("\t") for row in texts(page, "#compare tbody tr")]
    assert [row[0] for row in shown] == [each["name"] for each in rows] * len(adam["steps"])
    assert [row[2] for row in shown[:3]] == [short(each["steps"][0]["update_norm"]) for each in rows]
    assert page.execute_script("return document.querySelectorAll('#compare svg.angle').length") == len(shown)
    assert texts(page, "#demo del") == ["optimizer.zero_grad()"]
    other = adam["demo"]["other"][1]
    assert short(other["gradient_norm"]) in texts(page, "#demo .other tbody tr")[1].split("\t")
    assert short(other["gradient_norm"]) in texts(page, "#demo .other .differs")


@needed
def test_it_opens_in_the_language_that_was_typed(browser: Any, adam: dict[str, Any], tmp_path: Path) -> None:
    write({key: value for key, value in adam.items() if key != "folder"}, tmp_path / "trace.html", "zh")
    opened(browser, tmp_path / "trace.html")
    assert browser.execute_script("return document.documentElement.lang") == "zh-CN"
    assert texts(browser, "[data-move='1'] [data-t]") == [say("page.on", "zh")]
