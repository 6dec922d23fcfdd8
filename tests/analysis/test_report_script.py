"""scripts/report.py as it is typed: without torch, with clear errors, on a sweep that still runs."""

import runpy
import subprocess
import sys
from pathlib import Path

from tests.analysis.made import make_run, make_study, make_sweep
from tests.commandline import Result, in_process

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "report.py"


def typed(*words: str) -> Result:
    """`python scripts/report.py WORDS` in this process."""

    def main() -> None:
        runpy.run_path(str(SCRIPT), run_name="__main__")

    return in_process(main, str(SCRIPT), *words)


def test_it_imports_no_torch_and_no_hydra(tmp_path: Path) -> None:
    make_sweep(tmp_path / "s", {"adam": [0.9, 0.91], "sgd": [0.8, 0.82]}, epochs=2)
    check = (
        "import sys, runpy; sys.argv = ['report.py', 's']\n"
        f"try: runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
        "except SystemExit as end: assert not end.code\n"
        "found = {'torch', 'lightning', 'hydra', 'omegaconf', 'wandb'} & set(sys.modules)\n"
        "assert not found, found"
    )
    done = subprocess.run([sys.executable, "-c", check], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "s" / "figures" / "learning_curves.svg").exists()


def test_help_explains_every_option() -> None:
    done = typed("--help")
    assert done.code == 0
    for option in ("SWEEP", "--out", "--metric", "--target", "--reference"):
        assert option in done.out


def test_a_running_sweep_is_read_as_far_as_it_got(tmp_path: Path) -> None:
    make_study(tmp_path / "s", seeds=2)
    make_run(tmp_path / "s", "adam", 0.001, seed=50, status="running", phase="confirm")
    (make_run(tmp_path / "s", "sgd", seed=51) / "run.json").write_text("{")
    done = typed("s", "--no-figures", "--out", "o")
    assert done.code == 0, done.err
    assert "Provisional" in done.out
    assert "skipped" in done.out
    assert (tmp_path / "o" / "report.html").exists()
    assert not (tmp_path / "s" / "report.html").exists()


def test_bad_input_is_one_line_and_writes_nothing(tmp_path: Path) -> None:
    make_sweep(tmp_path / "s", {"adam": [0.9]})
    for words in (["nowhere"], ["s", "--metric", "val/recall"], ["s", "--reference", "none.csv"]):
        done = typed(*words, "--out", "o")
        assert done.code == 1
        assert done.err.startswith("optlab: ")
        assert done.err.count("\n") == 1
    assert not (tmp_path / "o").exists()


def test_a_report_of_runs_of_no_sweep_is_not_written_among_them(tmp_path: Path) -> None:
    one = make_run(tmp_path / "runs", seed=0)
    make_run(tmp_path / "runs", seed=1)
    (tmp_path / "runs" / "multirun.yaml").unlink()
    for folder, name in ((tmp_path / "runs", "runs"), (one, one.name)):
        before = sorted(folder.iterdir())
        assert typed(str(folder), "--no-figures").code == 0
        assert (tmp_path / "outputs" / "reports" / name / "report.html").exists()
        assert sorted(folder.iterdir()) == before
