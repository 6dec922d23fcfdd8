"""Tables as text, runs.csv, summary.json, and the table in the terminal."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from optlab.analysis import build, print_table
from optlab.analysis.judge.contest import Contest
from optlab.analysis.read.runs import Run
from optlab.analysis.show.tables import tried
from optlab.analysis.show.tables.table import Column, Row, Table, cells
from optlab.analysis.show.tables.tried import Tried
from optlab.analysis.show.tables.write import as_csv, latex, markdown
from optlab.errors import UserError
from optlab.rules.messages import Message
from tests.analysis.made import make_run, make_study, make_sweep

COLUMNS = [
    Column[float]("name", "name", lambda x: "a|b", left=True),
    Column[float]("acc", "acc %", lambda x: x, lambda x: f"{x:g} ± 2"),
    Column[float]("raw", None, lambda x: None),
]
TABLE = Table("t", "A_b", COLUMNS, [Row(cells(COLUMNS, 1.0), strong=True)], "x < 1")


def printed(folder: Path, *, problems: bool = False) -> str:
    console = Console(file=io.StringIO(), width=80, highlight=False)
    print_table(build([folder], figures=False), console, problems=problems)
    text = console.file
    assert isinstance(text, io.StringIO)
    return text.getvalue()


def row_with(text: str, *words: str) -> str:
    return next(line for line in text.splitlines() if all(word in line for word in words))


def test_markdown_escapes_its_bars() -> None:
    assert markdown([TABLE]) == "## A_b\n\n| name | acc % |\n| :-- | --: |\n| a\\|b | 1 ± 2 |\n\nx < 1\n"


def test_latex_escapes_and_marks_strong_rows() -> None:
    text = latex([TABLE])
    assert r"\begin{tabular}{lr}" in text
    assert r"name & acc \% \\" in text
    assert r"\textbf{a\textbar{}b} & \textbf{1 $\pm$ 2} \\" in text
    assert r"\caption{A\_b. x $<$ 1}" in text


def test_csv_holds_the_values_and_what_is_shown_nowhere_else() -> None:
    assert as_csv(TABLE) == "name,acc,raw\na|b,1.0,\n"


def test_a_value_that_is_missing_is_a_dash_and_sorts_last() -> None:
    cell = Column[None]("gain", "gain", lambda _: None).cell(None)
    assert (cell.text, cell.sort) == ("–", None)
    assert Column[int]("n", "n", lambda n: n).cell(1437).text == "1,437"


def test_a_new_column_is_one_entry_and_stands_in_every_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of_configurations, of_runs = tried.configuration_columns, tried.run_columns

    def with_spread(contest: Contest) -> list[Column[Tried]]:
        return [*of_configurations(contest), Column("spread", "widest gap", lambda t: t.tuned.n / 16, brief="gap")]

    def with_pace(*given: Any) -> list[Column[Run]]:
        return [*of_runs(*given), Column("pace", "steps a second", lambda run: run.record.steps / 256)]

    monkeypatch.setattr(tried, "configuration_columns", with_spread)
    monkeypatch.setattr(tried, "run_columns", with_pace)
    make_sweep(tmp_path, {"adam": [0.9, 0.91, 0.92], "sgd": [0.8, 0.82, 0.81]})  # 3 / 16 and 64 / 256 in each row
    terminal = printed(tmp_path)
    assert "gap" in row_with(terminal, "optimizer", "n")
    assert row_with(terminal, "adam", "★").split()[-1] == "0.1875"
    page = (tmp_path / "report.html").read_text()
    assert page.count(">widest gap</button>") == page.count(">steps a second</button>") == 1
    assert (page.count(">0.1875</td>"), page.count(">0.25</td>")) == (2, 6)
    lines = (tmp_path / "tables.md").read_text().splitlines()
    assert sum(line.endswith("| widest gap |") for line in lines) == 1
    assert sum(line.endswith("| 0.1875 |") for line in lines) == 2
    assert r"& widest gap \\" in (tmp_path / "tables.tex").read_text()
    assert {row["pace"] for row in csv.DictReader((tmp_path / "runs.csv").read_text().splitlines())} == {"0.25"}


def test_one_row_a_configuration_with_the_best_marked(tmp_path: Path) -> None:
    for seed, final in enumerate((0.90, 0.92, 0.94)):
        make_run(tmp_path, "adam", 0.001, seed, val=final)
        make_run(tmp_path, "adam", 0.01, seed, val=final - 0.1, status="diverged" if seed == 2 else "finished")
    make_run(tmp_path, "sgd", 0.1, status="failed")
    text = printed(tmp_path, problems=True)
    best = row_with(text, "adam", "0.001")
    assert "92.00 ± 2.00" in best
    assert "★" in best
    wild = row_with(text, "adam", "0.01 ")
    assert "★" not in wild
    assert wild.split()[-2:] == ["3", "1"]  # n, diverged
    assert row_with(text, "sgd", "0.1").split()[-1] == "1"  # failed
    assert "failed   sgd-lr0.1-seed0" in text
    assert "RuntimeError: out of memory" in text
    assert "7 runs: 5 finished, 1 diverged, 1 failed" in text
    assert "report  report.html" in text


def test_the_terminal_shows_tuning_and_confirmation_apart(tmp_path: Path) -> None:
    text = printed(make_study(tmp_path))
    assert all(len(line) <= 80 for line in text.splitlines() if "report.html" not in line)
    heading = row_with(text, "optimizer", "n")
    assert "val/acc %" in heading
    assert "test/acc %" in heading
    chosen = row_with(text, "adam", "0.001", "★").split()
    assert (chosen[6], chosen[-1]) == ("2", "5")  # seeds of tuning and of confirmation


def test_runs_csv_has_a_row_a_run_and_links_that_work(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"adam": [0.9, 0.91]})
    make_run(tmp_path, "sgd", status="diverged")
    build([tmp_path], figures=False)
    rows = list(csv.DictReader((tmp_path / "runs.csv").read_text().splitlines()))
    assert len(rows) == 3
    assert {row["status"] for row in rows} == {"finished", "diverged"}
    assert all((tmp_path / row["folder"] / "run.json").exists() for row in rows)
    assert float(rows[0]["val/acc"]) == 0.9
    assert next(row for row in rows if row["optimizer"] == "sgd")["diverged_epoch"] == "2"


def test_summary_json_says_what_the_report_says(tmp_path: Path) -> None:
    summary = build([make_study(tmp_path / "which")], tmp_path / "out", figures=False)
    content = json.loads((tmp_path / "out" / "summary.json").read_text())
    (verdict,) = content["verdicts"]
    assert verdict["headline"] == summary.verdicts[0].headline
    assert [Message.read(warning) for warning in verdict["warnings"]] == summary.verdicts[0].warnings
    adam = next(s for s in verdict["standings"] if s["name"] == "adam")
    assert adam["final"]["n"] == 5
    assert all((tmp_path / "out" / folder / "run.json").exists() for folder in adam["folders"])
    assert content["counts"]["diverged"] == 1
    assert content["sweeps"] == ["../which"]


def test_everything_is_written_beside_the_runs_and_again_the_same(tmp_path: Path) -> None:
    make_study(tmp_path)
    build([tmp_path])
    names = ["runs.csv", "summary.json", "report.html", "tables.md", "tables.tex"]
    before = {name: (tmp_path / name).read_bytes() for name in names if name != "report.html"}
    picture = (tmp_path / "figures" / "learning_curves.png").read_bytes()
    summary = build([tmp_path])  # reads its own sweep folder again, with all these files in it
    assert len(summary.runs.runs) == 4 * (3 * 2 + 5)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert (tmp_path / "figures" / "learning_curves.png").read_bytes() == picture
    assert not list(tmp_path.glob(".*.tmp"))


def test_a_summary_of_another_program_is_not_overwritten(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"adam": [0.9]})
    (tmp_path / "summary.json").write_text('{"accuracy": 1}')
    with pytest.raises(UserError, match=r"summary\.json: not written by optlab"):
        build([tmp_path])
    assert (tmp_path / "summary.json").read_text() == '{"accuracy": 1}'
    assert not (tmp_path / "runs.csv").exists()


def test_nothing_is_written_when_the_input_is_of_no_use(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"adam": [0.9]})
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(UserError):
        build([tmp_path], metric="val/recall")
    with pytest.raises(UserError):
        build([tmp_path], reference=tmp_path / "none.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_several_sweeps_are_compared_together_in_a_folder_of_their_own(tmp_path: Path) -> None:
    make_sweep(tmp_path / "first", {"adam": [0.9, 0.91, 0.92]})
    make_sweep(tmp_path / "second", {"sgd": [0.8, 0.82, 0.81]})
    summary = build([tmp_path / "first", tmp_path / "second"], figures=False)
    assert summary.folder == Path("outputs/reports/first+second")
    assert [s.name for s in summary.verdicts[0].standings] == ["adam", "sgd"]
    assert not (tmp_path / "first" / "report.html").exists()


def test_a_mean_of_two_with_a_diverged_seed_has_no_spread(tmp_path: Path) -> None:
    make_run(tmp_path, "adam", seed=0, val=0.9)
    make_run(tmp_path, "adam", seed=1, status="diverged")
    text = printed(tmp_path)
    assert "50.00" in row_with(text, "adam", "★")
    assert "±" not in text
    make_run(tmp_path, "adam", seed=2, val=0.9)
    assert "63.33 ± 46.19" in printed(tmp_path)
