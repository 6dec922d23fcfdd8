"""Commands that repeat a run or a sweep: all of it once more, and what is missing of it."""

import pytest

from optlab.rules.commands import going_on, once_more, run_command


@pytest.mark.parametrize("place", ["", " sweep=first", " hydra.sweep.dir=/tmp/x"])
def test_once_more_goes_to_a_new_folder(place: str) -> None:
    assert (
        once_more(f"python train.py -m{place} 'optimizer=a b' seed=0,1")
        == "python train.py -m 'optimizer=a b' seed=0,1"
    )


def test_going_on_names_the_folder() -> None:
    assert going_on("python train.py -m seed=0,1", "2026-11-21_10-00-00").endswith(
        " seed=0,1 sweep=2026-11-21_10-00-00"
    )
    assert going_on("python train.py -m seed=0", "a b").endswith(" 'sweep=a b'")
    for placed in ("python train.py -m sweep=first seed=0", "python train.py -m hydra.sweep.dir=x seed=0"):
        assert going_on(placed, "copy") == placed


def test_repeating_a_run_leaves_out_what_was_about_its_sweep() -> None:
    typed = ["optimizer=adam", "report.live=True", "retry=true", "seed=1"]
    assert run_command(typed) == "python train.py optimizer=adam seed=1"
