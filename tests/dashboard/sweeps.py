"""Small sweeps as runs with W&B leave them: real configs, numbers by hand, and folders with W&B's ids."""

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from optlab.config import compose, resolve
from tests.analysis.made import make_run


@cache
def config_of(*words: str) -> dict[str, Any]:
    """The resolved config of a run with W&B."""
    return resolve(compose([*words, "logger=wandb", "trainer=cpu"]))


def logged_run(sweep: Path, words: tuple[str, ...], lr: float, seed: int, phase: str = "train", **more: Any) -> Path:
    """A run of a sweep, with the folder that W&B keeps in it; its id is made of the run's own."""
    config = deepcopy(config_of(*words))
    config |= {"seed": seed, "phase": phase, "sweep": sweep.name}
    config["optimizer"]["lr"] = lr
    config["trainer"]["max_epochs"] = 4
    folder = make_run(sweep, config["optimizer"]["name"], lr, seed, phase=phase, config=config, **more)
    wandb_run(folder, folder.name[-8:])
    return folder


def wandb_run(folder: Path, id: str, suffix: str = "") -> None:
    """What W&B keeps in a folder of a run with this id, as far as it is looked at."""
    place = folder / "wandb" / f"offline-run-20261121_120000-{id}{suffix}"
    place.mkdir(parents=True)
    (place / f"run-{id}.wandb").touch()


def study(sweep: Path) -> Path:
    """Two optimizers, two learning rates tuned with one seed, two confirmation seeds; one run diverged."""
    for optimizer, best in (("adam", 0.001), ("sgd", 0.1)):
        words = (f"optimizer={optimizer}",)
        level = 0.9 if optimizer == "adam" else 0.85
        logged_run(sweep, words, best, 0, "tune", val=level)
        status = "diverged" if optimizer == "sgd" else "finished"
        logged_run(sweep, words, 10 * best, 0, "tune", val=level - 0.2, status=status)
        for seed in (1, 2):
            final = level + 0.01 * seed
            logged_run(sweep, words, best, seed, "confirm", val=final, test=final - 0.02)
    return sweep
