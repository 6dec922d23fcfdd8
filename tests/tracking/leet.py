"""W&B without an account: nothing of the user's own settings, and what its own reader finds in an offline run."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(sys.executable).with_name("wandb")


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key and no mode, and a home folder of the test's own."""
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(Path.cwd()))


def leet(folder: Path) -> dict[str, Any]:
    """What W&B's own reader finds in the offline run under a run folder or a sweep folder."""
    (place,) = folder.glob("wandb/offline-run-*")
    done = subprocess.run([PROGRAM, "leet", "inspect", "--summary", "--json", place], capture_output=True, check=True)
    content: dict[str, Any] = json.loads(done.stdout)
    return content
