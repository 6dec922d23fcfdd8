"""What the Tab key offers: the user's options, values behind a comma, run folders."""

from pathlib import Path

import pytest

from tests.commandline import command


def offered(line: str, monkeypatch: pytest.MonkeyPatch, shell: str = "bash") -> list[str]:
    monkeypatch.setenv("COMP_LINE", line)
    result = command("-sc", f"query={shell}")
    assert result.code == 0, result.err
    assert result.err == ""
    return result.out.split()


@pytest.fixture(autouse=True)
def own_options_and_runs() -> None:
    for folder in ("conf/model", "there/model", "outputs/runs/a/checkpoints", "outputs/sweeps/s/b/checkpoints"):
        Path(folder).mkdir(parents=True)
    Path("conf/model/mine.yaml").write_text("name: mine\n_target_: mynet.Net\n")
    Path("there/model/minor.yaml").write_text("name: minor\n_target_: mynet.Net\n")
    Path("outputs/runs/empty").mkdir()
    Path("outputs/sweeps/s/multirun.yaml").touch()
    Path("outputs/runs/a/run.json").touch()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("python train.py model=mi", ["model=mine"]),
        ("optlab --config-dir there model=mi", ["model=mine", "model=minor"]),
        ("optlab --config-dir nowhere model=mi", ["model=mine"]),
        ("optlab -m model=cnn,mi", ["model=cnn,mine"]),
        (
            "optlab -m optimizer=adam,ada",
            [f"optimizer=adam,{name}" for name in ("adadelta", "adagrad", "adamax", "adamw")],
        ),
        ("optlab ckpt=", ["ckpt=outputs/runs/a", "ckpt=outputs/sweeps/s/b"]),
        ("optlab mode=test ckpt=outputs/s", ["ckpt=outputs/sweeps/s/b"]),
        ("optlab report ", ["outputs/runs/a", "outputs/sweeps/s"]),
        ("optlab report outputs/sw", ["outputs/sweeps/s"]),
    ],
)
def test_a_line_is_completed(line: str, expected: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert offered(line, monkeypatch) == expected


def test_a_line_that_cannot_be_read_yet_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert offered("optlab 'model=c", monkeypatch) == []
