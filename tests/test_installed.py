"""The wheel in an environment of its own, without the checkout: all is there, and runs from an empty folder."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.commandline import ROOT

PACKED = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "src", "conf")
ONE = {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
QUICK = ["model=mlp", "model.hidden=[16]", "logger=none", "callbacks=quiet", "trainer=cpu", "trainer.max_epochs=1"]

# One process for all that needs none of its own: starting another costs seconds.
SESSION = """
import json, os, sys
from pathlib import Path
import optlab, pytest
from optlab.__main__ import main
from optlab.adapters.hydra import forget
from optlab.config import compose

def typed(*words):
    sys.argv[1:] = words
    try:
        code = main()
    except SystemExit as end:
        code = end.code
    forget()
    return int(code or 0)

presets = [path.stem for path in (Path(optlab.__file__).parent / "conf" / "experiment").glob("*.yaml")]
study = ["-m", "hydra/sweeper=study", "optimizer=sgd,adam", "sweep=small", "batch_size=512", *{quick}]
study += ["hydra.sweeper.trials=2", "hydra.sweeper.tuning_seeds=1", "hydra.sweeper.confirmation_seeds=2"]
study += ["hydra.sweeper.extensions=0"]
said = {{
    "place": optlab.__file__,
    "presets": {{preset: typed(f"experiment={{preset}}", "--cfg", "job") for preset in presets}},
    "study": typed(*study),
    "report": typed("report", "outputs/sweeps/small", "--no-figures", "--out", "report"),
}}
typed("init", "mine")
os.chdir("mine")
said["mine"] = typed("model=mine", "dataset=mine", "hydra.run.dir=run", *{own})
said["pytest"] = int(pytest.main(["-q", "-p", "no:cacheprovider"]))
os.chdir("..")
Path("said.json").write_text(json.dumps(said))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made of the source distribution, which has to hold everything, too; of a copy, as building leaves folders."""
    copy = tmp_path_factory.mktemp("copy")
    for name in PACKED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(ROOT / name, copy)
    building = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(copy / "dist"), str(copy)]
    subprocess.run(building, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    [built] = (copy / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a fresh environment that has the wheel, and of this one only what it depends on."""
    venv = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    pip("--python", str(venv / "bin" / "python"), "install", "--no-deps", "--no-index", "--no-compile", str(wheel))
    [packages] = venv.glob("lib/*/site-packages")
    ours = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "dependencies.pth").write_text("\n".join(ours))  # names folders: their own .pth files are not followed
    return venv / "bin"


def pip(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *words], check=True)


def test_the_wheel_holds_every_file_of_the_packages_and_of_conf(wheel: Path) -> None:
    packed = set(zipfile.ZipFile(wheel).namelist())
    ignored = {"__pycache__", "optlab.egg-info"}
    sources = {path.relative_to(ROOT / "src") for path in (ROOT / "src").rglob("*") if path.is_file()}
    expected = {path.as_posix() for path in sources if not ignored & set(path.parts)}
    expected |= {f"optlab/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "conf").rglob("*.yaml")}
    assert expected <= packed
    assert {name for name in packed - expected if ".dist-info/" not in name} == set()


def test_installed_it_trains_studies_and_reports_from_an_empty_folder(programs: Path, tmp_path: Path) -> None:
    environment = {"PATH": str(programs), "HOME": str(tmp_path / "home"), **ONE}
    session = subprocess.run(
        [programs / "python", "-c", SESSION.format(quick=QUICK, own=QUICK[2:])],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert session.returncode == 0, session.stderr
    said = json.loads(Path("said.json").read_text())
    assert Path(said["place"]).is_relative_to(programs.parent)
    assert said["presets"] == {path.stem: 0 for path in (ROOT / "conf" / "experiment").glob("*.yaml")}, session.stderr
    assert said["study"] == 0, session.stderr
    assert said["report"] == 0, session.stderr
    assert said["mine"] == said["pytest"] == 0, session.stdout
    assert "optlab -m hydra/sweeper=study" in Path("report/report.html").read_text()

    run = subprocess.run(
        [programs / "optlab", *QUICK, "hydra.run.dir=run"], env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "run folder  run" in run.stdout
    record = json.loads(Path("run/run.json").read_text())
    assert record["status"] == "finished"
    assert record["environment"]["git"] is None
