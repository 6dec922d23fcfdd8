"""What studies wrote beside their runs: each setting is read by its own plan, and report and study agree."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from optlab.analysis import build
from optlab.analysis.judge import tuning
from optlab.analysis.judge.contest import Contest, contests
from optlab.analysis.judge.studies import arm_of
from optlab.analysis.judge.verdict import Verdict, judge
from optlab.analysis.read.plans import studies
from optlab.analysis.read.runs import read_runs
from optlab.errors import UserError
from optlab.rules.messages import Message
from optlab.rules.space import overrides
from optlab.rules.warnings import study_warnings
from optlab.sweep.study.rounds import Trial, edges_of
from tests.analysis.made import make_run, make_study
from tests.sweep.surfaces import protocol

LR = {"low": 0.001, "high": 0.1, "scale": "log"}
MOMENTUM = {"low": 0.8, "high": 0.99, "scale": "one_minus_log"}


def plan(folder: Path, **content: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "protocol.yaml").write_text(yaml.safe_dump(content))


def result(folder: Path, arms: list[dict[str, Any]], warnings: Sequence[Any] | None = None) -> None:
    (folder / "study.json").write_text(json.dumps({"arms": arms, "warnings": [*(warnings or [])]}))


def only(folder: Path) -> Contest:
    (contest,) = contests(read_runs([folder]))
    return contest


def verdict_of(folder: Path) -> Verdict:
    contest = only(folder)
    return judge(contest, studies=studies(contest.runs))


def tried(folder: Path, values: dict[tuple[float, float], float]) -> None:
    """Momentum with these learning rates and momenta; the best is confirmed."""
    best = max(values, key=lambda at: values[at])
    for (lr, momentum), value in values.items():
        words = ["optimizer=momentum", f"optimizer.lr={lr:g}", f"optimizer.momentum={momentum:g}"]
        more: dict[str, Any] = {"arguments": {"momentum": momentum}, "overrides": words}
        make_run(folder, "momentum", lr, 0, val=value, phase="tune", **more)
        if (lr, momentum) == best:
            make_run(folder, "momentum", lr, 5, val=value, test=value, phase="confirm", **more)


def edge_warnings(verdict: Verdict) -> list[str]:
    return [str(warning) for warning in verdict.warnings if warning.kind == "not_tuned"]


# -- one plan a setting


def test_the_plan_names_target_and_default_learning_rates(tmp_path: Path) -> None:
    make_study(tmp_path)
    plan(tmp_path, target=0.94, default_lr={"adam": 0.0001})
    verdict = build([tmp_path], figures=False).verdicts[0]
    assert (verdict.target, verdict.target_given) == (0.94, True)
    adam = next(s for s in verdict.standings if s.name == "adam")
    assert adam.gain is not None
    assert adam.gain.difference == pytest.approx(0.05)


def test_each_setting_is_read_by_the_plan_of_its_own_sweep(tmp_path: Path) -> None:
    for name, target, default, dataset in (("a", 0.8, 0.03, "cifar10"), ("b", 0.6, 0.1, "mnist")):
        for seed in range(3):
            for lr in (0.01, 0.03, 0.1):
                config = {"model": {"name": "cnn_3c3d"}, "dataset": {"name": dataset, "augment": "none"}}
                make_run(tmp_path / name, lr=lr, seed=seed, val=0.9 - lr, dataset=dataset, config=config)
        plan(tmp_path / name, target=target, default_lr={"adam": default}, reference="deepobs_cifar10_3c3d")
    summary = build([tmp_path / "a", tmp_path / "b"], tmp_path / "out", figures=False)
    found = {v.facts["data"].split()[0]: v for v in summary.verdicts}
    assert {name: v.target for name, v in found.items()} == {"cifar10": 0.8, "mnist": 0.6}
    gains = {name: v.standings[0].gain for name, v in found.items()}
    assert {name: gain and gain.default_lr for name, gain in gains.items()} == {"cifar10": 0.03, "mnist": 0.1}
    page = summary.report.read_text()
    for drawn in ('"fillpattern"', '"name":"adam, DeepOBS 2019, 10 seeds"'):
        assert page.count(drawn) == 1  # an area and a line, behind the validation curves of one setting
    assert page.count("Hatched") == 3  # its note, what is read out of it, and the note in the data of its figure


def test_a_target_is_of_its_metric(tmp_path: Path) -> None:
    make_study(tmp_path)
    plan(tmp_path, target=0.94, metric=None)
    (verdict,) = build([tmp_path], figures=False, metric="val/loss").verdicts
    assert not verdict.target_given
    plan(tmp_path, target=0.3, metric="val/loss")
    (verdict,) = build([tmp_path], figures=False, metric="val/loss").verdicts
    assert (verdict.target, verdict.target_given) == (0.3, True)
    assert not build([tmp_path], figures=False).verdicts[0].target_given


def test_plans_that_disagree_have_no_common_target(tmp_path: Path) -> None:
    for name, optimizer, target in (("a", "adam", 0.8), ("b", "sgd", 0.7)):
        make_run(tmp_path / name, optimizer)
        plan(tmp_path / name, target=target)
    (verdict,) = build([tmp_path / "a", tmp_path / "b"], tmp_path / "out", figures=False).verdicts
    assert not verdict.target_given


@pytest.mark.parametrize(("name", "text"), [("protocol.yaml", "a: [1"), ("study.json", "{")])
def test_a_damaged_plan_is_one_line(tmp_path: Path, name: str, text: str) -> None:
    make_run(tmp_path)
    plan(tmp_path, target=0.9)
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=f"{name}: cannot be read"):
        build([tmp_path], figures=False)


# -- the edges of what was searched


def test_what_the_study_calls_an_edge_is_one_and_nothing_else(tmp_path: Path) -> None:
    tried(tmp_path, {(0.001, 0.9): 0.8, (0.01, 0.95): 0.9, (0.1, 0.8): 0.85})
    arm = {"optimizer": "momentum", "space": {"lr": LR, "momentum": MOMENTUM}}
    plan(tmp_path, trials=3, arms=[arm])
    result(tmp_path, [{"optimizer": "momentum", "winner": {"lr": 0.01}, "tuned": False, "edges": {"momentum": "high"}}])
    (warning,) = edge_warnings(verdict_of(tmp_path))
    assert "momentum 0.95 is the largest of 3 tried" in warning
    result(tmp_path, [{"optimizer": "momentum", "winner": {"lr": 0.01}, "tuned": True, "edges": {}}])
    assert not edge_warnings(verdict_of(tmp_path))


@pytest.mark.parametrize(
    ("best", "words"),
    [
        ((0.01, 0.9), []),
        ((0.001, 0.9), ["lr 0.001 is the smallest of 5 tried"]),
        ((0.08, 0.9), ["lr 0.08 is next to the largest tried, 0.1"]),  # less than half a step of 5 trials away
        ((0.01, 0.98), ["momentum 0.98 is the largest of 3 tried"]),
        ((0.1, 0.8), ["lr 0.1 is the largest of 5 tried; momentum 0.8 is the smallest of 3 tried"]),
    ],
)
def test_before_the_study_has_chosen_its_rule_holds(
    tmp_path: Path, best: tuple[float, float], words: list[str]
) -> None:
    lrs, momenta = (0.001, 0.01, 0.03, 0.08, 0.1), (0.8, 0.9, 0.98)
    tried(tmp_path, {(lr, m): 0.9 if (lr, m) == best else 0.5 for lr in lrs for m in momenta})
    plan(tmp_path, trials=5, arms=[{"optimizer": "momentum", "space": {"lr": LR, "momentum": MOMENTUM}}])
    found = edge_warnings(verdict_of(tmp_path))
    assert [warning.partition("(")[2].removesuffix(").") for warning in found] == words


def test_a_value_that_the_plan_fixes_has_no_edge(tmp_path: Path) -> None:
    tried(tmp_path, {(0.001, 0.9): 0.9, (0.01, 0.9): 0.8})
    plan(tmp_path, trials=0, arms=[{"optimizer": "momentum", "space": {"lr": 0.001, "momentum": 0.9}}])
    assert not edge_warnings(verdict_of(tmp_path))


@pytest.mark.parametrize("name", ["adam", "momentum"])
def test_report_and_study_apply_one_rule(tmp_path: Path, name: str) -> None:
    planned = protocol(name, track="family", sampler="halton", trials=7)
    (arm,) = planned.arms
    trials = [Trial(i, point, arm.space.settings(point)) for i, point in enumerate(planned.design(arm))]
    said = set()
    for winner in trials:
        folder = tmp_path / str(winner.number)
        for trial in trials:
            config = dict(arm.optimizer) | {k: v for k, v in trial.settings.items() if not k.startswith("beta")}
            if "betas" in config:
                config["betas"] = [trial.settings["beta1"], arm.optimizer["betas"][1]]
            words = [f"optimizer={name}", *overrides(trial.settings, arm.optimizer)]
            value = 0.9 if trial is winner else 0.5
            lr = float(trial.settings["lr"])
            make_run(folder, name, lr, val=value, phase="tune", arguments=config, overrides=words, epochs=1)
        plan(folder, **planned.plan())
        contest = only(folder)
        (contender,) = contest.contenders
        edges = edges_of(planned, arm, trials, winner)
        assert tuning.edges_of(contender, arm_of(contender, studies(contest.runs))) == edges
        said |= set(edges.items())
    assert len(said) > 3  # the winners lie on several edges


# -- what a study has to say


def with_two_arms(folder: Path) -> list[dict[str, Any]]:
    """A study of momentum, whose winner lies on an edge, and of adam, which has no run here; the arms of study.json."""
    tried(folder, {(0.001, 0.9): 0.8, (0.01, 0.9): 0.85, (0.1, 0.9): 0.9})
    plan(folder, trials=3, arms=[{"optimizer": name, "space": {"lr": LR}} for name in ("momentum", "adam")])
    edge = {"optimizer": "momentum", "winner": {"lr": 0.1}, "edges": {"lr": "high"}, "failed_trials": 1}
    none: dict[str, Any] = {"optimizer": "adam", "winner": None, "edges": {}, "failed_trials": 3}
    return [arm | {"tuned": False, "trials": 3, "extensions": 2} for arm in (edge, none)]


SAID = [
    "momentum is not tuned: its best has lr 0.1 on the high edge of what was tried, after 2 extensions.",
    "momentum: 1 of 3 trials have a failed run: not in the choice.",
    "adam: 3 of 3 trials have a failed run: not in the choice.",
    "adam: nothing could be chosen, as every trial has a failed run.",
]


def test_the_warnings_of_a_study_are_the_reports_too_and_said_once(tmp_path: Path) -> None:
    arms = with_two_arms(tmp_path)
    written = [asdict(warning) for arm in arms for warning in study_warnings(arm)]
    assert [warning["text"] for warning in written] == SAID
    result(tmp_path, arms, [*written, written[1]])
    warnings = verdict_of(tmp_path).warnings
    assert [w.text for w in warnings].count(SAID[1]) == 1
    assert [w.kind for w in warnings if "not tuned" in w.text] == ["not_tuned"]
    assert not any(w.subject == "adam" for w in warnings)  # it has no run in this setting


def test_a_study_of_before_whose_warnings_are_plain_texts_says_the_same(tmp_path: Path) -> None:
    arms = with_two_arms(tmp_path)
    result(tmp_path, arms, [asdict(warning) for arm in arms for warning in study_warnings(arm)])
    now = verdict_of(tmp_path).warnings
    result(tmp_path, arms, [line.removesuffix(".") for line in SAID])
    assert verdict_of(tmp_path).warnings == now


def test_plain_texts_beside_arms_that_say_too_little_are_shown_as_they_are(tmp_path: Path) -> None:
    arms = with_two_arms(tmp_path)
    result(tmp_path, [{"optimizer": "momentum", "winner": None}, arms[1]], ["momentum: look at it"])
    said = [warning for warning in verdict_of(tmp_path).warnings if warning.kind == "said"]
    assert [str(warning) for warning in said] == ["momentum: look at it."]


def test_a_study_of_two_schedules_finds_each_arm(tmp_path: Path) -> None:
    for schedule in ("constant", "cosine"):
        for lr in (0.01, 0.1):
            words = ["optimizer=adam", f"lr={schedule}", f"optimizer.lr={lr:g}"]
            make_run(tmp_path, lr=lr, val=0.8 + lr, schedule=schedule, overrides=words, phase="tune")
        make_run(tmp_path, lr=0.1, seed=5, val=0.9, schedule=schedule, overrides=words, phase="confirm")
    arm = {"optimizer": "adam", "winner": {"lr": 0.1}, "edges": {}}
    plan(tmp_path, trials=2, arms=[])
    result(tmp_path, [arm | {"lr": "constant", "edges": {"lr": "high"}}, arm | {"lr": "cosine"}])
    (warning,) = edge_warnings(verdict_of(tmp_path))
    assert warning.startswith("adam · constant is not tuned")


# -- a study under way


def tuning_run(folder: Path, optimizer: str, lr: float, **more: Any) -> None:
    words = [f"optimizer={optimizer}", f"optimizer.lr={lr:g}"]
    make_run(folder, optimizer, lr, phase=more.pop("phase", "tune"), overrides=words, **more)


def begun(folder: Path) -> None:
    """Two optimizers with three trials on a seed and two seeds of confirmation are planned; two trials are done."""
    arms = [{"optimizer": name, "space": {"lr": LR}} for name in ("sgd", "adam")]
    plan(folder, trials=3, tuning_seeds=[0], confirmation_seeds=[1, 2], arms=arms)
    for lr, value in ((0.001, 0.8), (0.01, 0.9)):
        tuning_run(folder, "sgd", lr, val=value)
    tuning_run(folder, "adam", 0.1, status="running")


def test_a_study_that_tunes_has_no_verdict_yet(tmp_path: Path) -> None:
    begun(tmp_path)
    verdict = verdict_of(tmp_path)
    assert verdict.headline == "Still tuning: 2 of 10 runs done; no verdict before confirmation"
    assert verdict.sentences == []
    assert verdict.warnings == []  # no edge, no same seeds, no unfinished run: all of that is still under way
    arms = [{"optimizer": "sgd", "trials": 5, "winner": None, "edges": {}}]
    edge, failed = Message("edge_remains", "sgd", "on the edge."), Message("failed_trials", "sgd", "1 of 3 failed.")
    result(tmp_path, arms, [asdict(edge), asdict(failed)])
    verdict = verdict_of(tmp_path)
    assert verdict.headline.startswith("Still tuning: 2 of 12 runs")  # two trials more by an extension
    assert verdict.warnings == [failed]  # an edge may be left again
    plan(tmp_path, trials=3)
    assert verdict_of(tmp_path).headline.startswith("Still tuning: 2 runs done")


def test_confirmation_ends_the_tuning(tmp_path: Path) -> None:
    begun(tmp_path)
    tuning_run(tmp_path, "sgd", 0.01, val=0.9, test=0.9, seed=1, phase="confirm")
    verdict = verdict_of(tmp_path)
    assert verdict.headline.startswith("Only sgd has finished")  # adam is planned
    assert edge_warnings(verdict)


def test_what_a_study_with_few_seeds_can_type(tmp_path: Path) -> None:
    make_study(tmp_path, seeds=2)
    plan(tmp_path, trials=3)
    (said,) = [w for w in verdict_of(tmp_path).warnings if w.kind == "exploratory"]
    assert "2 seeds only; hydra.sweeper.confirmation_seeds=5 runs more" in said.text


def test_an_extended_study_is_one_study_and_says_that_it_was_looked_at_before(tmp_path: Path) -> None:
    make_study(tmp_path, seeds=6)
    plan(tmp_path, trials=3)
    assert {"extended", "several_plans"}.isdisjoint(said.kind for said in verdict_of(tmp_path).warnings)
    for path in tmp_path.glob("*/run.json"):
        content = json.loads(path.read_text())
        content["config"]["protocol"] = "sha-1" if content["seed"] < 4 else "sha-2"
        path.write_text(json.dumps(content))
    assert "several_plans" in {said.kind for said in verdict_of(tmp_path).warnings}
    content = yaml.safe_load((tmp_path / "protocol.yaml").read_text())
    earlier = content | {"hash": "sha-1", "confirmation_seeds": [2, 3]}
    content |= {"hash": "sha-2", "confirmation_seeds": [2, 3, 4, 5, 6, 7], "earlier": [earlier]}
    (tmp_path / "protocol.yaml").write_text(yaml.safe_dump(content))
    kinds = {said.kind: said.text for said in verdict_of(tmp_path).warnings}
    assert "several_plans" not in kinds
    assert "the study had 2 confirmation seeds and was extended to 6" in kinds["extended"]
