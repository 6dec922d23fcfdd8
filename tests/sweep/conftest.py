"""Sweeps of tests that are not about their report do without it: its figures take longer than the runs."""

import pytest

from tests import forked


@pytest.fixture
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optlab.sweep.conclude.summarize", lambda *_: (None, None))
    monkeypatch.setattr("optlab.sweep.conclude.into_wandb", lambda *_: 0)


@pytest.fixture
def shared_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers of `hydra/launcher=auto` come from the process that all tests share: its imports take seconds."""
    monkeypatch.setattr("optlab.sweep.launchers.server.ForkServer", lambda *_: forked.shared())
