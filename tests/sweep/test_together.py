"""How much longer a step takes beside those of other workers."""

import threading

import pytest

from optlab.sweep.price import quote, together
from optlab.sweep.price.quote import slowdown
from optlab.sweep.price.workers import Workers


def work_of(alone: float, beside: float) -> type:
    """Work that takes so many seconds, and says so instead of taking them."""

    class Told:
        def once(self) -> float:
            return beside if threading.active_count() > before else alone

        def until(self, over: threading.Event) -> None:
            over.wait()

    before = threading.active_count()
    return Told


@pytest.mark.parametrize(
    ("beside", "n", "expected"),
    [
        (1.2, 2, 1.2),
        (0.9, 2, 1.0),
        (7.0, 2, 2.0),  # another program has the cores just now
        (1.2, 4, 2.4),  # more runs than cores take turns
        (1.2, 1, 1.0),
    ],
)
def test_a_step_beside_others_takes_as_long_as_it_was_tried_out_and_never_longer_than_in_turn(
    beside: float, n: int, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quote, "cores", lambda: 2)
    monkeypatch.setattr(together, "Work", work_of(1.0, beside))
    assert slowdown(Workers("auto", n, 1)) == pytest.approx(expected)


def test_it_is_tried_out_by_real_work_and_not_asked_where_runs_are_elsewhere() -> None:
    assert 1.0 <= together.tried_out(2) <= 2.0
    assert slowdown(Workers("submitit_slurm", 8, 1, here=False)) == 1.0
