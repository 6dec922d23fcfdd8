"""The engine in a record is the one that ran in the end."""

import pytest

from tests.conftest import Train
from tests.engine.recorded import Recorded


def test_a_graph_that_is_given_up_is_not_what_the_record_says(
    train: Train, captures: list[Recorded], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert train("trainer.max_epochs=1", folder="replayed").numerics["engine"] == "graph"

    def failing(self: Recorded, step: object) -> None:
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(Recorded, "capture", failing)
    record = train("trainer.max_epochs=1", folder="given_up")
    assert record.numerics["engine"] == record.environment["engine"] != "graph"
