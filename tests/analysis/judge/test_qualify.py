"""What a headline must not be read without, each on runs made to deserve it, and none where none is deserved."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from optlab.analysis import build
from optlab.analysis.judge.contest import contests
from optlab.analysis.judge.verdict import Verdict, judge
from optlab.analysis.read.runs import read_runs
from tests.analysis.made import make_run, make_sweep

NOISE = [0.001, -0.002, 0.0, 0.002, -0.001]
OTHER = [0.0, 0.001, -0.001, -0.002, 0.002]


def verdict_of(folder: Path, metric: str | None = None) -> Verdict:
    (contest,) = contests(read_runs([folder]), metric)
    return judge(contest)


def kinds(verdict: Verdict) -> list[str]:
    return [said.kind for said in verdict.qualifiers]


LRS = (0.001, 0.01, 0.1)


def swept(folder: Path, best: Mapping[str, float], level: float = 0.9) -> None:
    """Each optimizer at each learning rate, five seeds, the given one ahead of the rest by five points."""
    for i, (name, lr_best) in enumerate(best.items()):
        for lr in LRS:
            for seed in range(5):
                val = level - 0.03 * i - 0.05 * (lr != lr_best) + (NOISE, OTHER)[i % 2][seed]
                make_run(folder, name, lr, seed, val=val)


def test_a_tuned_winner_with_enough_seeds_needs_no_qualification(tmp_path: Path) -> None:
    swept(tmp_path, {"adam": 0.01, "sgd": 0.01})
    verdict = verdict_of(tmp_path)
    assert verdict.qualifiers == []
    assert verdict.headline == verdict.conclusion
    assert verdict.conclusion.startswith("adam is best")


def test_one_learning_rate_each_is_said_with_the_headline_and_in_the_file(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"adam": [0.95 + x for x in NOISE], "sgd": [0.3 + x for x in OTHER]})
    summary = build([tmp_path], figures=False)
    (verdict,) = summary.verdicts
    assert kinds(verdict) == ["untuned"]
    assert verdict.headline.startswith("adam is best: 94.00\u00a0% test accuracy, 65.00 points [")
    assert "Not tuned: each ran at one learning rate only" in verdict.headline
    (written,) = json.loads((tmp_path / "summary.json").read_text())["verdicts"]
    assert written["headline"] == verdict.headline
    assert [said["kind"] for said in written["qualifiers"]] == ["untuned"]
    assert f'<span class="qualifier">{verdict.qualifiers[0]}</span></h2>' in summary.report.read_text()


def test_only_some_ran_at_one_learning_rate(tmp_path: Path) -> None:
    swept(tmp_path, {"adam": 0.01})
    make_sweep(tmp_path, {"sgd": [0.8, 0.81, 0.79, 0.8, 0.8]})
    (said,) = verdict_of(tmp_path).qualifiers
    assert (said.kind, said.text) == ("partly_untuned", "Not tuned: sgd ran at one learning rate only.")


def test_winners_on_an_edge_are_named_with_the_headline(tmp_path: Path) -> None:
    swept(tmp_path, {"adam": 0.1, "sgd": 0.01, "rmsprop": 0.001})
    verdict = verdict_of(tmp_path)
    assert kinds(verdict) == ["on_edge"]
    assert verdict.headline.endswith(
        "Not tuned: the chosen values of adam and rmsprop lie on the edge of what was searched."
    )
    (one,) = [said for said in verdict.said_once if said.kind == "not_tuned"]  # of two that are in the file
    assert "adam (lr 0.1 is the largest of 3 tried) and rmsprop (lr 0.001 is the smallest of 3 tried)" in one.text
    assert sum(said.kind == "not_tuned" for said in verdict.warnings) == 2


@pytest.mark.parametrize("metric", ["val/acc", "val/loss"])
def test_where_every_run_diverged_nobody_leads(tmp_path: Path, metric: str) -> None:
    for name in ("adam", "momentum", "sgd"):
        for seed in range(3):
            make_run(tmp_path, name, seed=seed, status="diverged")
    verdict = verdict_of(tmp_path, metric)
    assert verdict.conclusion == "Nothing to compare: every run diverged."
    assert kinds(verdict) == ["all_diverged"]
    assert not any("apart" in sentence for sentence in verdict.sentences)
    assert len([said for said in verdict.said_once if said.kind.startswith("diverged")]) == 1
    assert len([said for said in verdict.warnings if said.kind.startswith("diverged")]) == 3


def test_guessing_is_no_result(tmp_path: Path) -> None:
    # 200 validation samples of ten classes: three standard errors above guessing are 16.4 %.
    make_sweep(tmp_path / "low", {"adam": [0.12, 0.13, 0.11], "sgd": [0.1, 0.1, 0.1]})
    low = verdict_of(tmp_path / "low", "val/acc")
    assert "at_chance" in kinds(low)
    assert low.headline.startswith(
        "No winner: nothing was learned. Even the best, 12.00\u00a0%, lies within the sampling error of guessing "
        "(10.00\u00a0%)."
    )
    make_sweep(tmp_path / "high", {"adam": [0.18, 0.19, 0.17], "sgd": [0.1, 0.1, 0.1]})
    high = verdict_of(tmp_path / "high", "val/acc")
    assert "at_chance" not in kinds(high)
    assert high.conclusion.startswith("adam is best: 18.00")


def test_a_difference_at_chance_has_no_winner_either(tmp_path: Path) -> None:
    levels = {"adam": 0.12, "sgd": 0.1, "lion": 0.09}
    noise = {"adam": NOISE, "sgd": OTHER, "lion": NOISE}
    make_sweep(tmp_path, {name: [level + x for x in noise[name]] for name, level in levels.items()})
    verdict = verdict_of(tmp_path, "val/acc")
    assert all(pair.differ for pair in verdict.comparisons)
    assert verdict.conclusion == "No winner: nothing was learned."
    assert not any("ahead" in sentence for sentence in verdict.sentences)


def test_what_diverged_is_not_said_to_have_finished(tmp_path: Path) -> None:
    for seed in range(3):
        make_run(tmp_path, "adam", seed=seed, status="diverged")
        make_run(tmp_path, "sgd", seed=seed, status="failed")
    assert verdict_of(tmp_path).conclusion == "Nothing to compare: every run diverged."
    make_run(tmp_path, "lion", status="running")
    assert verdict_of(tmp_path).conclusion == "Nothing to compare: every run so far diverged."


def test_two_schedules_of_one_optimizer_are_no_two_optimizers(tmp_path: Path) -> None:
    for schedule, level in (("constant", 0.9), ("cosine", 0.92)):
        make_sweep(tmp_path, {"adam": [level + x for x in NOISE]}, schedule=schedule)
    (said,) = verdict_of(tmp_path).qualifiers
    assert said.text == "Not tuned: each ran at one learning rate only, which may decide as much as what is compared."


def test_what_is_odd_in_several_pairs_is_one_line(tmp_path: Path) -> None:
    # Each of four loses one seed of six, and would else be above adam, whose mean is therefore best.
    names = ("sgd", "lion", "rmsprop", "nadam")
    runs = {name: [0.92 + 0.001 * i - 0.5 * (seed == i) for seed in range(6)] for i, name in enumerate(names)}
    make_sweep(tmp_path, {"adam": [0.9 + x for x in (*NOISE, 0.0)], **runs})
    verdict = verdict_of(tmp_path, "val/acc")
    assert sum(said.kind == "typical_run" for said in verdict.warnings) == 4
    assert kinds(verdict) == ["untuned", "typical_run"]
    (one,) = [said for said in verdict.said_once if said.kind == "typical_run"]  # of the three that are not above
    assert one.fields == {"subjects": ["adam"] * 3}
    assert one.text.count("adam above") == 3


def test_a_better_mean_that_is_not_the_better_run_is_said(tmp_path: Path) -> None:
    # One bad seed takes adam's mean below rmsprop's; four of five of its runs are better.
    swept(tmp_path, {"sgd": 0.01}, level=0.8)
    for lr in LRS:
        for seed in range(5):
            off = 0.05 * (lr != 0.01)
            make_run(tmp_path, "rmsprop", lr, seed, val=0.96 + NOISE[seed] - off)
            make_run(tmp_path, "adam", lr, seed, val=(0.80 if seed == 3 else 0.97 + OTHER[seed]) - off)
    verdict = verdict_of(tmp_path)
    assert verdict.standings[0].name == "rmsprop"
    (said,) = verdict.qualifiers
    assert (said.kind, said.subject) == ("typical_run", "rmsprop")
    assert "the better mean but the worse median (96.00\u00a0% against 97.00\u00a0% of adam)" in said.text
    assert "with a chance of 0.20 only" in said.text
    assert said in verdict.warnings
    assert said not in verdict.said_once


def test_an_unfinished_sweep_is_provisional_in_the_headline(tmp_path: Path) -> None:
    swept(tmp_path, {"adam": 0.01, "sgd": 0.01})
    make_run(tmp_path, "sgd", 0.01, 5, status="running")
    verdict = verdict_of(tmp_path)
    assert verdict.headline.endswith("Provisional: 1 run of 31 not finished yet.")
    assert not any(said.kind == "unfinished" for said in verdict.said_once)


def test_one_seed_each_has_no_winner_and_no_interval(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"adam": [0.95], "sgd": [0.9], "momentum": [0.92]})
    verdict = verdict_of(tmp_path)
    score, other = "94.00\u00a0% test accuracy", "91.00\u00a0%"
    assert verdict.conclusion == f"No winner with one seed each: adam scored best ({score}), momentum next ({other})."
    assert not any("apart" in sentence for sentence in verdict.sentences)
    make_sweep(tmp_path, {"nadam": [0.95]})
    alike = verdict_of(tmp_path).conclusion
    assert alike == f"No winner with one seed each: adam and nadam scored best, alike ({score})."


# -- one optimizer without a rival


def alone(folder: Path, levels: Mapping[float, float], seeds: int, **more: Any) -> str:
    for lr, level in levels.items():
        for seed in range(seeds):
            make_run(folder, "adam", lr, seed, val=level + (NOISE if lr < 0.01 else OTHER)[seed], **more)
    return verdict_of(folder).conclusion


def test_one_optimizer_alone_names_its_best_learning_rate_and_how_sure_that_is(tmp_path: Path) -> None:
    levels = {0.0001: 0.7, 0.001: 0.9, 0.01: 0.898, 0.1: 0.6}
    score = "90.00\u00a0% validation accuracy"
    assert alone(tmp_path / "five", levels, 5) == (
        f"adam alone: {score} at lr 0.001, the best of 4 configurations tried. On validation accuracy it cannot be "
        "told apart from lr 0.01 with 5 seeds."
    )
    clear = alone(tmp_path / "clear", levels | {0.01: 0.8}, 5)
    assert "On validation accuracy it is 10.00 points [" in clear
    assert clear.endswith("better than lr 0.01, the next.")
    assert alone(tmp_path / "one", levels, 1).endswith("With one seed each, chance may have chosen it.")
    assert (
        alone(tmp_path / "diverged", {0.1: 0.5}, 2, status="diverged") == "adam alone: every run diverged, at lr 0.1."
    )
