"""`optlab` as it is typed: the training of train.py, the commands beside it, and what they say to type."""

import sys
from pathlib import Path

import pytest

from optlab.__main__ import main
from optlab.commands import completing
from optlab.rules import commands
from optlab.rules.commands import as_typed, install, program, run_command, tool
from tests.analysis.made import make_sweep
from tests.commandline import Result, in_process


def optlab(*words: str) -> Result:
    """`optlab WORDS` without a new process."""
    return in_process(main, "/somewhere/bin/optlab", *words)


def test_it_trains_and_says_what_to_type_in_its_own_words(tmp_path: Path) -> None:
    result = optlab("logger=none", "trainer=cpu", "model=linear", "trainer.max_epochs=1", "hydra.run.dir=run")
    assert result.code == 0
    assert (tmp_path / "run" / "run.json").exists()
    assert "(optlab -m ...)" in optlab("seed=1,2").err


def test_help_speaks_of_the_command_in_even_columns() -> None:
    shown = optlab("--help").out
    assert "Usage: optlab [group=option ...]" in shown
    assert "optimizer: adadelta, " in shown
    assert "python" not in shown
    examples = [line for line in shown.splitlines() if line.startswith("  optlab ")]
    assert {line.split()[1] for line in examples} >= {"report", "dashboard", "conformance", "init", "-m"}
    assert len({line.index(line.split("   ")[-1].strip()) for line in examples}) == 1


def test_its_version_is_that_of_the_package() -> None:
    assert optlab("--version").out.startswith("optlab 0.")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["reprot", "x"], "reprot: there is no such command; did you mean report?"),
        (["adam"], "adam: not an override; did you mean optimizer=adam?"),
        (["trace"], "trace: not an override; did you mean mode=trace?"),
        (["mode=trace", "trace.at=[0,", "100]"], "trace.at=[0, 100]: the shell takes it apart at its spaces; type 't"),
        (["mode=trace", "trace.at=0,100"], "trace.at=0,100: a list stands in brackets; type 'trace.at=[0,100]'"),
        (["mode=trace", "optimizer=sgd,adam"], "optimizer=sgd,adam: a trace follows one; type 'trace.compare=[sgd"),
        (["help"], "help: not an override; type group=option or key=value, as in optimizer=adam (optlab --help lists"),
        (["report", "nowhere"], "nowhere: there is no such folder"),
    ],
)
def test_a_mistake_is_one_line(typed: list[str], said: str) -> None:
    result = optlab(*typed)
    assert result.code == 1
    assert result.out == ""
    assert result.err.startswith(f"optlab: {said}")
    assert result.err.count("\n") == 1


def test_settings_of_another_mode_are_named() -> None:
    assert "lang=zh is not used: it is for mode=trace" in optlab("lang=zh", "batch_size=0").err
    assert "not used" not in optlab("mode=trace", "lang=zh", "batch_size=0").err
    assert optlab("mode=trace", "steps=5").err.endswith("did you mean trace.steps?\n")


def test_a_report_tells_commands_as_they_were_typed(tmp_path: Path) -> None:
    make_sweep(tmp_path / "s", {"adam": [0.9, 0.91]}, epochs=2)
    assert optlab("report", "s", "--no-figures").code == 0
    page = Path("s/report.html").read_text()
    assert "optlab -m optimizer=adam" in page
    assert "train.py" not in page


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_word_that_completes_is_optlab(shell: str) -> None:
    script = optlab("-sc", f"install={shell}").out
    assert "complete -c optlab" in script if shell == "fish" else script.endswith(" hydra_bash_completion optlab\n")


def test_init_says_what_it_wrote_and_what_to_type() -> None:
    result = optlab("init", "new/mine")
    assert result.code == 0
    written = [line.split()[1] for line in result.out.splitlines() if line.startswith("wrote ")]
    assert sorted(written) == sorted(str(path) for path in Path("new").rglob("*") if path.is_file())
    assert "new/mine/conf/model/mine.yaml" in written
    assert result.out.endswith("train  cd new/mine && optlab model=mine dataset=mine\n")
    assert len(Path("new/mine/README.md").read_text().splitlines()) == 10


@pytest.mark.parametrize("taken", ["test_mine.py", "conf"])
def test_init_writes_nothing_where_it_would_overwrite(taken: str) -> None:
    """`conf` is a file here: it stands in the way only when two others are written."""
    Path("mine").mkdir()
    Path("mine", taken).write_text("theirs")
    result = optlab("init", "mine")
    assert result.code == 1
    assert result.err.startswith("optlab: mine")
    assert result.err.count("\n") == 1
    assert result.out == ""
    assert {path.name: path.read_text() for path in Path("mine").iterdir()} == {taken: "theirs"}


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("optlab ", (["report", "dashboard", "conformance", "surfaces", "init"], True)),
        ("optlab re", (["report"], True)),
        ("optlab optimizer=ad", ([], True)),
        ("optlab report outputs/", ([], False)),
        ("optlab seed=1 re", ([], True)),
    ],
)
def test_the_first_word_completes_to_a_command(line: str, offered: tuple[list[str], bool]) -> None:
    assert completing(line) == offered


def test_commands_complete_beside_overrides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMP_LINE", "optlab ")
    assert {"report", "init", "optimizer="} <= set(optlab("-sc", "query=bash").out.split())


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("optlab report ", ["outputs/runs/a", "outputs/sweeps/s"]),
        ("optlab report outputs/sw", ["outputs/sweeps/s"]),
        ("optlab report --", []),
        ("optlab dashboard ", ["outputs/sweeps/s"]),
        ("optlab conformance ", []),
    ],
)
def test_behind_a_command_its_folders_complete(line: str, offered: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for file in ("outputs/runs/a/run.json", "outputs/sweeps/s/multirun.yaml"):
        Path(file).parent.mkdir(parents=True)
        Path(file).touch()
    monkeypatch.setenv("COMP_LINE", line)
    assert optlab("-sc", "query=bash").out.split() == offered


# -- the words


@pytest.mark.parametrize(
    ("script", "checkout", "word", "report"),
    [
        ("train.py", True, "python train.py", "python scripts/report.py"),
        ("/usr/lib/python3/site-packages/ipykernel_launcher.py", True, "python train.py", "python scripts/report.py"),
        ("/usr/lib/python3/site-packages/ipykernel_launcher.py", False, "optlab", "optlab report"),
        ("/home/me/.venv/bin/optlab", True, "optlab", "optlab report"),
        ("C:/me/Scripts/optlab.exe", False, "optlab", "optlab report"),
        ("/home/me/optlab/__main__.py", True, "python -m optlab", "python -m optlab report"),
        ("", False, "optlab", "optlab report"),
    ],
)
def test_a_person_is_told_what_they_typed(
    script: str, checkout: bool, word: str, report: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [script])
    monkeypatch.setattr(commands, "CHECKOUT", checkout)
    assert program() == word
    assert tool("report") == report
    assert run_command(["a=b c"]) == f"{word} 'a=b c'"
    assert install("tpe") == ("pip install -e '.[tpe]'" if checkout else "pip install 'optlab[tpe]'")


def test_a_second_column_stays_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["optlab"])
    before = "python train.py a=b      one thing\npython scripts/report.py x   another; python train.py c"
    assert as_typed(before) == "optlab a=b               one thing\noptlab report x              another; optlab c"
