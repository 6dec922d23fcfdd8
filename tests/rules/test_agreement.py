"""Study and report on random results: the same winner, the same edges, the same chance level.

The study replays its rounds over what is known of its runs; the report judges the records that the same runs left.
"""

import json
import math
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optlab.analysis.judge import tuning
from optlab.analysis.judge.cautions import cautions
from optlab.analysis.judge.contest import Contender, Contest, contests
from optlab.analysis.judge.metric import Metric
from optlab.analysis.judge.studies import arm_of
from optlab.analysis.read.plans import Study
from optlab.analysis.read.runs import Run, Runs
from optlab.record import RunRecord, finite
from optlab.rules.choice import Score, score_of
from optlab.rules.metrics import chance_level, objective
from optlab.rules.warnings import EDGE_KINDS
from optlab.sweep.study.conduct import result
from optlab.sweep.study.protocol import Protocol
from optlab.sweep.study.rounds import Tuning, Words, next_round, tune
from tests.sweep.surfaces import protocol, read

CLASSES = 4
CASES = 80
RANGES: dict[str, dict[str, dict[str, Any]]] = {
    "adam": {
        "lr": {"low": 3e-5, "high": 3e-2, "scale": "log"},
        "beta1": {"low": 0.5, "high": 0.99, "scale": "one_minus_log"},
        "eps": {"low": 1e-10, "high": 1e-3, "scale": "log"},
    },
    "momentum": {
        "momentum": {"low": 0.5, "high": 0.99, "scale": "one_minus_log"},
        "weight_decay": {"low": 0.0, "high": 0.1, "scale": "uniform"},
        "lr": {"low": 1e-3, "high": 1.0, "scale": "log"},
    },
    "lbfgs": {
        "history_size": {"low": 3, "high": 40, "scale": "log"},
        "lr": {"low": 0.01, "high": 1.0, "scale": "uniform"},
    },
}


def random_plan(rng: random.Random) -> Protocol:
    """One optimizer over one to three of its ranges, in any order."""
    name = rng.choice(list(RANGES))
    dimensions = rng.randint(1, len(RANGES[name]))
    space = {key: RANGES[name][key] for key in rng.sample(list(RANGES[name]), dimensions)}
    return protocol(
        name,
        space=space,
        sampler="grid" if dimensions == 1 else rng.choice(["halton", "sobol"]),
        sampler_seed=rng.randint(0, 99),
        trials=rng.randint(2, 9),
        tuning_seeds=rng.randint(1, 3),
        extensions=rng.randint(0, 2),
        metric=rng.choice([None, "val/acc", "val/loss", "train/acc", "train/loss"]),
    )


def metric_of(plan: Protocol) -> str:
    """What the runs are judged by: without a word in the plan, what they are judged by themselves."""
    return plan.options.metric or "val/acc"


def random_record(rng: random.Random, plan: Protocol, words: Words, mood: str) -> RunRecord:
    """What a run left, as it is read back from disk; few different numbers, so that many are equal."""
    typed = read(words)
    (arm,) = plan.arms
    given = {key.removeprefix("optimizer."): json.loads(v) for key, v in typed.items() if key.startswith("optimizer.")}
    config: dict[str, Any] = {
        "seed": int(typed["seed"]),
        "phase": typed["phase"],
        "protocol": typed["protocol"],
        "trainer": {"max_epochs": 1},
        "model": {"name": "linear"},
        "optimizer": {**arm.optimizer, "search": None, **given},
        "lr": {"name": "constant"},
        "dataset": {"name": "digits"},
        "loss": {"name": "cross_entropy"},
    }
    record = RunRecord.begin(config, words)
    record.data = {"metric": metric_of(plan), "outputs": CLASSES, "val": 20, "train": 60}
    weights = {"tied": (1, 0, 0), "mixed": (6, 2, 1), "wild": (2, 6, 1), "broken": (2, 1, 4)}[mood]
    record.status = rng.choices(["finished", "diverged", "failed"], weights)[0]  # type: ignore[assignment]
    record.metrics = {"val/acc": None, "val/loss": None, "train/acc": None, "train/loss": None}
    if record.status == "finished":
        for part in ("val", "train"):
            record.metrics[f"{part}/acc"] = rng.choice([0.05, 0.1, 1 / CLASSES, 0.3, 0.3, 0.7])
            record.metrics[f"{part}/loss"] = rng.choice([0.1, 0.2, 0.2, 2.5, rng.random()])
        if rng.random() < 0.05:  # a loss that overflowed after the last look at it
            record.metrics |= dict.fromkeys(("val/loss", "train/loss"))
    return RunRecord(**json.loads(json.dumps(finite(vars(record)))))


def conduct(rng: random.Random, plan: Protocol, mood: str) -> tuple[dict[Words, RunRecord], dict[Words, Score | None]]:
    """Every run of the study, in its rounds."""
    records: dict[Words, RunRecord] = {}
    known: dict[Words, Score | None] = {}
    while (upcoming := next_round(plan, known)) is not None:
        records |= {words: random_record(rng, plan, words, mood) for words in upcoming.runs}
        known = {words: score_of(record, plan.options.metric) for words, record in records.items()}
    return records, known


def judge(records: Sequence[RunRecord]) -> tuple[Contest, Contender]:
    """The contest that a report makes of these runs, which has one contender."""
    runs = [Run(Path("sweep", record.id), Path("sweep"), record, {}) for record in records]
    (contest,) = contests(Runs([Path("sweep")], runs))
    (contender,) = contest.contenders
    return contest, contender


@pytest.mark.parametrize("mood", ["tied", "mixed", "wild", "broken"])
def test_study_and_report_find_the_same_winner_and_edges(mood: str) -> None:
    rng, seen = random.Random(f"2026 {mood}"), Counter[str]()
    for _ in range(CASES):
        plan = random_plan(rng)
        (arm,) = plan.arms
        records, known = conduct(rng, plan, mood)
        tuned = tune(plan, arm, known)
        tuning_alone = [record for record in records.values() if record.phase == "tune"]
        rng.shuffle(tuning_alone)
        for runs in (tuning_alone, list(records.values())):
            contest, contender = judge(runs)
            assert_same(plan, tuned, contest, contender)
        seen.update([f"{len(arm.space.ranges)} dimensions", *tuned.edges.values()])
        seen.update(["extended"] * tuned.extensions + ["nothing"] * (tuned.winner is None))
        seen.update({"a tie"} if tied(tuned, contender, contest.selection) else ())
    least = {"1 dimensions", "2 dimensions", "3 dimensions", "low", "high", "extended"}
    rare = {"tied": {"a tie"}, "wild": {"a tie"}, "broken": {"nothing"}}.get(mood, set())
    assert all(seen[name] >= 5 for name in least | rare), seen


def assert_same(plan: Protocol, tuned: Tuning, contest: Contest, contender: Contender) -> None:
    assert contest.selection.name == metric_of(plan)
    if tuned.winner is None:
        assert contender.chosen is None
        return
    assert contender.chosen is not None
    chosen = contender.chosen.hyperparameters
    settings = tuned.winner.settings
    assert {name: chosen[name] for name in settings} == settings
    written = json.loads(json.dumps(finite(result(plan, [tuned], complete=True))))
    before_and_after: list[dict[str, Any]] = [{}, written]  # of the study's own word
    for study_json in before_and_after:
        study = Study(json.loads(json.dumps(plan.plan())), study_json)
        arm = arm_of(contender, [study])
        assert arm is not None
        assert (arm.edges is None) == (study_json == {})
        assert tuning.edges_of(contender, arm) == tuned.edges
        if study_json:
            said = [caution for caution in cautions(contest, [], [study]) if caution.kind in ("not_tuned", *EDGE_KINDS)]
            assert len(said) == bool(tuned.edges)


def tied(tuned: Tuning, contender: Contender, selection: Metric) -> bool:
    """Whether another configuration had the same mean as the winner."""
    means = [each.mean[0] for c in contender.tried if (each := c.candidate(selection)).mean is not None]
    return tuned.score is not None and means.count(tuned.score) > 1


@pytest.mark.parametrize("metric", ["val/acc", "train/acc", "val/loss", "train/loss"])
def test_a_diverged_run_is_worth_the_same_in_both_and_whatever_else_came_in(metric: str) -> None:
    plan = protocol("sgd", metric=metric, trials=3, tuning_seeds=2)
    rng = random.Random(metric)
    records, _ = conduct(rng, plan, "wild")
    diverged = [record for record in records.values() if record.status == "diverged"]
    level = chance_level(metric, CLASSES)
    for record in diverged:
        score = score_of(record)
        assert score is not None
        if level is not None:
            assert level == 1 / CLASSES == score.value == objective(record) == Metric(metric).floor(record)
        else:
            assert score.value == -math.inf
            assert objective(record) == math.inf
    contest, contender = judge(list(records.values()))
    finals = contest.selection.seeing(records.values())
    worst = {finals.final(record) for record in diverged}
    if level is None:  # a number to average and to draw, and no better than any other
        (stand_in,) = worst
        assert stand_in is not None
        assert stand_in == max(*(r.metrics[metric] or 0 for r in records.values()), math.log(CLASSES))
    else:
        assert worst == {level}
    assert all(np.isfinite(value) for c in contender.tried for value in c.values(contest.selection).values())


def test_a_loss_that_diverged_is_never_chosen_before_one_that_finished() -> None:
    """Its stand-in could be beaten by a worse loss that finished; infinity cannot."""
    plan = protocol("sgd", metric="val/loss", trials=2, tuning_seeds=2, extensions=0)
    (arm,) = plan.arms
    rng = random.Random(0)
    records: dict[Words, RunRecord] = {}
    upcoming = next_round(plan, {})
    assert upcoming is not None
    for words in upcoming.runs:
        record = random_record(rng, plan, words, "tied")
        low_lr, first = float(read(words)["optimizer.lr"]) < 0.1, read(words)["seed"] == "0"
        record.metrics["val/loss"] = 9.0 if low_lr else 0.1
        if not low_lr and not first:
            record.status = "diverged"
        records[words] = record
    known = {words: score_of(record) for words, record in records.items()}
    tuned = tune(plan, arm, known)
    contest, contender = judge(list(records.values()))
    assert tuned.winner is not None
    assert contender.chosen is not None
    assert tuned.winner.settings["lr"] == contender.chosen.lr == 0.001
    means = {c.lr: tuning.tuning_mean(c, contest.selection) for c in contender.tried}
    assert means[1.0] is not None
    assert means[0.001] is not None
    assert means[1.0] < means[0.001]  # by the stand-in it would have won


def test_a_value_that_is_no_number_beside_a_study_moves_no_edge() -> None:
    """`history_size` null, typed by hand, is one more configuration of the report and lies on no edge."""
    plan = protocol("lbfgs", space={"history_size": RANGES["lbfgs"]["history_size"]}, trials=5, extensions=0)
    (arm,) = plan.arms
    rng = random.Random(7)
    records, known = conduct(rng, plan, "tied")
    by_hand = random_record(rng, plan, next(iter(records)), "tied")
    by_hand.config["optimizer"] |= {"history_size": None}
    by_hand.metrics["val/acc"] = 0.0
    contest, contender = judge([*records.values(), by_hand])
    assert len(contender.tried) == 6
    assert_same(plan, tune(plan, arm, known), contest, contender)
