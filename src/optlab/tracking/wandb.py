"""Weights & Biases: online where there is a key and a host that answers, offline otherwise; never asks."""

import logging
import netrc
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from lightning.pytorch.loggers import Logger, WandbLogger

from optlab.adapters import process
from optlab.config.given import configuration
from optlab.config.schema import Wandb
from optlab.record import CHECKPOINT_FOLDER, RunRecord, finite, shortest
from optlab.rules.tracked import CONFIRM_EPOCH, COUNT, DIVERGED, LAST, TIMING
from optlab.tracking.guard import Guard, answers, one_line

log = logging.getLogger(__name__)

Mode = Literal["auto", "online", "offline"]
INIT_SECONDS = 20.0
FINISH_SECONDS = 60.0


class MirrorToWandb(WandbLogger):
    """Lightning's logger around a W&B run that is already open; what W&B raises is said once and then ignored."""

    def __init__(self, run: Any, folder: Path, *, keeps_best: bool = False) -> None:
        super().__init__(experiment=run, save_dir=str(folder))
        self.run = run
        self.best = folder / CHECKPOINT_FOLDER / "best.ckpt" if keeps_best else None
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
        if record.advice is not None:
            summary["advice"] = [str(each.get("text")) for each in record.advice]
        self.guard(lambda: self.run.summary.update(finite(summary)))
        self.guard(lambda: self.run.config.update({"status": record.status}, allow_val_change=True))
        if self.best is not None and record.status in ("finished", "diverged"):
            self.guard(lambda: self.log_best(record))
        exit_code = {"finished": 0, "diverged": 0, "stopped": 0, "interrupted": 130}.get(record.status, 1)
        self.guard(lambda: self.run.finish(exit_code=exit_code))

    def log_best(self, record: RunRecord) -> None:
        """Log the best checkpoint as an artifact; it is not copied, so that offline it takes no more room."""
        import wandb

        if self.best is None or not self.best.exists():  # no epoch was validated
            log.warning("W&B gets no checkpoint: this run has no best.ckpt")
            return
        artifact = wandb.Artifact(f"model-{self.run.id}", type="model", metadata=finite(record.best))
        artifact.add_file(str(self.best), policy="immutable")
        self.run.log_artifact(artifact, aliases=["best"])


def wandb_logger(config: Wandb, record: RunRecord, folder: Path) -> list[Logger]:
    """A W&B run for this record, or nothing (and one line that says why) when W&B cannot start."""
    about = {
        "name": f"{record.optimizer}-lr{record.lr:g}-seed{record.seed}",
        "job_type": record.phase,
        "config": described(record),
    }
    started = start(config, folder, about, log.warning, continues=continued(record, folder))
    if started is None:
        return []
    run, reason = started
    if reason is not None:
        place = shortest(Path(run.dir).parent)
        log.info("W&B offline (%s): view with `wandb leet %s`, upload with `wandb sync %s`", reason, place, place)
    else:
        log.info("W&B: %s", run.url)
    # The x axis of Lightning's logger; min, max and last of each metric in the summary.
    run.define_metric("trainer/global_step")
    run.define_metric("*", step_metric="trainer/global_step", summary="min,max,last")
    return [MirrorToWandb(run, folder, keeps_best=config.log_model == "best")]


def continued(record: RunRecord, folder: Path) -> str | None:
    """The id of the W&B run that a run of the same folder began, where this one goes on from its checkpoint."""
    if record.config.get("ckpt") is None or folder.resolve() not in Path(record.config["ckpt"]).resolve().parents:
        return None
    begun = sorted(
        folder.glob("wandb/*run-*-*/run-*.wandb"), key=lambda path: path.parent.name.removeprefix("offline-")
    )
    return begun[-1].stem.removeprefix("run-") if begun else None


def start(
    config: Wandb,
    folder: Path,
    about: Mapping[str, Any],
    say: Callable[[str], None],
    continues: str | None = None,
) -> tuple[Any, str | None] | None:
    """Open a W&B run in a folder, offline where it cannot be online; it never asks, and never waits long.

    Args:
        about: name, job_type and config of the run.
        say: takes the line that says why W&B cannot start.
        continues: the id of the W&B run that this one is a part of. An offline part names it too, so that
            `wandb sync` puts the parts together.

    Returns:
        The run, and why it is offline (None: it is online); None where W&B is switched off or does not start.
    """
    mode, reason = choose_mode(config.mode)
    if mode == "disabled":
        return None
    use_writable_cache()
    about = {**about, **({} if continues is None else {"id": continues, "resume": "allow"})}
    try:
        return open_run(mode, config, folder, about), reason if mode == "offline" else None
    except Exception as error:  # whatever it is: W&B is a mirror, and the run goes on
        say(f"W&B could not start ({type(error).__name__}: {one_line(error)})")
        if mode == "offline":
            return None
    try:
        return open_run("offline", config, folder, about), "it could not start online"
    except Exception as again:
        say(f"W&B could not start offline either ({type(again).__name__}: {one_line(again)})")
        return None


def open_run(mode: Literal["online", "offline"], config: Wandb, folder: Path, about: Mapping[str, Any]) -> Any:
    import wandb

    settings = wandb.Settings(
        silent=True,
        console="off",
        save_code=False,
        init_timeout=INIT_SECONDS,
        finish_timeout=FINISH_SECONDS,
        x_disable_stats=not config.system_metrics,
    )
    return wandb.init(
        dir=str(folder),
        mode=mode,
        reinit="create_new",
        settings=settings,
        **config.arguments | finite(about),
    )


def described(record: RunRecord) -> dict[str, Any]:
    """The resolved config, and what trackers group runs by: `configuration`, `phase`, `sweep` and `status`.

    Not how it is recorded, `logger`: that may name accounts and hold keys, which are no other tracker's business.
    `configuration` is everything but the seed, so that W&B's own grouping gives mean and spread over seeds.
    """
    of_groups = {"configuration": configuration(record.config), "phase": record.phase, "status": record.status}
    config = {key: value for key, value in record.config.items() if key != "logger"}
    return {"sweep": None} | config | of_groups


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
