"""Instruments under captured steps: the replays stay what they are, and what is measured is the step's."""

from pathlib import Path

import pytest

from optlab.rules.instruments import QUANTITIES, read
from tests.callbacks.test_instruments import EVERY, ON, assert_same_run
from tests.conftest import Train
from tests.engine.recorded import Recorded
from tests.engine.test_engines import NOISY, WORDS


@pytest.mark.parametrize("words", [["optimizer=adam"], [*NOISY, "optimizer=momentum"]], ids=["adam", "noisy"])
def test_captured_steps_are_measured_and_stay_as_they_are(
    words: list[str], train: Train, captures: list[Recorded]
) -> None:
    train(*WORDS, *words, "engine=graph", folder="without")
    train(*WORDS, *words, ON, f"{EVERY}20", "engine=eager", folder="eager")
    record = train(*WORDS, *words, ON, f"{EVERY}20", "engine=graph", folder="graph")
    assert record.environment["engine"] == "graph"
    assert len(captures) == 2
    assert captures[1].replays == captures[0].replays
    assert_same_run("without", "graph")
    for mine, theirs in zip(read(Path("graph")), read(Path("eager")), strict=True):
        assert (mine.step, mine.layer) == (theirs.step, theirs.layer)
        for quantity in QUANTITIES:
            wanted = theirs[quantity.name]
            assert mine[quantity.name] == (wanted and pytest.approx(wanted, rel=1e-4, abs=1e-7)), quantity.name
