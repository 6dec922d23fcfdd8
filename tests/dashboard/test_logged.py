"""What the workspace asks for is what real runs log to W&B, read back with its own tool."""

from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import wandb_workspaces.reports.v2 as wr

from optlab.dashboard import mirrored, workspace
from tests.conftest import Train
from tests.tracking.test_wandb import leet


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(Path.cwd()))


def asked_for(panel: Any) -> list[Any]:
    """The metrics and config keys of a panel; a name by itself is of the history, or of the summary in a bar chart."""
    if isinstance(panel, wr.ParallelCoordinatesPlot):
        return [column.metric for column in panel.columns]
    if isinstance(panel, wr.ParameterImportancePlot):
        return [wr.SummaryMetric(panel.with_respect_to)]
    if isinstance(panel, wr.BarPlot):
        return [*(wr.SummaryMetric(str(each)) for each in panel.metrics), panel.groupby]
    named = ("x", "groupby") if isinstance(panel, wr.LinePlot) else ("x", "y")
    return [getattr(panel, each, None) for each in named] + (panel.y if isinstance(panel, wr.LinePlot) else [])


def test_every_name_in_the_workspace_was_logged_and_tuning_runs_are_in_no_curve(train: Train) -> None:
    common = ("logger=wandb", "sweep=s", "trainer.max_epochs=2")
    train(*common, "phase=tune", folder="s/tune")
    train(*common, "phase=confirm", "seed=1", folder="s/confirm")
    tuned, confirmed = leet(Path("s/tune")), leet(Path("s/confirm"))
    assert "confirm/epoch" not in tuned["summary"]
    assert confirmed["summary"]["confirm/epoch"]["last"] == 2
    assert (confirmed["summary"]["count"], confirmed["summary"]["diverged"]) == (1, 0)
    built = workspace.build(mirrored.read(Path("s")), "e", "p")
    seen = 0
    for panel in (panel for section in built.sections for panel in section.panels):
        for name in asked_for(panel):
            if isinstance(name, wr.Config):
                assert reduce(lambda node, key: node[key], name.name.split("."), confirmed["config"]) is not None
            elif name is not None:
                known = name.name if isinstance(name, wr.SummaryMetric | wr.Metric) else name
                assert known in confirmed["summary"], known
                assert isinstance(name, wr.SummaryMetric) is not isinstance(confirmed["summary"][known], dict), known
            seen += 1
    assert seen > 15
    assert set(built.runset_settings.group_colors) == {confirmed["config"]["configuration"]}
    assert set(built.runset_settings.run_settings) == {tuned["run_id"], confirmed["run_id"]}
