"""What the tests of the Python API share."""

import pytest


@pytest.fixture(autouse=True)
def nothing_was_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test hands over is an option of this process, which the tests behind it would find among ours."""
    monkeypatch.setattr("optlab.objects._options", {})
