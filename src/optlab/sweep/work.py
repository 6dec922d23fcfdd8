"""One job of a sweep, in the process that runs it: run it once, go on where it stopped, and let nothing out.

Whatever launched the job, what comes of it stands in its run folder: `run.json` is the only messenger.
"""

import logging
import shutil
import subprocess
import sys
import traceback
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from optlab.adapters import hydra as hydra_adapter
from optlab.adapters import loggers, process
from optlab.config import resolve
from optlab.config.overrides import quoted
from optlab.config.schema import Config
from optlab.errors import Interrupted, UserError, name_of
from optlab.record import CHECKPOINT_FOLDER, METRICS_FILE, RECORD_FILE, RunRecord, Status, run_id
from optlab.rules.instruments import INSTRUMENTS_FILE
from optlab.rules.metrics import objective
from optlab.sweep.folder import locked
from optlab.sweep.job import FINAL, got_beyond
from optlab.sweep.lengthen import shorter
from optlab.sweep.shelf import behind

log = logging.getLogger(__name__)


def run_job(
    cfg: DictConfig, folder: Path, overrides: Sequence[str], sources: MutableMapping[str, Any] | None = None
) -> float | None:
    """Train the job of `folder` unless that is done, or being done by another process.

    An exception is recorded as `failed`, with its traceback in the job's own log, and does not leave this function;
    a stop (Ctrl-C, SIGTERM) does, after it is recorded.

    Returns:
        The objective where there is one.

    Raises:
        Interrupted: the sweep is to stop.
    """
    config = Config.parse(resolve(cfg))
    with locked(folder) as ours:
        if not ours:
            return None
        before = earlier(folder, run_id(config.plain))
        if before is not None and (before.status in FINAL or got_beyond(folder, before, config.until)):
            return None if before.status == "failed" else objective(before)
        config = prepared(config, folder, overrides, before)
        if not wants_output(overrides):
            loggers.quiet_console()
        record = RunRecord.begin(config.plain, overrides)
        if before is not None and config.ckpt is not None:
            record.continued_from, record.data = before.continued_from, before.data
        record.write(folder)
        with process.freeing_memory():
            try:
                with process.noticing_signals() as signals:
                    record = carry_out(config, folder, overrides, behind(sources))
            except BaseException as error:
                # Lightning's answer to SIGTERM is a SystemExit.
                if signals or not isinstance(error, (Exception, SystemExit)):
                    record_end(record, folder, "interrupted", error)
                else:
                    record = record_failure(record, folder, error, show=config.traceback)
        if signals:
            raise Interrupted(signals[0])
        return None if record.status == "failed" else objective(record)


def carry_out(
    config: Config, folder: Path, overrides: Sequence[str], sources: MutableMapping[str, Any] | None
) -> RunRecord:
    """The run itself: behind the same run of fewer epochs where there is one, and else from its beginning."""
    if config.mode == "find_lr":
        from optlab.teaching.finder.many import find

        return find(config, folder, overrides, sources)
    from optlab.console import say_advice
    from optlab.run import run

    def attempt(config: Config) -> RunRecord:
        with as_single_run(config, folder, overrides):
            record = run(config.plain, folder, overrides=overrides, sources=sources)
        say_advice(record)  # in the job's log
        return record

    before = shorter(folder, config)
    if before is None or before.unfit is not None:
        return attempt(config)
    try:
        return attempt(config.with_(ckpt=str(before.checkpoint)))
    except UserError as error:
        if (folder / METRICS_FILE).exists():  # it had begun
            raise
        log.warning("trains from the first epoch, as it cannot go on from fewer: %s", error)
        return attempt(config)


# -- before


def earlier(folder: Path, id: str) -> RunRecord | None:
    """The record of an earlier attempt at this run."""
    if not (folder / RECORD_FILE).exists():
        return None
    record = RunRecord.read(folder)
    if record.id != id:
        raise UserError(f"{folder} holds run {record.id} and not {id}; give the sweep another name with sweep=NAME")
    return record


def prepared(config: Config, folder: Path, overrides: Sequence[str], before: RunRecord | None) -> Config:
    """The config as a job of a sweep runs it; nothing here is part of a run's identity."""
    last = folder / CHECKPOINT_FOLDER / "last.ckpt"
    if before is not None and last.exists():
        config = config.with_(ckpt=str(last))
    else:
        clear(folder)
    if not wants_output(overrides):
        config = config.with_(callbacks=config.callbacks | {"progress": None})
    mirror = config.logger.wandb
    if mirror is not None and mirror.group is None:
        config = config.with_(logger=config.logger.with_(wandb=mirror.with_(group=str(config.sweep))))
    return config


def clear(folder: Path) -> None:
    """Remove what an attempt left that cannot be continued."""
    shutil.rmtree(folder / CHECKPOINT_FOLDER, ignore_errors=True)
    for name in (METRICS_FILE, INSTRUMENTS_FILE):
        (folder / name).unlink(missing_ok=True)


def wants_output(overrides: Sequence[str]) -> bool:
    """Whether the user asked for a job's own table and bar; a sweep has one line for all jobs instead."""
    words = [word.lstrip("+") for word in overrides]
    if "callbacks.progress=null" in words:
        return False
    return any(word.startswith("callbacks.progress") or word == "callbacks=default" for word in words)


@contextmanager
def as_single_run(config: Config, folder: Path, overrides: Sequence[str]) -> Iterator[None]:
    """Make this process look like `python train.py OVERRIDES` with this folder: see `process.as_if_typed`."""
    words = [word for word in overrides if not word.startswith(("ckpt=", "callbacks.progress="))]
    words += [f"ckpt={quoted(config.ckpt)}" if config.ckpt else "ckpt=null"]
    words += [] if config.callbacks.get("progress") else ["++callbacks.progress=null"]
    hydra_adapter.pretend_single_run(folder)
    ended_well = False
    with process.as_if_typed(words):
        try:
            yield
            ended_well = True
        finally:
            leave_process_group(patience=60.0 if ended_well else 0.0)


def leave_process_group(patience: float) -> None:
    """Part from the other processes of a distributed run: the next job forms its own group.

    Args:
        patience: seconds that they get to end by themselves, with the group still there; then they are killed.
    """
    torch = sys.modules.get("torch")
    if torch is None or not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return
    from optlab.adapters.lightning import child_processes

    for child in child_processes():
        try:
            child.wait(patience)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    torch.distributed.destroy_process_group()


# -- after


def record_failure(begun: RunRecord, folder: Path, error: BaseException, *, show: bool) -> RunRecord:
    """Record an exception, and put its traceback into the job's log."""
    text = "".join(traceback.format_exception(error))
    with (folder / f"{HydraConfig.get().job.name}.log").open("a", encoding="utf-8") as file:
        file.write(text)
    if show:
        sys.stderr.write(text)
    recorded = RunRecord.read(folder)
    if recorded.status != "failed":  # refused before training began, so `run` has recorded nothing
        recorded = record_end(begun, folder, "failed", error)
    return recorded


def record_end(record: RunRecord, folder: Path, status: Status, error: BaseException) -> RunRecord:
    record.status = status
    record.error = {"type": name_of(error), "message": str(error)}
    record.write(folder)
    return record
