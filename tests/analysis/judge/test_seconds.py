"""Seconds of training: what is said where other work on the machine made them longer, and what is offered instead."""

from pathlib import Path
from typing import Any

import pytest

from optlab.analysis.judge.contest import Contest, contests
from optlab.analysis.judge.seconds import step_time
from optlab.analysis.judge.verdict import Verdict, judge
from optlab.analysis.read.runs import read_runs
from optlab.analysis.show.figures import figures_of
from optlab.analysis.show.tables import tables_of
from optlab.analysis.show.tables.costs import cost_table
from optlab.analysis.show.tables.outcome import tuning_table
from optlab.record import RunRecord
from tests.analysis.made import make_run, subject


def contest_of(folder: Path) -> Contest:
    (contest,) = contests(read_runs([folder]))
    return contest


def verdict_of(folder: Path) -> Verdict:
    return judge(contest_of(folder))


def test_runs_that_were_slowed_down_are_said_once_and_undisturbed_seconds_offered(tmp_path: Path) -> None:
    for name in ("adam", "sgd"):
        for seed, (phase, seconds) in enumerate([("tune", 0.2), ("tune", 0.25), ("confirm", 1.6), ("confirm", 2.0)]):
            make_run(tmp_path, name, seed=seed, phase=phase, val=0.9, seconds=seconds)
    verdict = verdict_of(tmp_path)
    (said,) = [each for each in verdict.said_once if each.kind == "disturbed"]
    assert "(adam 12.5 to 125 ms and sgd 12.5 to 125 ms)" in said.text  # 16 steps an epoch
    table = tuning_table(verdict)
    cells = table.rows[0].cells
    assert cells["seconds"].value == pytest.approx(4 * (0.2 + 0.25 + 1.6 + 2.0))
    assert cells["undisturbed"].value == pytest.approx(4 * 4 * 0.2)
    epochs = cells["epochs_to_target"].value
    assert isinstance(epochs, float)
    assert cells["undisturbed_to_target"].value == pytest.approx(epochs * 0.2)
    assert "Undisturbed" in table.note
    notes = {figure.id: figure.note for figure in figures_of(subject(contest_of(tmp_path)))}
    for name in ("curves", "target"):
        assert "runs of adam and sgd were slowed down. Epochs and samples do" in notes[name]
    assert "slowed" not in notes["finals"]


def test_equal_seconds_and_runs_computed_otherwise_are_no_reason(tmp_path: Path) -> None:
    one: dict[str, Any] = {"engine": "loop", "threads": 1}
    for seed, seconds in enumerate([0.2, 0.29]):
        make_run(tmp_path, seed=seed, seconds=seconds, numerics=one)
    make_run(tmp_path, seed=2, seconds=0.9, numerics=one | {"threads": 16})  # slower, and it says why
    verdict = verdict_of(tmp_path)
    assert not any(said.kind == "disturbed" for said in verdict.warnings)
    assert "undisturbed" not in tuning_table(verdict).rows[0].cells
    assert not any("slowed" in figure.note for figure in figures_of(subject(contest_of(tmp_path))))
    time = step_time(contest_of(tmp_path).contenders[0])
    assert time is not None
    assert [time.fastest, time.slowest] == pytest.approx([12.5, 18.125])


def test_a_run_that_ended_within_an_epoch_makes_no_epoch_longer(tmp_path: Path) -> None:
    make_run(tmp_path, seed=0, seconds=0.2)
    folder = make_run(tmp_path, seed=1, status="diverged", seconds=0.2)
    record = RunRecord.read(folder)
    record.steps += 15  # of the third epoch, which has 16
    record.write(folder)
    time = step_time(contest_of(tmp_path).contenders[0])
    assert time is not None
    assert time.epoch == pytest.approx(16 * time.fastest / 1000)


# -- runs side by side, and on several machines


def warnings_of(verdict: Verdict) -> list[str]:
    """The kinds of its warnings that are about seconds or bits."""
    kinds = ("disturbed", "seconds_unlike", "side_by_side", "numerics")
    return [said.kind for said in verdict.said_once if said.kind in kinds]


def text_of(verdict: Verdict, kind: str) -> str:
    (said,) = [each for each in verdict.said_once if each.kind == kind]
    return said.text


def test_runs_that_a_launcher_let_train_side_by_side_are_said_once_for_the_sweep(tmp_path: Path) -> None:
    """Four at a time by plan: one mild sentence, and none on other work of the machine."""
    for at, (name, seed) in enumerate((name, seed) for name in ("adam", "sgd") for seed in range(4)):
        make_run(tmp_path, name, seed=seed, began=1000.0 + 4 * (at // 4) + 0.01 * (at % 4), seconds=0.9, host="here")
    make_run(tmp_path, "sgd", seed=4, began=1020.0, seconds=0.9, host="here")
    verdict = verdict_of(tmp_path)
    assert warnings_of(verdict) == ["side_by_side"]
    assert verdict.said_once[-1].kind == "side_by_side", "it is no fault, so what is one comes first"
    assert "8 of 9 trained beside others on the same device, up to 4 at a time" in text_of(verdict, "side_by_side")
    notes = [figure.note for figure in figures_of(subject(contest_of(tmp_path)))]
    assert not any("side by side" in note for note in notes), "it is so by default: said once, and not below each axis"


def test_runs_one_by_one_and_on_devices_of_their_own_are_none_side_by_side(tmp_path: Path) -> None:
    for at, name in enumerate(("adam", "sgd")):
        for seed in range(2):
            make_run(tmp_path, name, seed=seed, began=1000.0 + 4 * seed, host=f"host-{at}")
    contest = contest_of(tmp_path)
    assert set(contest.beside.values()) == {1}
    assert warnings_of(judge(contest)) == ["seconds_unlike"]
    assert "host host-0 and host-1" in text_of(judge(contest), "seconds_unlike")


def test_runs_of_another_setting_beside_them_count_too(tmp_path: Path) -> None:
    for name in ("adam", "sgd"):
        for size in (32, 64):
            config = {"batch_size": size}
            make_run(tmp_path, name, began=1000.0 if name == "adam" else 2000.0, host="here", config=config)
    small, large = (judge(contest) for contest in contests(read_runs([tmp_path])))
    for verdict in (small, large):
        assert "2 of 2 trained beside others on the same device, up to 2 at a time" in text_of(verdict, "side_by_side")


def test_runs_that_were_slowed_down_by_each_other_are_told_so_once(tmp_path: Path) -> None:
    for name in ("adam", "sgd"):
        make_run(tmp_path, name, seed=0, began=10.0, seconds=1.0, host="here")
        make_run(tmp_path, name, seed=1, began=100.0 if name == "adam" else 200.0, seconds=0.2, host="here")
    verdict = verdict_of(tmp_path)
    assert warnings_of(verdict) == ["disturbed"]
    said = text_of(verdict, "disturbed")
    assert "(adam 12.5 to 62.5 ms and sgd 12.5 to 62.5 ms)" in said
    assert "; 2 of 4 trained beside others on the same device, up to 2 at a time. Undisturbed" in said
    assert "other work" not in said


def test_runs_that_were_slowed_down_and_on_several_hosts_are_one_warning(tmp_path: Path) -> None:
    for at, name in enumerate(("adam", "sgd")):
        for seed, seconds in enumerate((1.0, 0.2)):
            make_run(tmp_path, name, seed=seed, began=1000.0 + 9 * seed, seconds=seconds, host=f"host-{at}")
    verdict = verdict_of(tmp_path)
    assert warnings_of(verdict) == ["disturbed"]
    said = text_of(verdict, "disturbed")
    assert "other work, and runs were computed in several ways (host host-0 and host-1). Undisturbed" in said


@pytest.mark.parametrize(
    ("differs", "kinds", "words"),
    [
        ({"engine": "loop"}, ["seconds_unlike"], "engine eager and loop"),  # the same bits in other seconds
        ({"threads": 2}, ["numerics"], "threads 1 and 2). "),
        ({"cpu_capability": "AVX2"}, ["numerics"], "cpu_capability AVX512 and AVX2). "),
        ({"float32_matmul_precision": "high"}, ["numerics"], "float32_matmul_precision highest and high). "),
    ],
)
def test_what_differs_is_said_once_of_bits_and_of_seconds(
    differs: dict[str, Any], kinds: list[str], words: str, tmp_path: Path
) -> None:
    one: dict[str, Any] = {"engine": "eager", "threads": 1, "cpu_capability": "AVX512"}
    one["float32_matmul_precision"] = "highest"
    make_run(tmp_path, "adam", numerics=one)
    make_run(tmp_path, "sgd", numerics=one | differs)
    verdict = verdict_of(tmp_path)
    assert warnings_of(verdict) == kinds
    assert words.removesuffix("). ") in text_of(verdict, kinds[0])
    slower = not differs.keys().isdisjoint({"threads", "cpu_capability"})
    assert ("Nor do their seconds compare." in text_of(verdict, kinds[0])) == slower


def test_runs_of_before_say_nothing_of_it(tmp_path: Path) -> None:
    make_run(tmp_path, "adam")
    make_run(tmp_path, "sgd")
    contest = contest_of(tmp_path)
    assert contest.beside == {}
    assert warnings_of(judge(contest)) == []
    assert [s.cost for s in judge(contest).standings] == [None, None]
    assert not cost_table(judge(contest)).rows


# -- what an optimizer costs


def test_what_each_optimizer_costs_is_a_table(tmp_path: Path) -> None:
    for seed, forward in enumerate((1.0, 2.0, 9.0)):
        told = {"state_bytes_per_parameter": 8.0005, "peak_host_mib": 612.4, "peak_device_mib": None}
        parts = {"forward_milliseconds": forward, "backward_milliseconds": 3.0, "optimizer_milliseconds": 0.25}
        make_run(tmp_path, "adam", seed=seed, seconds=0.2, costs=told | parts)
    make_run(tmp_path, "sgd", seconds=0.1, costs={"state_bytes_per_parameter": 0.0, "forward_milliseconds": None})
    verdict = verdict_of(tmp_path)
    table = cost_table(verdict)
    rows = {row.cells["optimizer"].text: {name: cell.text for name, cell in row.cells.items()} for row in table.rows}
    expected = {"state": "8", "host": "612", "step": "12.5", "forward": "2.00", "backward": "3.00", "update": "0.250"}
    assert rows["adam"] == {"optimizer": "adam"} | expected
    assert rows["sgd"] == {"optimizer": "sgd", **dict.fromkeys(expected, "–"), "state": "0", "step": "6.25"}
    relative = {run.folder: run.folder.name for run in contest_of(tmp_path).runs}
    assert "cost" in [table.id for table in tables_of(contest_of(tmp_path), verdict, relative, several=False)]
