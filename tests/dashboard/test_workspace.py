"""The workspace that is built: as the golden one, as W&B's own library reads it back, and what makes it differ."""

import json
from pathlib import Path
from typing import Any

import pytest
import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws
from wandb_workspaces.reports.v2.interface import UnknownPanel

from optlab.adapters.wandb_workspaces import read_back
from optlab.analysis.show.colors import OPTIMIZERS
from optlab.config.given import configuration
from optlab.dashboard import mirrored, workspace
from optlab.errors import UserError
from optlab.record import RunRecord, write_metrics
from tests.analysis.made import make_sweep
from tests.dashboard.sweeps import logged_run, study, wandb_run
from tests.dashboard.write import GOLDEN, workspace_of
from tests.metrics import read_metrics


def built(sweep: Path) -> ws.Workspace:
    """The workspace, through the JSON that is sent and back: what does not survive that is not asserted on."""
    return read_back(workspace.build(mirrored.read(sweep), "team", "optlab"))


def panels(of: ws.Workspace, section: str) -> list[Any]:
    return [panel for each in of.sections if section in each.name for panel in each.panels]


def test_the_workspace_of_a_study_is_the_golden_one(tmp_path: Path) -> None:
    seen, golden = json.loads(workspace_of(study(tmp_path / "which"))), json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert seen == golden, "where the change is meant: python -m tests.dashboard.write"


def test_the_verdict_stands_there_in_the_reports_words(tmp_path: Path) -> None:
    sweep = study(tmp_path / "s")
    (verdict,) = mirrored.read(sweep).summary.verdicts
    (panel,) = panels(built(sweep), "best")
    said = [verdict.headline, *verdict.sentences, *map(str, verdict.said_once)]
    assert len(said) > 3
    for sentence in said:
        assert sentence.replace("&", "&amp;").replace("<", "&lt;") in panel.markdown
    for standing in verdict.standings:
        assert f"| {standing.name} | {standing.configuration} |" in panel.markdown


def test_every_panel_is_one_that_the_library_knows(tmp_path: Path) -> None:
    kinds = {type(panel) for section in built(study(tmp_path / "s")).sections for panel in section.panels}
    assert UnknownPanel not in kinds
    assert {wr.LinePlot, wr.ScatterPlot, wr.ParallelCoordinatesPlot, wr.ParameterImportancePlot, wr.BarPlot} <= kinds


def test_curves_of_a_study_show_confirmation_runs_alone_grouped_by_configuration(tmp_path: Path) -> None:
    found = panels(built(study(tmp_path / "s")), "learn?")
    assert found[0].y[0].name == "val/acc"
    for panel in found:
        assert panel.x == wr.Metric("confirm/epoch")  # which tuning runs do not log
        assert (panel.groupby, panel.groupby_aggfunc) == (wr.Config("configuration"), "mean")
        assert panel.groupby_rangefunc == "stddev"


def test_curves_of_a_plain_sweep_show_all_runs(tmp_path: Path) -> None:
    for seed in (0, 1):
        logged_run(tmp_path / "s", ("optimizer=adam",), 0.001, seed)
    assert {panel.x.name for panel in panels(built(tmp_path / "s"), "learn?")} == {"epoch"}


def test_only_the_runs_of_the_sweep_are_shown_whatever_its_name(tmp_path: Path) -> None:
    sweep = tmp_path / "it's a=b <c> 猫"
    logged_run(sweep, ("optimizer=adam",), 0.001, 0)
    spec = json.loads(workspace.as_json(workspace.build(mirrored.read(sweep), "e", "p")))["spec"]
    (condition,) = spec["section"]["runSets"][0]["filters"]["filters"]
    assert condition["key"] == {"section": "config", "name": "sweep"}
    assert (condition["op"], condition["value"], condition["disabled"]) == ("IN", [sweep.name], False)


def test_colours_are_the_reports_for_groups_and_for_runs(tmp_path: Path) -> None:
    sweep = study(tmp_path / "s")
    settings = built(sweep).runset_settings
    assert settings.groupby == [ws.Config("configuration")] or settings.groupby[0].name == "configuration"
    for folder in sweep.glob("*-seed*"):
        record = RunRecord.read(folder)
        color = OPTIMIZERS[record.optimizer]
        assert settings.group_colors[configuration(record.config)] == color
        (id,) = mirrored.wandb_ids(folder)
        assert settings.run_settings[id].color == color


def test_axes_are_what_was_swept_and_no_more_and_every_run_has_a_line(tmp_path: Path) -> None:
    for rate in (0.01, 0.1, 1.0):
        logged_run(tmp_path / "s", ("optimizer=momentum", "optimizer.momentum=0.5"), rate, 0)
        logged_run(tmp_path / "s", ("optimizer=momentum", "optimizer.momentum=0.9"), rate, 0)
    logged_run(tmp_path / "s", ("optimizer=adam",), 0.001, 0)  # has no momentum, and would be left out of its axis
    plots = [each for each in panels(built(tmp_path / "s"), "swept") if isinstance(each, wr.ParallelCoordinatesPlot)]
    axes = {plot.title: [(column.metric.name, column.log) for column in plot.columns] for plot in plots}
    last = ("last/val/acc", None)
    assert axes == {
        "what was swept, and validation accuracy": [("optimizer.name", None), ("optimizer.lr", True), last],
        "what was swept of momentum, and validation accuracy": [
            ("optimizer.lr", True),
            ("optimizer.momentum", None),
            last,
        ],
    }


def test_a_loss_is_better_below_everywhere(tmp_path: Path) -> None:
    for rate in (0.001, 0.01):
        folder = logged_run(tmp_path / "s", ("optimizer=adam",), rate, 0)
        record = RunRecord.read(folder)
        record.data["metric"] = "val/loss"
        record.write(folder)
    shown = built(tmp_path / "s")
    plots = [each for each in panels(shown, "swept") if isinstance(each, wr.ParallelCoordinatesPlot)]
    assert plots[0].columns[-1].inverted is True
    assert shown.runset_settings.order[0].ascending is True
    assert panels(shown, "learn?")[0].y[0].name == "val/loss"
    assert panels(shown, "learning rate")[0].y.name == "last/val/loss"


def test_cost_and_instruments_are_shown_where_they_were_recorded(tmp_path: Path) -> None:
    folder = logged_run(tmp_path / "s", ("optimizer=adam",), 0.001, 0)
    assert [panel.metrics[0].name for panel in panels(built(tmp_path / "s"), "cost")] == ["timing/fit_seconds"]
    assert not panels(built(tmp_path / "s"), "instruments")
    rows = [row | {"grad/norm": 1.0, "optimizer/state_bytes": 8} for row in read_metrics(folder / "metrics.csv")]
    write_metrics(folder / "metrics.csv", rows)
    shown = built(tmp_path / "s")
    assert "last/optimizer/state_bytes" in [panel.metrics[0].name for panel in panels(shown, "cost")]
    assert [panel.y[0].name for panel in panels(shown, "instruments")] == ["grad/norm"]


def test_the_table_of_the_report_run_is_shown_where_there_is_one(tmp_path: Path) -> None:
    sweep = study(tmp_path / "s")
    assert not any(isinstance(panel, wr.WeavePanelSummaryTable) for panel in panels(built(sweep), "best"))
    wandb_run(sweep, "report01")
    before = workspace.build(mirrored.read(sweep), "e", "p")
    (table,) = [panel for panel in before.sections[0].panels if isinstance(panel, wr.WeavePanelSummaryTable)]
    assert table.table_name == "verdict"


def test_an_id_is_that_of_the_file_as_a_folder_of_the_same_second_has_another_name(tmp_path: Path) -> None:
    wandb_run(tmp_path, "begun0001")
    wandb_run(tmp_path, "begun0001", "-1")  # W&B's own name for the second part
    (tmp_path / "wandb" / "latest-run").symlink_to("offline-run-20261121_120000-begun0001")
    assert mirrored.wandb_ids(tmp_path) == ["begun0001"]


def test_a_name_with_tags_is_shown_as_it_is(tmp_path: Path) -> None:
    for seed in (0, 1):
        folder = logged_run(tmp_path / "s", ("optimizer=adam",), 0.001, seed)
        record = RunRecord.read(folder)
        record.optimizer = record.config["optimizer"]["name"] = "<b>bold</b>|x"
        record.write(folder)
    (panel,) = panels(built(tmp_path / "s"), "best")
    assert "<b>" not in panel.markdown
    assert "&lt;b>bold&lt;/b>\\|x" in panel.markdown


def test_a_sweep_without_wandb_and_several_projects_are_refused(tmp_path: Path) -> None:
    make_sweep(tmp_path / "plain", {"adam": [0.9]})
    with pytest.raises(UserError, match=r"none of its 1 runs .* logger=wandb"):
        mirrored.read(tmp_path / "plain")
    for seed, project in ((0, "a"), (1, "b")):
        logged_run(tmp_path / "two", ("optimizer=adam", f"logger.wandb.project={project}"), 0.001, seed)
    with pytest.raises(UserError, match=r"several \(a, b\) as W&B's project; type --project NAME"):
        _ = mirrored.read(tmp_path / "two").project
