"""Plain multirun: what it refuses before anything runs."""

from pathlib import Path

from tests.commandline import command
from tests.conftest import words_of


def test_the_folder_of_a_study_takes_no_other_runs() -> None:
    folder = Path("outputs/sweeps/which")
    folder.mkdir(parents=True)
    for name in ("protocol.yaml", "multirun.yaml"):
        (folder / name).write_text(f"# {name} of a study\nhydra: {{}}\n")
    result = command("-m", *words_of("seed=0,1"), "sweep=which")
    assert result.code == 1
    assert "holds a study" in result.err
    assert "sweep=NAME" in result.err
    assert {path.name for path in folder.iterdir() if path.suffix == ".yaml"} == {"protocol.yaml", "multirun.yaml"}
    assert (folder / "multirun.yaml").read_text().startswith("# multirun.yaml of a study")
    assert not list(folder.glob("*/run.json"))
