"""Stopped trials in a report: what was saved, where curves crossed, and the rule replayed on full sweeps."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from optlab.analysis import read_runs
from optlab.analysis.judge.contest import Contest, contests
from optlab.analysis.judge.replay import Replayed, replay
from optlab.analysis.judge.tuning import on_the_edge, spent
from optlab.analysis.judge.verdict import Verdict, judge
from optlab.analysis.read.plans import studies
from optlab.analysis.show import replay as script
from optlab.analysis.show.figures.search import best_against_budget
from optlab.analysis.show.figures.sensitivity import lr_sensitivity
from optlab.analysis.show.tables.tried import configurations
from optlab.api import frames
from optlab.record import Status, write_metrics
from optlab.rules.stopping import Halving
from tests.analysis.made import make_run, subject

HORIZON = 8
RULE = Halving.of(4, HORIZON, 2)  # 2 behind epoch 2, 1 behind epoch 4
LENGTH = {"trainer": {"max_epochs": HORIZON, "limit_train_batches": None, "accumulate_grad_batches": 1}}
LRS = (0.001, 0.003, 0.01, 0.03)


def trial(sweep: Path, lr: float, curve: Sequence[float], seed: int = 0) -> None:
    """A tuning run with this val/acc by epoch; stopped where it is shorter than the horizon."""
    status: Status = "finished" if len(curve) == HORIZON else "stopped"
    make_run(sweep, lr=lr, seed=seed, curve=curve, epochs=len(curve), status=status, phase="tune", config=LENGTH)


def halved(sweep: Path, third: Sequence[float], winner: Sequence[float]) -> tuple[Contest, Verdict]:
    """A study of four trials; the last two went on behind the first rung."""
    trial(sweep, LRS[0], [0.1, 0.2])
    trial(sweep, LRS[1], [0.2, 0.3])
    trial(sweep, LRS[2], third)
    trial(sweep, LRS[3], winner)
    for seed in (1, 2):
        make_run(sweep, lr=LRS[3], seed=seed, curve=winner, epochs=HORIZON, test=0.9, phase="confirm", config=LENGTH)
    arm = {"optimizer": "adam", "space": {"lr": {"low": 0.001, "high": 0.1}}, "settings": [{"lr": lr} for lr in LRS]}
    plan = {"hash": "sha-1", "trials": 4, "tuning_seeds": [0], "confirmation_seeds": [1, 2], "arms": [arm]}
    (sweep / "protocol.yaml").write_text(yaml.safe_dump(plan | {"stopping": RULE.plan}))
    (sweep / "study.json").write_text(json.dumps({"complete": True, "arms": [], "warnings": []}))
    [contest] = contests(read_runs([sweep]))
    return contest, judge(contest, studies=studies(contest.runs))


LATE = [0.3, 0.4, 0.6, 0.8, 0.85, 0.9, 0.91, 0.92]


def test_what_was_saved_is_said_and_stopped_trials_are_kept_shown_and_never_compared(tmp_path: Path) -> None:
    contest, verdict = halved(tmp_path, [0.4, 0.35, 0.5, 0.5], LATE)
    assert verdict.sentences[-2:] == [
        "Successive halving stopped 3 trials early: 16 of 32 tuning epochs (50 %) were saved.",
        "The best so far against budget is not drawn, as it takes the final value of every trial.",
    ]
    assert best_against_budget(subject(contest)) is None
    [adam] = contest.contenders
    assert adam.chosen is not None
    assert adam.chosen.lr == LRS[3]
    assert [c.lr for c in adam.judged] == [LRS[3]]
    assert len(adam.tried) == 4
    tuning, _ = spent(adam)
    assert (tuning.trials, tuning.epochs) == (4, 2 + 2 + 4 + 8)  # they count in the budget
    assert on_the_edge(adam) == ["lr 0.03 is the largest of 4 tried"]  # they were tried
    table = configurations(contest)
    assert [row.cells["stopped"].text for row in table.rows] == ["epoch 2", "epoch 2", "epoch 4", ""]
    frame = frames.configurations_frame([contest])
    assert frame["stopped"].tolist() == [1, 1, 1, 0]
    assert frame["n"].tolist() == [0, 0, 0, 1]
    assert read_runs([tmp_path]).counts()["stopped"] == 3


def test_figures_of_trials_say_that_those_that_were_stopped_are_not_in_them(tmp_path: Path) -> None:
    halved(tmp_path, [0.4, 0.35, 0.5, 0.5], LATE)
    trial(tmp_path, 0.1, LATE)  # another that went on to the end
    for lr in LRS[:2]:
        make_run(tmp_path, "sgd", lr, 0, epochs=HORIZON, phase="tune", config=LENGTH)
        make_run(tmp_path, "sgd", lr, 1, epochs=HORIZON, phase="confirm", config=LENGTH)
    [contest] = contests(read_runs([tmp_path]))
    found, budget = lr_sensitivity(subject(contest)), best_against_budget(subject(contest))
    assert found is not None
    assert budget is not None
    assert not any("is not drawn" in sentence for sentence in judge(contest).sentences)
    assert "Of 7 trials, 3 were stopped early and have no final value: only those that went on" in found.note
    assert budget.note.endswith("Without adam, whose trials were stopped early and have no final value.")


@pytest.mark.parametrize(("third", "place"), [([0.4, 0.45, 0.5, 0.5], 2), ([0.3, 0.35, 0.5, 0.5], None)])
def test_a_winner_that_was_behind_at_a_rung_is_a_warning(tmp_path: Path, third: list[float], place: int | None) -> None:
    _, verdict = halved(tmp_path, third, LATE)
    found = [said for said in verdict.warnings if said.kind == "curves_crossed"]
    assert [said.fields["place"] for said in found] == ([] if place is None else [place])
    assert [said.fields["rung"] for said in found] == ([] if place is None else [2])


# -- replayed on full sweeps

EARLY = [0.5, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6]


def full(sweep: Path, late_seeds: Sequence[int] = (0, 1)) -> Contest:
    """Four trials on two seeds; the last learns late on some of them, and is the best in the end."""
    for seed in (0, 1):
        for lr, by in zip(LRS[:3], (0.0, 0.01, 0.02), strict=True):
            trial(sweep, lr, [value + by for value in EARLY], seed)
        beginning = [0.4, 0.4, 0.5, 0.5] if seed in late_seeds else [0.95, 0.95, 0.95, 0.95]
        trial(sweep, LRS[3], [*beginning, 0.8, 0.9, 0.9, 0.9], seed)
    [contest] = contests(read_runs([sweep]))
    return contest


def replayed(contest: Contest) -> list[Replayed]:
    return replay(contest, [], lambda trials, horizon: Halving.of(trials, horizon, 2))


def test_a_winner_that_learns_late_is_lost_and_its_cost_is_told(tmp_path: Path) -> None:
    one, two = replayed(full(tmp_path))
    assert (one.replays, one.seeds, len(one.lost)) == (2, 1, 2)
    assert (two.replays, two.seeds, len(two.lost)) == (1, 2, 1)
    assert two.cost == pytest.approx(0.9 - 0.62)
    assert one.elsewhere == pytest.approx(0.9 - 0.62)
    assert two.elsewhere is None  # there are no other seeds
    assert two.saved == pytest.approx(RULE.saved(4) / (4 * HORIZON))


def test_a_winner_that_learns_late_on_one_seed_is_lost_with_that_seed_alone(tmp_path: Path) -> None:
    one, two = replayed(full(tmp_path, late_seeds=[0]))
    assert [lost.seeds for lost in one.lost] == [(0,)]
    assert not two.lost  # the mean over both seeds is among the better two


def test_the_script_prints_a_table_and_says_what_cannot_be_replayed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    full(tmp_path / "full")
    assert script.main([str(tmp_path / "full")]) == 0
    printed = capsys.readouterr().out
    assert "of 4 trials go on: 2 behind epoch 2, 1 behind epoch 4; 8 epochs in all" in printed
    assert "2 (100 %)" in printed
    halved(tmp_path / "halved", [0.4, 0.35, 0.5, 0.5], LATE)
    for words, said in (
        ([tmp_path / "halved"], "no optimizer has two trials that ran to their end with the same seeds"),
        ([tmp_path / "nothing"], "there is no such folder"),
        ([tmp_path / "full", "--reduction", "1"], "--reduction 1: must be 2 or more"),
        ([tmp_path / "full", "--first", "9"], "stops none of 4 trials before epoch 8"),
    ):
        assert script.main(list(map(str, words))) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1


def test_a_run_whose_history_is_not_whole_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    full(tmp_path)
    write_metrics(next(tmp_path.glob("*-seed1-*")) / "metrics.csv", [{"epoch": 1, "val/acc": 0.5, "val/loss": 0.6}])
    assert script.main([str(tmp_path)]) == 2
    assert "seed1" in capsys.readouterr().err
