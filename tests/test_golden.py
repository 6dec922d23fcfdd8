"""The same seed gives the same losses as before: a change that should not alter results may not.

The curves in tests/golden were written by `python -m tests.golden.write`. Rounding differs between processors and
numbers of threads and grows along a run, so a curve may move by far more than one rounding and by far less than any
change of the algorithm.
"""

from pathlib import Path

import pytest

from tests.golden.write import COMMAND, FILE, curves, main, names, read

GOLDEN = read()
# Largest relative change by epoch; seen between one and two threads and with AVX2 alone: 1e-4 in the first two.
TOLERANCE = (1e-3, 2e-3, 2e-2)
# Where a sign or a line search turns on the last digit: the first epochs say enough.
CHAOTIC = {"muon": (1e-3, 1e-2, 5e-2), "lbfgs": (5e-2,)}


@pytest.mark.parametrize("optimizer", names())
def test_an_optimizer_gives_the_losses_it_always_gave(optimizer: str) -> None:
    assert optimizer in GOLDEN, f"conf/optimizer/{optimizer}.yaml has no golden curve yet; type {COMMAND} {optimizer}"
    found = curves(optimizer)["train/loss"]
    tolerance = CHAOTIC.get(optimizer, TOLERANCE)
    for epoch, allowed in enumerate(tolerance):
        assert found[epoch] == pytest.approx(GOLDEN[optimizer]["train/loss"][epoch], rel=allowed), f"epoch {epoch + 1}"


def test_validation_is_golden_too() -> None:
    assert curves("adam")["val/loss"] == pytest.approx(GOLDEN["adam"]["val/loss"], rel=2e-3)


def test_no_golden_curve_is_left_of_an_optimizer_that_went() -> None:
    gone = sorted(GOLDEN.keys() - set(names()))
    assert not gone, f"{', '.join(gone)}: no such file in conf/optimizer; delete their lines in {FILE.name}"


def test_bfloat16_stays_near_the_golden_curve() -> None:
    found = curves("adam", ["trainer.precision=bf16-mixed"])["train/loss"]
    assert found == pytest.approx(GOLDEN["adam"]["train/loss"], rel=0.05)


def test_a_curve_is_written_alone(tmp_path: Path) -> None:
    lines = FILE.read_text(encoding="utf-8").splitlines(keepends=True)
    file = tmp_path / "digits.json"
    file.write_text("".join(line for line in lines if not line.startswith('  "adam":')), encoding="utf-8")
    main(["adam"], file)
    written = file.read_text(encoding="utf-8").splitlines(keepends=True)
    assert [line for line in written if '"adam"' not in line] == [line for line in lines if '"adam"' not in line]
    assert [line[:9] for line in written] == [line[:9] for line in lines]
    assert read(file)["adam"]["train/loss"] == pytest.approx(GOLDEN["adam"]["train/loss"], rel=2e-2)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name the optimizers whose curves to write, or type --all"),
        (["sgd", "--all"], "name the optimizers whose curves to write, or type --all"),
        (["sdg"], "conf/optimizer/sdg.yaml: there is no such file; known: adadelta,"),
    ],
)
def test_what_is_not_understood_writes_nothing(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(words, tmp_path / "digits.json")
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
