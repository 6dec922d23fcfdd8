"""The command line around `run`: what is typed is prepared for Hydra, and what goes wrong becomes one clear line.

Light at import: `--help`, `--cfg job` and completion must not wait for torch.
"""

import logging
import os
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from optlab import process
from optlab.config import overrides as typed
from optlab.errors import Interrupted, UserError

log = logging.getLogger(__name__)

FULL_ERROR = "HYDRA_FULL_ERROR"
FOLDERS = {"train": "runs", "test": "evaluations", "predict": "predictions"}

_users_full_error = os.environ.get(FULL_ERROR)
_interrupts: list[int] = []  # signals that arrived before training began
_claimed: dict[tuple[str, str], Path] = {}  # this process' run folders, which Hydra asks for more than once


def start(main: Callable[[], Any]) -> None:
    """Run the Hydra main function; exit with 1 and one line on stderr when the input cannot be used."""
    _interrupts.clear()
    process.compose_quickly()
    process.spin_briefly()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, note_interrupt)
    wants_traceback = os.environ.get(FULL_ERROR) == "1" or typed.wants_traceback(sys.argv[1:])
    try:
        sys.argv[1:] = typed.prepare(sys.argv[1:])
        with hydra_raises():
            main()
    except (Interrupted, KeyboardInterrupt):
        leave_interrupted()
    except Exception as error:
        discard_claimed()
        if _interrupts:
            leave_interrupted()
        if wants_traceback:
            raise
        complain(error)


def note_interrupt(signum: int, frame: FrameType | None) -> NoReturn:
    """Ctrl-C before training: an import that it breaks may turn the exception into another one."""
    _interrupts.append(signum)
    raise KeyboardInterrupt


def leave_interrupted() -> NoReturn:
    discard_claimed()
    print("optlab: interrupted before training began; nothing was written", file=sys.stderr)
    sys.exit(130)


def discard_claimed() -> None:
    for folder in _claimed.values():
        discard(folder)


def complain(error: Exception) -> NoReturn:
    """Print one line (and where to find more) and exit with 1."""
    print(
        "\n".join([f"optlab: {typed.explain(error, sys.argv[1:])}", *getattr(error, "__notes__", [])]), file=sys.stderr
    )
    sys.exit(1)


def task(cfg: DictConfig) -> float | None:
    """One job of Hydra's: do what `mode` says in the folder that Hydra made; returns the objective."""
    process.keep_large_blocks()
    with process.importing():
        process.leave_out_triton()
        import optlab.run  # noqa: F401
    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    first_process = int(os.environ.get("LOCAL_RANK", 0)) == 0
    if not first_process:
        logging.getLogger("optlab").setLevel(logging.WARNING)
    with hydra_formats() as full_error:
        try:
            if hydra.mode == RunMode.MULTIRUN:
                from optlab.sweep.work import run_job

                return run_job(cfg, folder, [str(word) for word in hydra.overrides.task], _sources)
            check_is_no_study(hydra.runtime.choices)
            if cfg.mode not in MODES:
                raise UserError(f"mode={cfg.mode}: must be one of {', '.join(MODES)}")
            return MODES[cfg.mode](cfg, folder, [str(word) for word in hydra.overrides.task])
        except Exception as error:
            if _interrupts:
                raise KeyboardInterrupt from error
            if isinstance(error, UserError):
                if first_process:
                    discard(folder)
            else:
                log_file = folder / f"{hydra.job.name}.log"
                with log_file.open("a", encoding="utf-8") as file:
                    traceback.print_exception(error, file=file)
                error.add_note(f"the traceback stands in {log_file}; debug=true prints it here")
            if hydra.mode == RunMode.RUN and not (full_error or cfg.traceback):
                complain(error)  # here, where Hydra adds no line of its own
            raise


def check_is_no_study(choices: Mapping[str, Any]) -> None:
    """Raise UserError for a study that is started as a single run."""
    if (sweeper := choices.get("hydra/sweeper")) not in (None, "grid", "basic"):
        preset = choices.get("experiment")
        what = f"experiment={preset}" if preset else f"hydra/sweeper={sweeper}"
        raise UserError(f"{what}: a study is many runs, so type -m: python train.py -m {what} ...")


def train(cfg: DictConfig, folder: Path, overrides: list[str]) -> float | None:
    from optlab.console import print_result, shortest
    from optlab.rules.metrics import objective
    from optlab.run import run

    first_process = int(os.environ.get("LOCAL_RANK", 0)) == 0
    continues_here = str(cfg.ckpt or "").startswith(str(shortest(folder)))
    if first_process and (folder / "run.json").exists() and not continues_here:
        raise UserError(f"{shortest(folder)} holds a run already; choose another folder with hydra.run.dir=FOLDER")
    record = run(cfg, folder, overrides=overrides, sources=_sources)
    if first_process:
        if record.status == "interrupted":
            checkpoint = folder / "checkpoints" / "last.ckpt"
            how = (
                f"continue with: python train.py ckpt={shortest(checkpoint)}"
                if checkpoint.exists()
                else "nothing was saved"
            )
            print(f"interrupted after {record.epochs} epochs; {how}")
        else:
            print_result(record, folder)
    if record.status == "interrupted":
        sys.exit(130)
    return objective(record)


def test(cfg: DictConfig, folder: Path, overrides: list[str]) -> float | None:
    from optlab.evaluate import evaluate

    return evaluate(cfg, folder)


def predict(cfg: DictConfig, folder: Path, overrides: list[str]) -> None:
    from optlab.evaluate import predict as predict_images

    predict_images(cfg, folder)


MODES: dict[str, Callable[[DictConfig, Path, list[str]], float | None]] = {
    "train": train,
    "test": test,
    "predict": predict,
}
_sources: dict[str, Any] = {}  # the data set that the jobs of a multirun share


# -- folders


def run_folder(mode: str, optimizer: str) -> str:
    """A new folder outputs/runs/<date>_<time>-<optimizer>, claimed by making it, so that no two runs share one."""
    key = (mode, optimizer)
    if key not in _claimed:
        name = f"{datetime.now():%Y-%m-%d_%H-%M-%S}-{optimizer.rpartition('.')[2].lower()}"
        parent = Path("outputs", FOLDERS.get(mode, "runs"))
        parent.mkdir(parents=True, exist_ok=True)
        number = 1
        while True:
            folder = parent / (name if number == 1 else f"{name}-{number}")
            try:
                folder.mkdir()
                break
            except FileExistsError:
                number += 1
        _claimed[key] = folder
    return str(_claimed[key])


def job_folder(*, _root_: DictConfig) -> str:
    """A multirun job's folder name, readable and unique."""
    from optlab.record import job_name

    kept = [str(key) for key in _root_ if key != "hydra"]
    config = OmegaConf.to_container(OmegaConf.masked_copy(_root_, kept), resolve=True)
    assert isinstance(config, dict)
    return job_name({str(key): value for key, value in config.items()})


def discard(folder: Path) -> None:
    """Remove a run folder in which no run began: it holds only what Hydra and the log wrote."""
    if folder.is_dir() and not (folder / "run.json").exists():
        ours = {".hydra", "train.log"}
        if all(path.name in ours for path in folder.iterdir()):
            shutil.rmtree(folder)


OmegaConf.register_new_resolver("run_folder", run_folder, replace=True)
OmegaConf.register_new_resolver("job_folder", job_folder, replace=True)


# -- Hydra prints errors its own way unless it is asked for the full error; then it raises, and `start` prints


@contextmanager
def hydra_raises() -> Iterator[None]:
    before = os.environ.get(FULL_ERROR)
    os.environ[FULL_ERROR] = "1"
    try:
        yield
    finally:
        set_or_remove(FULL_ERROR, before)


@contextmanager
def hydra_formats() -> Iterator[bool]:
    """Within a job the variable is as the user left it, as jobs start processes that inherit it; yields whether set."""
    during = os.environ.get(FULL_ERROR)
    set_or_remove(FULL_ERROR, _users_full_error)
    try:
        yield _users_full_error == "1"
    finally:
        set_or_remove(FULL_ERROR, during)


def set_or_remove(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
