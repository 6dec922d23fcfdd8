"""`mode=find_lr` with -m, and the finder held against a study."""

import csv
import json
from pathlib import Path

from optlab.config import compose
from optlab.record import RunRecord, run_id
from optlab.teaching.finder.against import main, rows_of
from tests.commandline import command, in_process
from tests.conftest import Train, words_of

SWEEP = Path("outputs/sweeps/first")
WORDS = ("-m", "mode=find_lr", "find_lr.steps=60", "find_lr.low=1e-5", "sweep=first")


def test_several_optimizers_and_seeds_are_one_table_and_figure_and_a_failure_stops_no_other() -> None:
    words = [*WORDS, "seed=0", *words_of("model=linear", "optimizer=adam,sgd,muon"), "retry=false"]
    result = command(*words)
    assert result.code == 1  # muon needs a hidden layer
    assert "1 run failed" in result.out
    with (SWEEP / "find_lr.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["adam", "sgd"]
    assert float(rows[0]["lr"]) < float(rows[1]["lr"])
    assert {"find_lr.png", "find_lr.html"} <= {path.name for path in SWEEP.iterdir()}
    page = (SWEEP / "find_lr.html").read_text()
    assert "adam" in page
    assert "sgd" in page

    done = {path: path.stat().st_mtime_ns for path in SWEEP.glob("*/find_lr.json")}
    assert len(done) == 2
    again = command(*words)
    assert again.code == 1
    assert {path: path.stat().st_mtime_ns for path in SWEEP.glob("*/find_lr.json")} == done
    assert [RunRecord.read(path.parent).status for path in done] == ["finished"] * 2
    other = command(*words, "find_lr.steps=50", "optimizer=adam", "seed=0,1")
    assert other.code == 0, other.err  # other options are other tests
    assert len(list(SWEEP.glob("*/find_lr.json"))) == 4
    assert "seeds 0, 1" in other.out
    with (SWEEP / "find_lr.csv").open() as file:
        [row] = csv.DictReader(file)  # of both seeds
    assert "seed=" not in row["command"]


def test_what_a_sweep_cannot_find_is_one_line() -> None:
    for words, said in (
        (("hydra/sweeper=study", "optimizer=sgd,adam"), "a study tries lrs by training with each"),
        (("mode=train,find_lr",), "a sweep does one of these"),
    ):
        result = command(*WORDS, *words)
        assert result.code == 1
        assert said in result.err
        assert len(result.err.strip().splitlines()) == 1


def test_a_test_has_an_id_of_its_own_and_a_run_keeps_its() -> None:
    config = dict(compose(["optimizer=sgd"]))
    plain = json.loads(json.dumps({key: value for key, value in config.items() if isinstance(value, (str, int))}))
    assert run_id(plain | {"find_lr": {"steps": 60}}) == run_id(plain)
    test = plain | {"mode": "find_lr"}
    assert (
        len({run_id(plain), run_id(test | {"find_lr": {"steps": 60}}), run_id(test | {"find_lr": {"steps": 50}})}) == 3
    )


def test_the_finder_is_held_against_runs_over_lrs(train: Train, tmp_path: Path) -> None:
    for lr in (0.001, 0.01, 1.0):
        train("optimizer=adam", f"optimizer.lr={lr}", folder=f"study/{lr}")
    [row] = rows_of(tmp_path / "study", seeds=1, steps=100)
    assert row.best in (0.001, 0.01)
    assert row.as_good[0] <= row.best <= row.as_good[1]
    assert row.decades is not None
    assert row.is_near == (abs(row.decades) <= 0.5)
    result = in_process(lambda: main(["--against", str(tmp_path / "nothing")]), "scripts/find_lr.py")
    assert result.code == 1
    assert "there is no such folder" in result.err


def test_a_study_from_elsewhere_names_no_class_of_its_own(train: Train, tmp_path: Path) -> None:
    for lr in (0.001, 0.01):
        train("optimizer=adam", f"optimizer.lr={lr}", folder=f"study/{lr}")
        path = tmp_path / "study" / str(lr) / "run.json"
        content = json.loads(path.read_text())
        content["config"]["model"]["_target_"] = "os.system"
        path.write_text(json.dumps(content))
    result = in_process(lambda: main(["--against", str(tmp_path / "study")]), "scripts/find_lr.py")
    assert result.code == 1
    assert "os.system" in result.err
    assert "not imported" in result.err
