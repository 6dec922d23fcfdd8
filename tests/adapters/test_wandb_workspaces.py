"""What breaks when an upgrade of wandb_workspaces takes away what it never promised, in words."""

import json

import pytest
import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws
from wandb_workspaces.workspaces import internal

from optlab.adapters.wandb_workspaces import content_of, read_back


def made() -> ws.Workspace:
    section = ws.Section(name="one", panels=[wr.LinePlot(x="epoch", y=["val/acc"])])
    return ws.Workspace(entity="e", project="p", name="n", sections=[section])


def test_the_content_is_what_is_sent_else_a_dry_run_prints_another_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[internal.View] = []
    view = {"upsertView": {"view": {"name": "nw-1-v", "id": "1"}}}
    monkeypatch.setattr(internal, "upsert_view2", lambda each: sent.append(each) or view)
    monkeypatch.setattr(ws.Workspace, "url", "")
    workspace = made()
    shown = content_of(workspace)
    workspace.save()
    assert shown["spec"] == json.loads(sent[0].spec.model_dump_json(by_alias=True, exclude_none=True))
    assert (shown["entity"], shown["project"], shown["displayName"]) == ("e", "p", "n")


def test_a_workspace_is_read_back_else_nothing_shows_that_its_json_means_what_was_meant() -> None:
    (section,) = read_back(made()).sections
    (panel,) = section.panels
    assert (section.name, panel.x, panel.y) == ("one", wr.Metric("epoch"), [wr.Metric("val/acc")])
