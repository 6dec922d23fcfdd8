"""`optlab surfaces`: what it writes, and what it says to words that it cannot use."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageSequence

from optlab.analysis.show.colors import OPTIMIZERS
from optlab.commands.surfaces import main
from tests.analysis.show.chromium import browser, click, needed, opened, until
from tests.commandline import ROOT, in_process

__all__ = ["browser"]


def surfaces(*words: str) -> tuple[int, str, str]:
    return in_process(lambda: main(sys.argv[1:]), "scripts/surfaces.py", *words)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two surfaces; on one of them sgd diverges with the lr that is typed."""
    folder = tmp_path_factory.mktemp("surfaces")
    words = ("--optimizers", "sgd,adam", "--steps", "30", "--out", str(folder))
    code, out, err = surfaces(*words, "--surface", "ravine,rosenbrock", "--lr", "0.01")
    assert (code, err) == (0, "")
    assert "diverged" in out
    return folder


def test_everything_is_written(made: Path) -> None:
    names = {path.name for path in made.iterdir()}
    pictures = {f"{name}.{kind}" for name in ("ravine", "rosenbrock") for kind in ("png", "gif")}
    assert names == {"surfaces.json", "surfaces.html"} | pictures
    found = json.loads((made / "surfaces.json").read_text())
    sgd, adam = found["surfaces"][1]["paths"]
    assert (sgd["optimizer"], sgd["class"], sgd["lr"]) == ("sgd", "torch.optim.SGD", 0.01)
    assert sgd["diverged"] == len(sgd["f"]) - 1 < 30
    assert (adam["diverged"], len(adam["x"]), len(adam["y"]), len(adam["f"])) == (None, 31, 31, 31)
    assert adam["arguments"]["betas"] == [0.9, 0.999]
    assert found["command"].startswith("python scripts/surfaces.py --optimizers sgd,adam --steps 30")
    with Image.open(made / "ravine.gif") as animation:
        frames = [np.asarray(frame.convert("RGB"), dtype=int) for frame in ImageSequence.Iterator(animation)]
    assert len(frames) > 10
    moved = frames[9][(frames[9] != frames[0]).any(axis=-1)]
    for name in ("sgd", "adam"):
        color = [int(OPTIMIZERS[name][at : at + 2], 16) for at in (1, 3, 5)]
        assert (abs(moved - color).max(axis=-1) < 8).any(), f"no pixel in the colour of {name}"


def test_an_optimizer_of_ones_own_is_searched(tmp_path: Path) -> None:
    (tmp_path / "conf" / "optimizer").mkdir(parents=True)
    yaml = "defaults: [sgd]\nname: gentle\nmomentum: 0.5\n"
    (tmp_path / "conf" / "optimizer" / "gentle.yaml").write_text(yaml)
    result = surfaces("--optimizers", "gentle", "--surface", "saddle", "--steps", "5", "--no-animation", "--out", "o")
    assert result[0] == 0, result
    (path,) = json.loads(Path("o/surfaces.json").read_text())["surfaces"][0]["paths"]
    assert (path["optimizer"], path["arguments"]["momentum"], len(path["trials"])) == ("gentle", 0.5, 15)
    assert not list(Path("o").glob("*.gif"))


def test_the_table_of_the_docs_is_what_is_printed() -> None:
    page = (ROOT / "docs" / "inside.md").read_text("utf-8")
    words, shown = re.findall(r"\$ optlab surfaces ([^\n]*)\n```\n```\n(.*?)\n```", page, re.DOTALL)[0]
    printed = surfaces(*words.split(), "--out", "o")[1]
    lines = [line.rstrip() for line in printed.splitlines() if line.strip()]
    assert lines[:-2] == shown.splitlines()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--surface", "hill"], "--surface hill: there is no such surface; known: rosenbrock, rastrigin, beale"),
        (["--surface", ","], "names nothing"),
        (["hill"], "unrecognized arguments: hill; type .*surfaces.py \\[-h\\] \\[--optimizers NAMES\\] "),
        (["--start", "1"], "argument --start: expected 2 arguments; type "),
        (["--optimizers", "adma"], "optimizer=adma: there is no such optimizer; known: .*did you mean optimizer=adam"),
        (
            ["--optimizers", "sgd,muon"],
            "muon: MuonAdamW has no path over a surface, which is two weights and no matrix",
        ),
        (["--optimizers", "custom"], "optimizer=custom needs a class"),
        (["--steps", "0"], "--steps 0: must be a whole number from 1 to 10,000"),
        (["--steps", "1e3"], "--steps 1e3: must be"),
        (["--lr", "fast"], "--lr fast: must be a number above 0, or auto"),
        (["--lr", "nan"], "--lr nan: must be"),
        (["--lr=-1"], "--lr -1: must be"),
        (["--start", "a", "1"], "--start a: must be two numbers, like -1.2 1"),
        (["--start", "1", "1e9"], "--start 1 1e\\+09: further from Rosenbrock's picture than"),
        (["--optimizers", "sgd", "--steps", "2", "--lr", "0.1", "--out", "taken"], "--out taken: cannot write there"),
        (["--config-dir", "nowhere"], "nowhere"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_used_is_one_line(words: list[str], line: str) -> None:
    Path("taken").write_text("a file")
    code, _, err = surfaces(*words)
    assert code == 1
    assert err.startswith("optlab: ")
    assert err.count("\n") == 1
    assert re.search(line, err), err
    assert {path.name for path in Path().iterdir()} == {"taken"}


@needed
def test_the_page(browser: Any, made: Path) -> None:
    browser.set_window_size(1280, 900)
    page = opened(browser, made / "surfaces.html")
    read = "return document.getElementById('map').data.filter((trace) => trace.name === arguments[0])"
    faint, bright, _ = page.execute_script(read, "sgd")
    assert faint["line"]["color"].lower() == OPTIMIZERS["sgd"].lower()
    assert len(bright["x"]) == 31
    slide = "s = document.getElementById('step'); s.value = 7; s.dispatchEvent(new Event('input'))"
    page.execute_script(slide)
    _, bright, head = page.execute_script(read, "sgd")
    assert (len(bright["x"]), head["x"]) == (8, [bright["x"][-1]])
    assert bright["text"][7].startswith("sgd, step 7<br>f = ")
    assert bright["text"][7].endswith("lr = 0.01")
    click(page, "[data-chip=sgd]")
    assert page.execute_script(read, "sgd") == []
    assert page.execute_script(read, "adam")
    click(page, "[data-chip=sgd]")
    click(page, "[data-surface=rosenbrock]")
    page.execute_script(slide)
    *_, head = page.execute_script(read, "sgd")
    assert head["marker"]["symbol"] == "x"
    assert page.find_element("css selector", "[data-of=rosenbrock]").text.count("diverged at step") == 1
    # On a busy machine it has played to the end before it is looked at again: what it said meanwhile is kept.
    keep = "said = []; new MutationObserver(() => said.push(play.textContent)).observe(play, {childList: true})"
    page.execute_script(keep)
    click(page, "#play")
    assert page.execute_script("return said[0]") == "Pause"
    until(page, "return Number(document.getElementById('step').value) > 7")
    browser.set_window_size(500, 900)
    until(page, "return document.documentElement.scrollWidth <= innerWidth")  # drawn again a moment later
    assert page.get_log("browser") == []
