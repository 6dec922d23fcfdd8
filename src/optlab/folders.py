"""The names of run folders: one place for the command line and for `run` called from Python. Light at import."""

import itertools
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from optlab.record import RECORD_FILE, job_name

PARENTS = {
    "train": "runs",
    "test": "evaluations",
    "predict": "predictions",
    "trace": "traces",
    "find_lr": "lr_tests",
}


def candidates(mode: str, optimizer: str) -> Iterator[Path]:
    """outputs/runs/<date>_<time>-<optimizer>, then the same with -2, -3 ... for who finds it taken."""
    name = f"{datetime.now():%Y-%m-%d_%H-%M-%S}-{optimizer.rpartition('.')[2].lower()}"
    parent = Path("outputs", PARENTS.get(mode, "runs"))
    for number in itertools.count(1):
        yield parent / (name if number == 1 else f"{name}-{number}")


def new_folder(optimizer: str) -> Path:
    """A folder for a run that is not taken; it is made when the run begins."""
    return next(folder for folder in candidates("train", optimizer) if not folder.exists())


class Claims:
    """The run folders of one command, claimed by making them, so that no two runs share one.

    conf/train.yaml asks for them with `${run_folder:...}`, which the command line makes `claim`; Hydra and Lightning
    each do so more than once.
    """

    def __init__(self) -> None:
        self.folders: dict[tuple[str, str], Path] = {}

    def claim(self, mode: str, optimizer: str) -> str:
        if (mode, optimizer) not in self.folders:
            for folder in candidates(mode, optimizer):
                try:
                    folder.parent.mkdir(parents=True, exist_ok=True)
                    folder.mkdir()
                except FileExistsError:
                    continue
                self.folders[mode, optimizer] = folder
                break
        return str(self.folders[mode, optimizer])

    def give_up(self) -> None:
        """Remove those in which no run began."""
        for folder in self.folders.values():
            discard(folder)


def job_folder(*, _root_: DictConfig) -> str:
    """A multirun job's folder name, readable and unique."""
    return job_name({str(key): plain_value(_root_, key) for key in _root_ if key != "hydra"})


def plain_value(config: DictConfig, key: Any) -> Any:
    """What `OmegaConf.to_container` makes of one key; copying a config without the others takes four times as long."""
    if OmegaConf.is_missing(config, key):
        return "???"
    value = config[key]
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def discard(folder: Path) -> None:
    """Remove a run folder in which no run began: it holds only what Hydra and the log wrote."""
    if folder.is_dir() and not (folder / RECORD_FILE).exists():
        ours = {".hydra", "train.log"}
        if all(path.name in ours for path in folder.iterdir()):
            shutil.rmtree(folder)
