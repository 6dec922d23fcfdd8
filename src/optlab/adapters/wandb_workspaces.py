"""What wandb_workspaces does not promise: how to look at a workspace that is not saved.

`tests/adapters/test_wandb_workspaces.py` says what breaks without it.
"""

from typing import Any

import wandb_workspaces.workspaces as ws


def content_of(workspace: ws.Workspace) -> dict[str, Any]:
    """The JSON of a workspace as `save` sends it: `entity`, `project`, `displayName`, and the `spec` of the view."""
    view = workspace._to_model()
    included = {"entity", "project", "display_name", "spec"}
    content: dict[str, Any] = view.model_dump(by_alias=True, exclude_none=True, mode="json", include=included)
    return content


def read_back(workspace: ws.Workspace) -> ws.Workspace:
    """The workspace as the library reads it back from its JSON: a panel of no kind that it knows is left as one."""
    read: ws.Workspace = ws.Workspace._from_model(workspace._to_model())
    return read
