"""docs/notes.md and docs/notes.zh.md: what they show is what is printed, and what they claim is so."""

import json
import re
import shlex
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from optlab.record import RunRecord
from tests.commandline import ROOT, command
from tests.docs.notes import PAGES, agree, check, missing, runs_of, sections
from tests.docs.test_pages import one_run
from tests.metrics import read_metrics

NOTES = sections("en")


def runs(sweep: str) -> dict[tuple[str, float, int], list[dict[str, Any]]]:
    """The rows of metrics.csv of each run of a sweep, by optimizer, learning rate and seed."""
    found: dict[tuple[str, float, int], list[dict[str, Any]]] = {}
    for path in sorted(runs_of(sweep).glob("*/run.json")):
        record = RunRecord.read(path.parent)
        assert record.lr is not None
        rows: list[dict[str, Any]] = [dict(row) for row in read_metrics(path.with_name("metrics.csv"))]
        found[record.optimizer, record.lr, record.seed] = rows
    return found


# -- the pages


@pytest.mark.parametrize("language", PAGES)
def test_every_number_in_the_text_stands_in_a_block_beside_it(language: str) -> None:
    for section in sections(language).values():
        shown = " ".join(block for _, block in section.blocks)
        words = re.split(r"[\s=,()×：；，。（）]+", shown)
        for number in section.numbers:
            assert any(number == word.strip(":;.") for word in words), f"{section.number}: `{number}`"
        assert section.unmarked == [], f"{section.number}: numbers in the text that no block is held to"


def told(block: str) -> list[str]:
    """A block without the words of a trace, which the Chinese page shows in Chinese: commands, tables, numbers."""
    if "mode=trace" not in block:
        return [block]
    commands = [line.removesuffix(" lang=zh") for line in block.splitlines() if line.startswith("$")]
    lines = [line for line in block.splitlines() if not line.startswith("$")]
    return [*commands, *(" ".join(sorted(re.findall(r"[−-]?\d[\d.]*", line))) for line in lines)]


def test_both_languages_type_and_show_the_same() -> None:
    chinese = sections("zh")
    assert chinese.keys() == NOTES.keys()
    for number, section in NOTES.items():
        assert [told(block) for _, block in chinese[number].blocks] == [told(block) for _, block in section.blocks]
        assert Counter(chinese[number].numbers).keys() == Counter(section.numbers).keys(), number


@pytest.mark.parametrize("language", PAGES)
def test_the_table_names_figures_and_tests_that_exist(language: str) -> None:
    table = sections(language)["12"].text
    names = re.findall(r"`(test_\w+)`", table)
    assert len(names) == 8
    assert set(names) <= globals().keys()
    pictures = re.findall(r"\((pictures/[^)]+)\)", table)
    assert sorted(Path("docs", each) for each in pictures) == sorted(
        path.relative_to(ROOT) for path in (ROOT / "docs" / "pictures").glob("*.png")
    )


def test_words_agree_but_for_the_last_bits_of_numbers() -> None:
    assert agree("0.1567", "0.1568")
    assert agree("−15.91;", "−15.92;")
    assert not agree("0.1567", "0.1767")
    assert not agree("100", "101")
    assert not agree("(change", "change")
    assert missing("a\n...\nc 1.00 ...\n", "a b c 1.00\nd") is None
    assert missing("a c\n", "a b c") == "a c"
    assert missing("... c a", "a b c") == "c a"


# -- what they say: a section done as it says, and its claims


def test_a_loss_is_a_mean_over_samples() -> None:
    check(NOTES["1"])


@pytest.mark.parametrize("language", PAGES)
def test_one_step(language: str) -> None:
    check(sections(language)["2"])


def test_the_line() -> None:
    [result] = check(NOTES["3"])
    [folder] = Path("outputs/runs").iterdir()
    state = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    w, b = (value.item() for value in state.values())
    assert w == pytest.approx(2, abs=0.1)
    assert b == pytest.approx(1, abs=0.1)
    assert f"w = {w:.4f}" in result.out
    assert f"b = {b:.4f}" in result.out
    rows = read_metrics(folder / "metrics.csv")
    assert len(rows) == rows[-1]["step"] == 100
    printed = [line.split()[0] for line in result.out.splitlines() if line.strip()[:1].isdigit()]
    assert printed == ["20", "40", "60", "80", "100"]


def test_both_running_sums() -> None:
    check(NOTES["4"])
    [path] = Path("outputs/runs").glob("*/metrics.csv")
    for row in read_metrics(path):
        assert row["train/sum_of_sample_losses"] == pytest.approx(200 * row["train/loss"], rel=1e-4)
    readme = (ROOT / "README.md").read_text("utf-8")
    assert "with a JPEG copy of CIFAR-10: 716.75 and 22,899.95" in readme  # where these numbers come from


def test_gradients_add_up_and_nothing_changes_without_step() -> None:
    *_, whole, parts = check(NOTES["5"])
    traced = [json.loads(path.read_text("utf-8"))["demo"] for path in Path("outputs/traces").glob("*/trace.json")]
    demos = {demo["name"]: demo for demo in traced}
    left_out, right = demos["no_zero_grad"]["other"], demos["no_zero_grad"]["correct"]
    assert left_out[0]["gradient_norm"] == right[0]["gradient_norm"]
    assert left_out[4]["gradient_norm"] > 4 * right[4]["gradient_norm"]
    still = demos["no_step"]["other"]
    assert len({row["weight"] for row in still}) == len({row["loss"] for row in still}) == 1
    assert len({row["weight"] for row in demos["no_step"]["correct"]}) == len(still)
    losses = [re.findall(r"^ +3 +60 +\S+ +0\.1 +(.*)$", each.out, re.MULTILINE) for each in (whole, parts)]
    assert losses[0] == losses[1] != []


def test_momentum_converges_faster() -> None:
    check(NOTES["6"])
    found = runs("momentum")
    at = {  # the learning rate of the least loss, on average over seeds
        name: min((0.3, 1.0, 3.0), key=lambda lr: sum(found[name, lr, seed][-1]["train/loss"] for seed in range(3)))
        for name in ("sgd", "momentum")
    }
    for seed in range(3):
        losses = {name: [row["train/loss"] for row in found[name, at[name], seed]] for name in at}
        epochs = {name: sum(loss > 0.15 for loss in each) for name, each in losses.items()}
        assert losses["momentum"][-1] < losses["sgd"][-1] / 2
        assert epochs["momentum"] < epochs["sgd"]


def test_adam_works_without_tuning() -> None:
    check(NOTES["7"])
    accuracy = {key[:2]: rows[-1]["val/acc"] for key, rows in runs("adam").items()}
    assert accuracy["adam", 0.1] < accuracy["adam", 0.001] - 0.2
    assert accuracy["adam", 0.001] > max(accuracy.values()) - 0.02
    assert accuracy["sgd", 0.001] < 0.3
    default = (ROOT / "conf" / "optimizer" / "adam.yaml").read_text("utf-8")
    assert re.search(r"^lr: 0\.001\b", default, re.MULTILINE)


def test_lbfgs_is_one_word_away() -> None:
    check(NOTES["8"])
    loss = {name: rows[-1]["train/loss"] for (name, _, _), rows in runs("lbfgs").items()}
    assert loss["lbfgs"] < loss["sgd"] / 1000


def test_too_small_and_too_large_a_learning_rate() -> None:
    check(NOTES["9"])
    found = {lr: rows for (_, lr, _), rows in runs("lr").items()}
    assert found[0.001][-1]["train/loss"] > 1000 * found[0.01][-1]["train/loss"]
    assert found[0.18][-1]["train/loss"] > found[0.01][-1]["train/loss"] * 1000
    statuses = {record.lr: record.status for record in map(RunRecord.read, runs_of("lr").glob("sgd-*"))}
    assert statuses == {0.001: "finished", 0.01: "finished", 0.1: "finished", 0.18: "finished", 0.3: "diverged"}


def test_clipping_tames_a_gradient_that_explodes() -> None:
    check(NOTES["10"])
    records = [RunRecord.read(path) for path in runs_of("clip").glob("sgd-*")]
    ended = {record.config["trainer"]["gradient_clip_val"]: record for record in records}
    assert (ended[None].status, ended[0.1].status) == ("diverged", "finished")
    assert ended[0.1].metrics["train/loss"] < 0.05


def test_a_label_that_is_no_class() -> None:
    check(NOTES["11"])


# -- README.zh.md, the first screen in Chinese


def test_what_the_chinese_readme_says_to_type_composes_and_what_it_shows_is_the_readme_s() -> None:
    chinese, english = ((ROOT / name).read_text("utf-8") for name in ("README.zh.md", "README.md"))
    for line in re.findall(r"^[│┌└].*$", chinese, re.MULTILINE):
        assert line in english
    for target in re.findall(r"\]\(([^)#]+)", chinese):
        assert (ROOT / target).exists(), target
    typed = [shlex.split(words) for words in re.findall(r"`python train\.py (.*?)`", chinese) if words != "--help"]
    assert len(typed) > 5
    for words in typed:
        result = command(*one_run(words), "--cfg", "job")
        assert result.code == 0, result.err
