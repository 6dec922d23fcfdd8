"""Weights & Biases: online where there is a key and a host that answers, offline otherwise; never asks."""

import logging
import netrc
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from lightning.pytorch.loggers import Logger, WandbLogger

from optlab.adapters import process
from optlab.config.given import configuration
from optlab.config.schema import Wandb
from optlab.record import RunRecord, finite, shortest
from optlab.rules.tracked import CONFIRM_EPOCH, COUNT, DIVERGED, LAST, TIMING
from optlab.tracking.guard import Guard, answers, one_line

log = logging.getLogger(__name__)

Mode = Literal["auto", "online", "offline"]
INIT_SECONDS = 20.0
FINISH_SECONDS = 60.0


class MirrorToWandb(WandbLogger):
    """Lightning's logger around a W&B run that is already open; what W&B raises is said once and then ignored."""

    def __init__(self, run: Any, folder: Path) -> None:
        super().__init__(experiment=run, save_dir=str(folder))
        self.run = run
        self.guard = Guard("W&B")

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        if "epoch" in metrics and self.run.job_type == "confirm":
            metrics = {**metrics, CONFIRM_EPOCH: metrics["epoch"]}
        self.guard(lambda: super(MirrorToWandb, self).log_metrics(metrics, step))

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: the resolved config is the run's config from the start."""

    def finish(self, record: RunRecord) -> None:
        """Write the summary and close the run; an interrupted or failed run gets a non-zero exit code."""
        summary: dict[str, Any] = {"status": record.status, "epochs": record.epochs, "steps": record.steps}
        summary |= {f"{LAST}{name}": value for name, value in record.metrics.items()}
        summary |= {f"best/{name}": value for name, value in record.best.items()}
        summary |= {f"{TIMING}{name}": value for name, value in record.timing.items()}
        summary |= {COUNT: 1, DIVERGED: int(record.status == "diverged")}
        self.guard(lambda: self.run.summary.update(finite(summary)))
        self.guard(lambda: self.run.config.update({"status": record.status}, allow_val_change=True))
        exit_code = {"finished": 0, "diverged": 0, "interrupted": 130}.get(record.status, 1)
        self.guard(lambda: self.run.finish(exit_code=exit_code))


def wandb_logger(config: Wandb, record: RunRecord, folder: Path) -> list[Logger]:
    """A W&B run for this record, or nothing (and one line that says why) when W&B cannot start."""
    mode, reason = choose_mode(config.mode)
    if mode == "disabled":
        return []
    use_writable_cache()
    try:
        run = open_run(mode, config, record, folder)
    except Exception as error:  # whatever it is: W&B is a mirror, and the run goes on
        log.warning("W&B could not start (%s: %s)", type(error).__name__, one_line(error))
        if mode == "offline":
            return []
        mode, reason = "offline", "it could not start online"
        try:
            run = open_run(mode, config, record, folder)
        except Exception as again:
            log.warning("W&B could not start offline either (%s: %s)", type(again).__name__, one_line(again))
            return []
    if mode == "offline":
        place = shortest(Path(run.dir).parent)
        log.info("W&B offline (%s): view with `wandb leet %s`, upload with `wandb sync %s`", reason, place, place)
    else:
        log.info("W&B: %s", run.url)
    return [MirrorToWandb(run, folder)]


def open_run(mode: Literal["online", "offline"], config: Wandb, record: RunRecord, folder: Path) -> Any:
    import wandb

    settings = wandb.Settings(
        silent=True,
        console="off",
        save_code=False,
        init_timeout=INIT_SECONDS,
        finish_timeout=FINISH_SECONDS,
        x_disable_stats=not config.system_metrics,
    )
    run = wandb.init(
        dir=str(folder),
        mode=mode,
        name=f"{record.optimizer}-lr{record.lr:g}-seed{record.seed}",
        job_type=record.phase,
        config=finite(described(record)),
        reinit="create_new",
        settings=settings,
        **config.arguments,
    )
    # The x axis of Lightning's logger; min, max and last of each metric in the summary.
    run.define_metric("trainer/global_step")
    run.define_metric("*", step_metric="trainer/global_step", summary="min,max,last")
    return run


def described(record: RunRecord) -> dict[str, Any]:
    """The resolved config, and what W&B groups runs by: `configuration`, `phase`, `sweep` and `status`.

    `configuration` is everything but the seed, so that W&B's own grouping gives mean and spread over seeds.
    """
    of_groups = {"configuration": configuration(record.config), "phase": record.phase, "status": record.status}
    return {"sweep": None} | record.config | of_groups


def choose_mode(wanted: Mode) -> tuple[Literal["online", "offline", "disabled"], str]:
    """The mode of W&B and the reason for it.

    Online needs a key and a host that answers a short probe: `wandb.init` itself would ask for the key, or wait
    about 100 s for the host.
    """
    asked = os.environ.get("WANDB_MODE", "").lower()
    if asked in ("offline", "dryrun"):
        return "offline", "WANDB_MODE"
    if asked == "disabled":
        return "disabled", "WANDB_MODE"
    if wanted == "offline":
        return "offline", "logger.wandb.mode=offline"
    url = os.environ.get("WANDB_BASE_URL") or default_url()
    if not has_key(url):
        return "offline", "no key: `wandb login` stores one"
    if not answers(url):
        return "offline", f"{urlsplit(url).hostname} does not answer"
    return "online", "a key is there"


def default_url() -> str:
    import wandb

    return str(wandb.Settings().base_url)


def has_key(url: str) -> bool:
    """Whether a key is in the environment or in the netrc file, where `wandb login` puts it."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    files = [os.environ.get("NETRC"), "~/.netrc", "~/_netrc"]
    for file in (Path(name).expanduser() for name in files if name):
        try:
            if netrc.netrc(file).authenticators(urlsplit(url).hostname or ""):
                return True
        except (OSError, netrc.NetrcParseError):
            continue
    return False


def use_writable_cache() -> None:
    """Give W&B's service a place for its own log where the home folder cannot be written."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    nearest = next((parent for parent in (cache, *cache.parents) if parent.exists()), Path("/"))
    if not os.access(nearest, os.W_OK):
        process.set_unless_chosen("WANDB_CACHE_DIR", str(Path(tempfile.gettempdir()) / f"optlab-wandb-{os.getuid()}"))
