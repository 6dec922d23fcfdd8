"""Sweeps of tests that are not about their report do without it: its figures take longer than the runs."""

import pytest


@pytest.fixture
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optlab.sweep.conclude.summarize", lambda *_: (None, None))
    monkeypatch.setattr("optlab.sweep.conclude.into_wandb", lambda *_: 0)
