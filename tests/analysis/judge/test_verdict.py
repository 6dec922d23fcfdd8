"""The verdict in words and its warnings, each on runs made to deserve it."""

import csv
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optlab.analysis.judge import statistics
from optlab.analysis.judge.cautions import settle
from optlab.analysis.judge.compare import compare_values
from optlab.analysis.judge.contest import contests
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.verdict import Verdict, judge, uncorrected
from optlab.analysis.read.runs import read_runs
from optlab.analysis.show.tables import differences
from optlab.record import Row, RunRecord, write_metrics
from tests.analysis.made import make_run, make_study, make_sweep

NOISE = [0.001, -0.002, 0.0, 0.002, -0.001]
OTHER = [0.0, 0.001, -0.001, -0.002, 0.002]


def verdict_of(folder: Path, **more: Any) -> Verdict:
    (contest,) = contests(read_runs([folder]))
    return judge(contest, **more)


def around(level: float, noise: list[float]) -> list[float]:
    return [level + value for value in noise]


def warned(verdict: Verdict, words: str) -> bool:
    return any(words in warning.text for warning in verdict.warnings)


def test_a_clear_winner(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"adam": around(0.95, NOISE), "sgd": around(0.92, OTHER), "momentum": around(0.90, OTHER)})
    verdict = verdict_of(tmp_path)
    assert verdict.conclusion.startswith("adam is best: 94.00\u00a0% test accuracy, 3.00 points [")
    assert verdict.conclusion.endswith("above sgd, the next.")
    assert verdict.groups[0] == ["adam"]
    assert "momentum by 5.00 points" in verdict.sentences[0]
    assert not verdict.warnings


def test_two_that_cannot_be_told_apart_and_what_would_settle_it(tmp_path: Path) -> None:
    make_sweep(
        tmp_path, {"adam": around(0.951, NOISE), "nadam": around(0.950, OTHER), "sgd": around(0.90, NOISE[::-1])}
    )
    verdict = verdict_of(tmp_path)
    assert verdict.headline.startswith("adam has the best mean (94.10\u00a0% test accuracy), but cannot be told apart")
    assert "from nadam with 5 seeds" in verdict.headline
    assert any("adam against nadam: 0.10 points" in s and "seeds would settle it" in s for s in verdict.sentences)
    assert any("sgd by 5.10 points" in s for s in verdict.sentences)
    by_name = {s.name: s.letters for s in verdict.standings}
    assert by_name["adam"] == by_name["nadam"] == "a"
    assert by_name["sgd"] == "b"


def test_no_winner_at_all(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"adam": around(0.951, NOISE), "nadam": around(0.950, OTHER)})
    assert verdict_of(tmp_path).headline.startswith("No winner: adam has the best mean")


def test_one_optimizer_alone(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"adam": [0.9, 0.91]})
    assert verdict_of(tmp_path).headline == "adam alone: 89.50\u00a0% test accuracy at lr 0.001"
    make_run(tmp_path, "sgd", status="running")
    assert verdict_of(tmp_path).headline.startswith("Only adam has finished")


def test_means_that_print_alike_lead_together(tmp_path: Path) -> None:
    sums = {"adam": around(0.95, NOISE), "momentum": around(0.95, OTHER)}
    make_sweep(tmp_path, sums)
    conclusion = verdict_of(tmp_path).conclusion
    assert re.match(
        r"No winner: (adam and momentum|momentum and adam) lead with 94\.00\u00a0% test accuracy, and ", conclusion
    )
    assert conclusion.endswith("and cannot be told apart with 5 seeds.")
    make_sweep(tmp_path, {"sgd": around(0.9495, OTHER[::-1])})
    assert "lead with 94.00\u00a0% test accuracy, but cannot be told apart from sgd" in verdict_of(tmp_path).headline


def test_nothing_is_over(tmp_path: Path) -> None:
    make_run(tmp_path, status="running")
    verdict = verdict_of(tmp_path)
    assert verdict.headline == "No verdict yet: no run has finished."
    assert warned(verdict, "Provisional: 1 run of 1")


def test_two_seeds_never_differ(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"adam": [0.95, 0.9501], "sgd": [0.5, 0.5001]})
    verdict = verdict_of(tmp_path)
    assert not verdict.comparisons[0].differ
    assert warned(verdict, "Exploratory: 2 seeds only")


def test_a_divergence_stays_in_the_mean_and_is_said(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"adam": around(0.95, NOISE)[:4], "sgd": around(0.92, OTHER)})
    make_run(tmp_path, "adam", seed=4, status="diverged")
    verdict = verdict_of(tmp_path)
    adam = next(s for s in verdict.standings if s.name == "adam")
    assert adam.final.n == 5
    assert adam.final.mean == pytest.approx((sum(around(0.94, NOISE)[:4]) + 0.1) / 5)
    assert warned(verdict, "adam diverged in 1 of 5 seeds at lr 0.001; each counts as 10.00\u00a0%")


def test_a_diverged_loss_has_no_chance_level_and_what_stands_for_it_is_said(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"adam": around(0.95, NOISE)[:4]})
    make_run(tmp_path, "adam", seed=4, status="diverged")
    (contest,) = contests(read_runs([tmp_path]), "val/loss")
    (said,) = [w for w in judge(contest).warnings if w.kind == "diverged_without_chance_level"]
    assert said.subject == "adam"
    assert "Validation loss has no chance level: each counts as 2.3026, the worst seen" in said.text
    assert said.text.endswith("and is never chosen before a run that finished.")


def test_a_configuration_that_is_passed_over_for_its_failed_run_is_named(tmp_path: Path) -> None:
    for seed in (0, 1):
        make_run(tmp_path, lr=0.1, seed=seed, val=0.9, status="failed" if seed else "finished")
        make_run(tmp_path, lr=0.01, seed=seed, val=0.8)
    verdict = verdict_of(tmp_path)
    assert verdict.standings[0].lr == 0.01
    assert warned(verdict, "adam: lr 0.1 has the better mean, but a failed run, so it was not in the choice.")
    make_run(tmp_path, lr=0.01, seed=2, status="failed")  # now none is whole
    verdict = verdict_of(tmp_path)
    assert verdict.standings[0].lr == 0.1
    assert not warned(verdict, "not in the choice")


def test_unequal_budgets(tmp_path: Path) -> None:
    for lr in (0.1, 0.01, 0.001):
        make_run(tmp_path, "adam", lr, val=0.9 if lr == 0.01 else 0.8)
    for lr in (0.1, 0.01):
        make_run(tmp_path, "sgd", lr, val=0.9)
    assert warned(verdict_of(tmp_path), "Unequal tuning budgets: sgd 2 trials; adam 3.")


def test_a_winner_on_the_edge_is_not_tuned(tmp_path: Path) -> None:
    for lr in (0.1, 0.01):
        make_run(tmp_path, "adam", lr, val=0.5 + lr)
    assert warned(verdict_of(tmp_path), "adam is not tuned: its winner is on the edge")


def test_validation_far_above_test(tmp_path: Path) -> None:
    # 200 validation and 400 test samples: one standard error at .9 and .8 is 2.9 points.
    for seed in range(5):
        make_run(tmp_path, "adam", seed=seed, val=0.90, test=0.80)
        make_run(tmp_path, "sgd", seed=seed, val=0.90, test=0.83)
    verdict = verdict_of(tmp_path)
    assert warned(verdict, "adam: validation accuracy is 10.00 points above test accuracy, 3.4 standard errors")
    assert not warned(verdict, "sgd: validation")


def test_validation_far_above_training(tmp_path: Path) -> None:
    make_run(tmp_path, val=0.95, train=0.80, epochs=5)
    assert warned(verdict_of(tmp_path), "above training accuracy")


@pytest.mark.parametrize("trained", [[0.8] * 4, [0.3, 0.5, 0.6, 0.7, 0.78, 0.80]])
def test_training_accuracy_that_lags_is_no_alarm(tmp_path: Path, trained: list[float]) -> None:
    # One standard error at .95 with 200 samples is 1.5 points: a training curve that rises by 2 is not flat.
    folder = make_run(tmp_path, val=0.95, train=0.80, epochs=len(trained))
    path = folder / "metrics.csv"
    rows: list[Row] = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(path.read_text().splitlines())]
    write_metrics(path, [row | {"train/acc": value} for row, value in zip(rows, trained, strict=True)])
    assert not warned(verdict_of(tmp_path), "above training accuracy")


def test_augmented_training_may_be_below_validation(tmp_path: Path) -> None:
    make_run(tmp_path, val=0.95, train=0.80, config={"dataset": {"name": "digits", "augment": "crop_flip"}})
    assert not warned(verdict_of(tmp_path), "above training accuracy")


def test_the_best_epoch_is_the_last(tmp_path: Path) -> None:
    for seed in range(3):
        make_run(tmp_path, "adam", seed=seed, epochs=4, best_epoch=4 if seed else 2)
        make_run(tmp_path, "sgd", seed=seed, epochs=4, best_epoch=3)
    assert warned(verdict_of(tmp_path), "The best epoch is the last one: adam (2 of 3 seeds).")


def test_few_seeds_for_a_small_gap(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"adam": around(0.951, NOISE), "sgd": around(0.950, OTHER)})
    verdict = verdict_of(tmp_path)
    assert warned(verdict, "0.10 points apart, here are 5 seeds; 28 to 590 seeds would settle it")
    people_read = [*verdict.sentences, *(said.text for said in verdict.said_once)]
    assert sum("28 to 590 seeds would settle it" in text for text in people_read) == 1


@pytest.mark.parametrize("seeds", [2, 3, 4, 5, 7, 10])
@pytest.mark.parametrize("gap", [0.0, 0.00002, 0.0005, 0.002, 0.004, 0.01])
@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_all_that_is_said_of_the_seeds_needed_agrees(tmp_path: Path, gap: float, seeds: int, spread: float) -> None:
    noise = [0.9 + 0.003 * math.sin(5 * seed) for seed in range(seeds)]
    other = [
        0.9 + gap + spread * 0.003 * math.cos(3 * seed) + (1 - spread) * (noise[seed] - 0.9) for seed in range(seeds)
    ]
    config = {"loss": {"name": "cross_entropy"}}
    make_sweep(tmp_path, {"adam": other, "sgd": noise}, config=config)
    verdict = verdict_of(tmp_path)
    (pair,) = verdict.comparisons
    said = " ".join([verdict.headline, *verdict.sentences, *map(str, verdict.warnings)])
    if pair.differ:
        assert "would settle it" not in said
        assert not warned(verdict, "Few seeds")
        assert "would not settle" not in said
    elif pair.seeds_range is None:
        assert pair.seeds_needed is None
        assert "even 1,000 seeds would not settle it" in said
        assert "would settle it" not in said
        assert not warned(verdict, "Few seeds")  # more of them are not what is missing
    else:
        fewest, most = pair.seeds_range
        assert said.count("would settle it") == said.count(settle(pair))
        assert "would settle it" in said
        assert pair.n < fewest <= (pair.seeds_needed or math.inf) <= (most or math.inf)
        assert "would not settle" not in said
        # What is promised holds: with so many seeds of this gap and spread the test has the power it says.
        assert pair.sd is not None
        if pair.sd > 0 and pair.seeds_needed is not None:
            assert statistics.power(pair.difference, pair.sd, pair.seeds_needed) >= statistics.POWER


def test_what_cannot_be_told_apart_needs_more_seeds_than_there_are() -> None:
    # Three seeds against twenty: Welch's test has the freedom of three, the plan that of six.
    few = dict(enumerate([0.921, 0.915, 0.935]))
    many = {10 + i: 0.9 + 0.001 * math.sin(5 * i) for i in range(20)}
    (pair,) = compare_values({"adam": few, "sgd": many}, Metric("val/acc"))
    assert not pair.paired
    assert not pair.differ
    assert statistics.seeds_needed(pair.difference, pair.sd or 0.0, paired=False) == 3
    assert pair.seeds_needed == 4


def test_an_interval_that_would_decide_alone_is_corrected_in_words(tmp_path: Path) -> None:
    # p .02 for the pair of the leader alone; times three it is not below 5 %.
    make_sweep(
        tmp_path,
        {
            "adam": [0.951, 0.958, 0.953, 0.956, 0.952],
            "nadam": [0.950, 0.952, 0.951, 0.951, 0.950],
            "sgd": [0.950, 0.953, 0.950, 0.951, 0.951],
        },
    )
    verdict = verdict_of(tmp_path)
    pair = next(c for c in verdict.comparisons if {c.better, c.worse} == {"adam", "nadam"})
    assert pair.t_p < 0.05 < pair.t_p_holm
    assert pair.excludes_zero
    (said,) = [s for s in verdict.sentences if s.startswith("adam against nadam")]
    assert re.search(r"\(the interval leaves out 0, but the t-test has p 0\.\d+ after correcting for 3 pairs\)", said)


def test_words_and_interval_never_disagree_in_silence(tmp_path: Path) -> None:
    rng, told = np.random.default_rng(5), 0
    for _ in range(50):
        n = int(rng.integers(3, 8))
        values = {
            name: dict(enumerate(rng.normal(0.9 + gap, 0.004, n)))
            for name, gap in zip("abc", (0, 0.004, 0.008), strict=True)
        }
        for pair in compare_values(values, Metric("val/acc")):
            assert bool(uncorrected(pair)) == (pair.excludes_zero != pair.differ)
            told += bool(uncorrected(pair))
    assert told > 3


def test_the_table_of_pairs_says_how_it_decides(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"adam": around(0.951, NOISE), "nadam": around(0.950, OTHER), "sgd": around(0.90, NOISE)})
    note = differences(verdict_of(tmp_path)).note
    assert "the paired t-test at 5 % after Holm's correction for 3 pairs" in note
    assert "sign-flip" in note
    assert "with 5 seeds they cannot go below 0.0625" in note


def test_seeds_that_do_not_pair(tmp_path: Path) -> None:
    for seed in range(3):
        make_run(tmp_path, "adam", seed=seed, val=0.95 + 0.001 * seed)
        make_run(tmp_path, "sgd", seed=10 + seed, val=0.90 + 0.001 * seed)
    verdict = verdict_of(tmp_path)
    assert not verdict.comparisons[0].paired
    assert verdict.comparisons[0].differ
    assert warned(verdict, "Not paired by seed, so less sharp: adam and sgd.")
    for i, name in enumerate(("lion", "nadam")):
        for seed in range(3):
            make_run(tmp_path, name, seed=20 + 10 * i + seed, val=0.8 + 0.001 * seed)
    assert warned(verdict_of(tmp_path), "Not paired by seed, so less sharp: 6 of 6 pairs.")


def test_one_seed_each_has_nothing_to_pair(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"adam": [0.95], "sgd": [0.9], "momentum": [0.92]})
    assert not warned(verdict_of(tmp_path), "Not paired by seed")


def test_runs_that_were_not_computed_alike(tmp_path: Path) -> None:
    alike: dict[str, Any] = {"engine": "loop", "kernels": {}, "device_name": None, "compile": False, "threads": 2}
    other = alike | {"threads": 16, "kernels": {"max-pooling": 3, "convolution": 2}, "compile": True}
    make_sweep(tmp_path / "alike", {"adam": around(0.9, NOISE), "sgd": around(0.8, OTHER)}, numerics=alike)
    make_run(tmp_path / "alike", "lbfgs", numerics=alike | {"engine": "eager"})  # which has the bits of the loop
    make_run(tmp_path / "alike", "momentum")  # from before there was the field: nothing is known of it
    assert not [warning for warning in verdict_of(tmp_path / "alike").warnings if warning.kind == "numerics"]
    for optimizer, val, how in (("adam", 0.9, alike), ("sgd", 0.8, other)):
        make_run(tmp_path / "unlike", optimizer, val=val, numerics=how)
    (said,) = [warning for warning in verdict_of(tmp_path / "unlike").warnings if warning.kind == "numerics"]
    differences = "kernels none and 3 x max-pooling, 2 x convolution; compile false and true; threads 2 and 16"
    assert said.text.startswith(f"Not computed alike: {differences}. ")


def test_runs_that_ended_early_are_named_with_the_reason(tmp_path: Path) -> None:
    ends = {"adam": [("early_stopping", 3), ("early_stopping", 5), ("max_epochs", 9)], "sgd": [("max_epochs", 9)] * 3}
    for optimizer, reasons in ends.items():
        for seed, (reason, epoch) in enumerate(reasons):
            folder = make_run(tmp_path, optimizer, seed=seed)
            record = RunRecord.read(folder)
            record.ended = {"reason": reason, "epoch": epoch, "text": "what a person is told"}
            record.write(folder)
    (said,) = [warning for warning in verdict_of(tmp_path).warnings if warning.kind == "ended_early"]
    assert said.text.startswith(
        "Runs ended before their planned epochs: adam 2 of 3 after epoch 3 to 5 (early_stopping)."
    )


def test_choosing_and_comparing_on_the_same_seeds(tmp_path: Path) -> None:
    for optimizer in ("adam", "sgd"):
        for lr in (0.1, 0.01):
            make_run(tmp_path, optimizer, lr)
    assert warned(verdict_of(tmp_path), "chosen and compared on the same seeds")


def test_tests_that_disagree(tmp_path: Path) -> None:
    # Eight of nine pairs agree; one outlier takes the t-test's certainty and hardly touches the signs.
    gaps = [0.010, 0.011, 0.009, 0.010, 0.012, 0.011, 0.010, 0.009, 0.400, 0.010]
    make_sweep(tmp_path, {"adam": [0.5 + gap for gap in gaps], "sgd": [0.5] * 10})
    verdict = verdict_of(tmp_path)
    (pair,) = verdict.comparisons
    assert pair.sign_flip_p_holm == pytest.approx(2 / 1024)
    assert not pair.differ
    assert warned(verdict, "does not agree")
    make_sweep(tmp_path, {"lion": [0.5] * 10})
    several = verdict_of(tmp_path)
    alone = [said for said in several.warnings if said.kind == "disputed"]
    assert [said.fields["worse"] for said in alone] == ["lion", "sgd"]
    (one,) = [said for said in several.said_once if said.kind == "disputed"]
    assert one.text.count("; p ") == 2


def test_a_study_that_deserves_no_warning_but_its_divergence(tmp_path: Path) -> None:
    verdict = verdict_of(make_study(tmp_path, seeds=10))
    assert verdict.metric.name == "test/acc"
    assert not warned(verdict, "same seeds")
    assert not warned(verdict, "Unequal")
    assert verdict.standings[0].final.n == 10
    assert {s.lr for s in verdict.standings} == {0.1, 0.03, 0.001}


def test_a_target_that_is_given_is_kept(tmp_path: Path) -> None:
    verdict = verdict_of(make_sweep(tmp_path, {"adam": [0.9, 0.95]}), target=0.94)
    assert (verdict.target, verdict.target_given) == (0.94, True)
    assert verdict.standings[0].target["epoch"].hits == 1
