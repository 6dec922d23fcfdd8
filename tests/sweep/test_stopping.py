"""Stopping trials that are behind: successive halving over epochs, on surfaces and in whole studies."""

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from optlab import checkpoint
from optlab.errors import UserError
from optlab.record import METRICS_FILE, RECORD_FILE, RunRecord, read_metrics
from optlab.rules.choice import Score
from optlab.rules.stopping import Halving, score_at
from optlab.sweep.study.rounds import Tuning, Words, next_round, reach, tune
from tests.commandline import Result, command
from tests.conftest import QUICK
from tests.sweep.surfaces import HORIZON, Surface, conduct, protocol, read

# -- rungs


@pytest.mark.parametrize(
    ("asked", "rungs", "kept"),
    [
        ({"trials": 7, "horizon": 15, "reduction": 2}, (4, 8), (4, 2)),
        ({"trials": 7, "horizon": 30, "reduction": 2}, (8, 16), (4, 2)),
        ({"trials": 27, "horizon": 27, "reduction": 3, "first": 1}, (1, 3, 9), (9, 3, 1)),
        ({"trials": 7, "horizon": 20, "reduction": 2, "every": 4}, (8, 12), (4, 2)),  # where there is a validation
        ({"trials": 2, "horizon": 8, "reduction": 2}, (2,), (1,)),  # behind the first rung none is left to stop
    ],
)
def test_rungs_lie_a_factor_apart_where_runs_are_validated(
    asked: dict[str, int], rungs: tuple[int, ...], kept: tuple[int, ...]
) -> None:
    rule = Halving.of(**asked)
    assert (rule.rungs, rule.kept) == (rungs, kept)
    assert Halving.read(rule.plan) == rule


def test_the_epochs_of_a_seed_are_counted() -> None:
    rule = Halving.of(7, 15, 2)
    assert rule.epochs(7) == 7 * 4 + 4 * 4 + 2 * 7
    assert rule.saved(7) == 7 * 15 - 58


@pytest.mark.parametrize(("trials", "horizon"), [(1, 30), (7, 1)])
def test_a_rule_that_stops_nothing_is_refused(trials: int, horizon: int) -> None:
    with pytest.raises(UserError, match=f"stops none of {trials} trials before epoch {horizon}"):
        Halving.of(trials, horizon, 2)


# -- what a run was worth at a rung

ROWS: list[dict[str, Any]] = [{"epoch": n, "val/acc": n / 10, "val/loss": 1 / n} for n in (1, 2, 3)]


def record(status: str, **fields: Any) -> RunRecord:
    config = {"optimizer": {"name": "sgd", "lr": 0.1}, "model": {"name": "mlp"}, "dataset": {"name": "digits"}}
    made = RunRecord.begin(config | {"lr": {"name": "constant"}, "seed": 0, "phase": "tune"})
    made.data, made.metrics = {"metric": "val/acc", "outputs": 10}, {"val/acc": 0.9, "val/loss": 0.2}
    for name, value in ({"status": status} | fields).items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("found", "score"),
    [
        (record("stopped", epochs=2), Score(0.2, -0.5)),
        (record("finished", epochs=3), Score(0.2, -0.5)),  # it went on
        (record("finished", epochs=1), Score(0.9, -0.2)),  # it was over by then
        (record("diverged", diverged={"epoch": 2}), Score(0.1, -math.inf, trained=False)),
        (record("diverged", diverged={"epoch": 3}), Score(0.2, -0.5)),
        (record("running", data={}), Score(0.2, -0.5)),  # killed when it had gone on
        (record("failed"), Score(0.2, -0.5)),
    ],
)
def test_a_run_is_judged_at_the_rung_whatever_became_of_it_later(found: RunRecord, score: Score) -> None:
    assert score_at(found, ROWS, 2, "val/acc") == score


def test_a_run_that_failed_before_the_rung_has_no_score_and_a_lost_history_is_said() -> None:
    assert score_at(record("failed"), ROWS, 4) is None
    with pytest.raises(UserError, match=r"epoch 4 is missing in its metrics\.csv"):
        score_at(record("finished", epochs=5), ROWS, 4)


# -- rounds

BEST = {"adam": 1e-3, "sgd": 0.03}


def learning(best: Mapping[str, float], late: float = math.inf, failing: float = math.nan) -> Surface:
    """Accuracy by distance from the best lr, more of it with each epoch; lrs from `late` on are far behind at first."""

    def value(run: Mapping[str, str]) -> Score | None:
        lr, epoch = float(run["optimizer.lr"]), int(run.get("until", HORIZON))
        if lr == failing:
            return None
        end = 0.9 - 0.1 * math.log10(lr / best[run["optimizer"]]) ** 2 + 0.001 * int(run["seed"])
        behind = 0.5 if lr >= late and epoch < HORIZON else 0.0
        return Score(end - 0.2 / epoch - behind, 0.0)

    return value


def halving(*names: str, **changed: Any) -> Any:
    return protocol(*(names or ("adam", "sgd")), stopping="halving", **changed)


def runs_to(runs: Sequence[Words], until: int | None, optimizer: str = "adam") -> list[float]:
    found = [read(words) for words in runs]
    wanted = None if until is None else str(until)
    return sorted(float(r["optimizer.lr"]) for r in found if r["optimizer"] == optimizer and r.get("until") == wanted)


def tunings(plan: Any, known: Mapping[Words, Score | None]) -> list[Tuning]:
    return [tune(plan, arm, known) for arm in plan.arms]


def test_the_best_of_each_arm_go_on_to_the_next_rung_and_all_arms_have_equal_budgets() -> None:
    plan = halving()
    rounds, known = conduct(plan, learning(BEST))
    assert [each.title for each in rounds] == ["tune to epoch 5 of 20", "tune to epoch 10 of 20", "tune", "confirm"]
    for name in BEST:
        assert [len(runs_to(each.runs, until, name)) for each, until in zip(rounds, (5, 10, None), strict=False)] == [
            *(7 * 2, 4 * 2, 2 * 2)
        ]
    assert runs_to(rounds[2].runs, None) == [9.49e-4, 9.49e-4, 3e-3, 3e-3]
    adam, _ = tunings(plan, known)
    assert adam.winner is not None
    assert (adam.winner.settings, adam.stopped, adam.failed, adam.edges) == ({"lr": 9.49e-4}, 5, 0, {})
    assert all("until" not in read(words) for words in rounds[-1].runs)


def test_trials_are_judged_by_the_mean_over_their_seeds_and_all_seeds_stop_together() -> None:
    rounds, _ = conduct(halving("adam"), learning(BEST))
    for each in rounds[:-1]:
        seeds: dict[str, set[str]] = {}
        for words in each.runs:
            seeds.setdefault(read(words)["optimizer.lr"], set()).add(read(words)["seed"])
        assert all(of_one == {"0", "1"} for of_one in seeds.values())


def test_trials_of_an_extension_run_to_their_end() -> None:
    plan = halving("adam")
    rounds, known = conduct(plan, learning({"adam": 0.08}))  # beyond the edge
    assert rounds[3].title == "extend"
    assert runs_to(rounds[3].runs, None) == [0.0949, 0.0949, 0.3, 0.3]
    [adam] = tunings(plan, known)
    assert adam.winner is not None
    assert (adam.winner.settings, adam.extensions, adam.edges) == ({"lr": 0.0949}, 1, {})


def test_what_was_stopped_lies_beyond_the_winner_so_that_it_is_on_no_edge() -> None:
    _, known = conduct(plan := halving("adam", extensions=0), learning(BEST, late=3e-3))  # the upper side stops early
    [adam] = tunings(plan, known)
    assert adam.winner is not None
    assert (adam.winner.settings, adam.edges, adam.tuned) == ({"lr": 9.49e-4}, {}, True)


def test_a_trial_with_a_failed_run_leaves_the_field_and_is_counted_as_failed() -> None:
    _, known = conduct(plan := halving("adam"), learning(BEST, failing=9.49e-4))
    [adam] = tunings(plan, known)
    assert adam.winner is not None
    assert (adam.winner.settings, adam.failed, adam.stopped) == ({"lr": 3e-3}, 1, 4)
    rounds, known = conduct(plan, lambda run: None)
    [nothing] = tunings(plan, known)
    assert (nothing.winner, nothing.failed, nothing.stopped, len(rounds)) == (None, 7, 0, 1)


def test_ties_at_a_rung_go_to_the_smaller_lr() -> None:
    _, known = conduct(plan := halving("adam", extensions=0), lambda run: Score(0.5, -1.0))
    [adam] = tunings(plan, known)
    assert adam.winner is not None
    assert adam.winner.settings == {"lr": 3e-5}


def test_a_study_that_is_broken_off_anywhere_makes_the_same_rounds() -> None:
    plan = halving()
    _, known = conduct(plan, learning(BEST))
    order = list(known)
    for n in range(0, len(order), 5):
        again = {words: known[words] for words in order[:n]}
        while (upcoming := next_round(plan, again)) is not None:
            again |= {words: learning(BEST)(read(words)) for words in upcoming.runs}
        assert again == known


def test_what_is_to_be_trained_is_known_before_who_stops_is() -> None:
    plan = halving("adam")
    [arm] = plan.arms
    trials = tune(plan, arm, {}).trials
    assert sorted(reach(plan, arm, trials, {}).values()) == [5, 5, 5, 10, 10]
    _, known = conduct(plan, learning(BEST))
    stops = reach(plan, arm, trials, known)
    assert {trials[n].settings["lr"]: rung for n, rung in stops.items()} == {
        **{3e-5: 5, 9.49e-3: 10, 9.49e-5: 5, 0.03: 5, 3e-4: 10}
    }
    assert not reach(protocol("adam"), arm, trials, known)


def test_the_plan_names_the_rule_only_where_it_is_asked_for() -> None:
    plain, plan = protocol("adam"), halving("adam")
    assert "stopping" not in plain.plan()
    assert plan.plan()["stopping"]["rungs"] == [5, 10]
    assert plan.plan()["stopping"]["kept"] == [4, 2]
    assert len({plain.hash, plan.hash, halving("adam", stopping_reduction=3).hash}) == 3


# -- whole studies

SPACES = "hydra.sweeper.spaces={sgd:{lr:{low:0.001,high:1.0}}}"
STUDY = (
    *("-m", "hydra/sweeper=study", *QUICK, "model=linear", "trainer.max_epochs=4", "optimizer=sgd", SPACES),
    *("hydra.sweeper.trials=4", "hydra.sweeper.tuning_seeds=1", "hydra.sweeper.confirmation_seeds=1"),
    *("hydra.sweeper.extensions=0", "batch_size=256"),
)
HALVED = "hydra.sweeper.stopping=halving"
STOP = "+callbacks.stop={_target_:tests.sweep.troubles.Signal,signame:SIGINT,lr:1.0,step:10}"  # in its 2nd epoch


@pytest.fixture
def concluded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the report, which has its own tests."""
    monkeypatch.setattr(import_module("optlab.sweep.conclude"), "summarize", lambda *_: (None, None))
    monkeypatch.setattr(import_module("optlab.sweep.conclude"), "into_wandb", lambda *_: 0)


def study(*words: str, name: str = "halved") -> Result:
    return command(*STUDY, STOP, f"sweep={name}", *words)


def folders(name: str = "halved") -> dict[str, Path]:
    return {path.parent.name: path.parent for path in Path("outputs/sweeps", name).glob(f"*/{RECORD_FILE}")}


def ends(name: str = "halved") -> dict[str, tuple[str, int, dict[str, float | None]]]:
    read = {run: RunRecord.read(folder) for run, folder in folders(name).items()}
    return {run: (record.status, record.epochs, record.metrics) for run, record in read.items()}


def rows(folder: Path) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in row.items() if key != "seconds"} for row in read_metrics(folder / METRICS_FILE)
    ]


def chosen(name: str = "halved") -> dict[str, Any]:
    content = json.loads(Path("outputs/sweeps", name, "study.json").read_text())
    return {key: content[key] for key in ("arms", "complete")}


@pytest.mark.usefixtures("concluded")
def test_survivors_are_the_runs_of_the_full_study_and_a_study_that_is_broken_off_comes_to_the_same_end() -> None:
    halved = study(HALVED)
    assert halved.code == 0, halved.err
    assert "of the 4 go on: the best 2 behind epoch 1, the best 1 behind epoch 2" in halved.out
    assert "paused at epoch 1, val/acc 0." in halved.out + halved.err
    plan = yaml.safe_load(Path("outputs/sweeps/halved/protocol.yaml").read_text())
    assert (plan["stopping"]["rungs"], plan["stopping"]["kept"]) == ([1, 2], [2, 1])
    assert "stopping: halving at epochs [1, 2] there, none here" in study().err  # it goes on with none of it
    same_as_full()
    Path("armed").touch()
    assert study(HALVED, name="again").code == 130
    assert "interrupted" in {status for status, *_ in ends("again").values()}
    assert study(HALVED, name="again").code == 0
    assert (ends("again"), chosen("again")) == (ends(), chosen())
    [survivor] = [run for run, (_, epochs, metrics) in ends().items() if epochs == 4 and "test/acc" not in metrics]
    for epochs in (1, 3):  # when it had just gone on behind the first rung, and in its last epoch
        kill(survivor, epochs)
        assert study(HALVED, name="again").code == 0
        assert (ends("again"), chosen("again")) == (ends(), chosen())


def same_as_full() -> None:
    """The halved study is the full one as far as its runs got, bit for bit, and chose the same."""
    assert study(name="full").code == 0
    assert "stopping: none there, halving at epochs [1, 2] here" in study(HALVED, name="full").err
    tuned = [record for record in map(RunRecord.read, folders().values()) if record.phase == "tune"]
    assert sorted(record.epochs for record in tuned) == [1, 1, 2, 4]
    for run, folder in folders().items():
        record, whole = RunRecord.read(folder), folders("full")[run]
        assert rows(folder) == rows(whole)[: record.epochs]
        if record.status == "finished":
            ours, theirs = (checkpoint.read(str(each / "checkpoints/last.ckpt")).state_dict for each in (folder, whole))
            assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
        else:
            assert record.status == "stopped"
            assert record.ended == {"reason": "until", "epoch": record.epochs, "text": f"until={record.epochs}"}
    [arm], [whole_arm] = chosen()["arms"], chosen("full")["arms"]
    assert arm.pop("stopped_trials") == 3
    assert arm == whole_arm


def kill(run: str, epochs: int) -> None:
    """Leave of a run what kill -9 leaves behind so many epochs: the record of its last launch, and its checkpoint."""
    folder = folders("again")[run]
    record = RunRecord.read(folder)
    words = [word for word in record.overrides if not word.startswith(("until=", "sweep="))]
    assert command(*words, f"until={epochs}", "hydra.run.dir=alone").code == 0
    for name in (METRICS_FILE, "checkpoints/last.ckpt"):
        Path("alone", name).replace(folder / name)
    shutil.rmtree("alone")
    RunRecord.begin(record.config, record.overrides).write(folder)
