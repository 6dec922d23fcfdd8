"""The command line around `run`: what is typed is prepared for Hydra, and each job goes where `mode` says.

Light at import: `--help`, `--cfg job` and completion must not wait for torch.
"""

import os
import re
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from hydra import main as hydra_main
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from optlab import exits
from optlab.adapters import composing as composing_adapter
from optlab.adapters import hydra as hydra_adapter
from optlab.adapters import loggers, process
from optlab.adapters.output import outliving_its_reader
from optlab.config import completion, places, resolve
from optlab.config import overrides as typed
from optlab.config.changes import composing
from optlab.errors import Interrupted, UserError
from optlab.folders import Claims, discard, job_folder
from optlab.rules.commands import as_typed, program

_sources: dict[str, Any] = {}  # data sets that the jobs of a multirun share: Hydra calls `task` with a config alone


def main() -> None:
    """What train.py is in a checkout, for the command `optlab`."""
    start(hydra_main(version_base="1.3", config_path=str(places.CONFIG_FOLDER), config_name=places.CONFIG_NAME)(task))


def start(main: Callable[[], Any]) -> None:
    """Run the Hydra main function; exit with 1 and one line on stderr when the input cannot be used."""
    process.spin_briefly()
    wants_traceback = hydra_adapter.wants_full_error() or typed.wants_traceback(sys.argv[1:])
    claims = Claims()
    hydra_adapter.give_values(run_folder=claims.claim, job_folder=job_folder, as_typed=as_typed)
    with outliving_its_reader(), process.remembering_ctrl_c(), ExitStack() as to_the_end:
        try:
            found = places_typed(sys.argv[1:])
            to_the_end.enter_context(places.using(found))  # a mistake is explained with the user's options, too
            to_the_end.enter_context(process.importing_from(found.import_paths))
            if (offered := completion.completed(sys.argv[1:])) is not None:
                print(offered)
                return
            words = prepared(sys.argv[1:])
            if typed.is_about_runs(words):
                found = typed.places_of(words)
            to_the_end.enter_context(composing(found))  # a checkpoint may name its config
            if not found.users:  # no yaml of optlab's own sets hydra.mode, and typed it is refused
                to_the_end.enter_context(composing_adapter.mode_as_flagged())
            for line in typed.not_used(words) if is_first_process() else ():
                print(f"optlab: {line}", file=sys.stderr)
            process.type_instead([*words, *to_the_end.enter_context(elsewhere(words))])
            with hydra_adapter.raising():
                main()
        except (Interrupted, KeyboardInterrupt):
            claims.give_up()
            exits.leave_interrupted()
        except Exception as error:
            claims.give_up()
            if process.ctrl_c_came():
                exits.leave_interrupted()
            if wants_traceback:
                raise
            exits.complain(error)


def places_typed(arguments: Sequence[str]) -> places.Places:
    """The config folders that a command names; of a line that is being completed, as far as they stand there."""
    line = completion.line_of(arguments)
    try:
        return typed.places_of(arguments if line is None else line[:-1])
    except UserError:
        if line is None:
            raise
        return typed.places_of([])


def prepared(arguments: Sequence[str]) -> list[str]:
    """What Hydra is to read: what was typed, behind what a checkpoint brings along."""
    words = typed.prepare(arguments)
    if typed.uses_checkpoint(words):
        from optlab.recorded import with_recorded  # which reads the checkpoint with torch

        return with_recorded(words)
    return words


@contextmanager
def elsewhere(words: Sequence[str]) -> Iterator[list[str]]:
    """Words that keep Hydra's own files of a `dry_run` out of the way: it makes a folder for every single run."""
    multirun = {"-m", "--multirun"} & set(words)
    if not any("dry_run=" in word for word in words) or multirun or not typed.is_about_runs(words):
        yield []
        return
    if typed.values_of(words).get("dry_run") is not True:
        yield []
        return
    with tempfile.TemporaryDirectory(prefix="optlab-", ignore_cleanup_errors=True) as folder:
        yield [f"hydra.run.dir={typed.quoted(folder)}"]


def task(cfg: DictConfig) -> float | None:
    """One job of Hydra's: do what `mode` says in the folder that Hydra made; returns the objective."""
    process.keep_large_blocks()
    with process.importing():
        import optlab.run  # noqa: F401
    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    first_process = is_first_process()
    if not first_process:
        loggers.log_only_warnings("optlab")
    with hydra_adapter.as_the_user_set_it() as full_error:
        unresolved = OmegaConf.to_container(cfg)
        wants_traceback = full_error or (isinstance(unresolved, dict) and unresolved.get("traceback") is True)
        try:
            config = resolve(cfg)
            words = [*places.current().words, *hydra_adapter.typed_overrides()]
            if hydra.mode == RunMode.MULTIRUN:
                from optlab.sweep.work import run_job

                return run_job(cfg, folder, words, _sources)
            check_is_no_study(hydra.runtime.choices)
            if first_process:  # the others were started by a run that was let through, perhaps one of a multirun
                check_phase(config)
            if (mode := config.get("mode")) not in MODES:
                raise UserError(f"mode={mode}: must be one of {', '.join(MODES)}")
            if config.get("dry_run") is True:
                from optlab.sweep.price.dry import of_run

                of_run(config)
                return None
            return MODES[mode](cfg, folder, words)
        except Exception as error:
            if process.ctrl_c_came():
                raise KeyboardInterrupt from error
            if not isinstance(error, UserError):
                exits.log_traceback(error, folder / f"{hydra.job.name}.log")
            elif first_process:
                discard(folder)
            if hydra.mode == RunMode.RUN and not wants_traceback:
                exits.complain(error)  # here, where Hydra adds no line of its own
            raise


def is_first_process() -> bool:
    """Whether this is the process of a distributed run that speaks and writes."""
    return int(os.environ.get("LOCAL_RANK", 0)) == 0


def check_is_no_study(choices: Mapping[str, Any]) -> None:
    """Raise UserError for a study that is started as a single run."""
    if (sweeper := choices.get("hydra/sweeper")) not in (None, "grid", "basic"):
        preset = choices.get("experiment")
        what = f"experiment={preset}" if preset else f"hydra/sweeper={sweeper}"
        raise UserError(f"{what}: a study is many runs, so type -m: {program()} -m {what} ...")


def check_phase(config: Mapping[str, Any]) -> None:
    """Raise UserError for a single run that says it is part of a study and does not say of which.

    A run of a study may be typed again with all its words, its protocol's hash among them.
    """
    phase, protocol = config.get("phase"), config.get("protocol")
    if protocol is not None and not re.fullmatch(r"sha-[0-9a-f]{12}", str(protocol)):
        raise UserError(f"protocol={protocol}: not the hash of a study's plan, which only its runs have; leave it out")

    if phase in ("tune", "confirm") and protocol is None:
        raise UserError(f"phase={phase}: only runs of a study have a phase; leave it out")
    if phase == "train" and protocol is not None:
        raise UserError(f"protocol={protocol}: a run of a study has its phase too; leave it out, or add phase=tune")


# -- the modes of a single run


def train(cfg: DictConfig, folder: Path, overrides: list[str]) -> float | None:
    from optlab.console import print_result, shortest
    from optlab.rules.metrics import objective
    from optlab.run import run

    continues_here = str(cfg.ckpt or "").startswith(str(shortest(folder)))
    if is_first_process() and (folder / "run.json").exists() and not continues_here:
        raise UserError(
            f"{shortest(folder)} holds a run already; type ckpt={shortest(folder)} to go on with it, "
            "or choose another folder with hydra.run.dir=FOLDER"
        )
    if is_first_process() and OmegaConf.select(cfg, "report.live") is True:  # anything else is refused by `run`
        print("report.live: a single run has no page, so none is written; -m makes a sweep")
    record = run(cfg, folder, overrides=overrides)
    if is_first_process():
        if record.status == "interrupted":
            checkpoint = folder / "checkpoints" / "last.ckpt"
            how = (
                f"continue with: {program()} ckpt={shlex.quote(str(shortest(checkpoint)))}"
                if checkpoint.exists()
                else "nothing was saved"
            )
            print(f"interrupted after {record.epochs} epochs; {how}")
        else:
            print_result(record, folder)
        if record.status == "stopped":
            again = f"{program()} ckpt={shlex.quote(str(shortest(folder)))}"
            print(f"stopped behind epoch {record.epochs} of {cfg.trainer.max_epochs}; go on with: {again}")
    if record.status == "interrupted":
        sys.exit(130)
    return objective(record)


def test(cfg: DictConfig, folder: Path, overrides: list[str]) -> float | None:
    from optlab.evaluate import evaluate

    return evaluate(cfg, folder)


def predict(cfg: DictConfig, folder: Path, overrides: list[str]) -> None:
    from optlab.evaluate import predict as predict_images

    predict_images(cfg, folder)


def trace(cfg: DictConfig, folder: Path, overrides: list[str]) -> None:
    from optlab.teaching.trace.command import trace as take_apart

    take_apart(cfg, folder, overrides)


def find_lr(cfg: DictConfig, folder: Path, overrides: list[str]) -> float | None:
    from optlab.teaching.finder import find_lr

    return find_lr(cfg, folder, overrides).lr


MODES: dict[str, Callable[[DictConfig, Path, list[str]], float | None]] = {
    "train": train,
    "test": test,
    "predict": predict,
    "trace": trace,
    "find_lr": find_lr,
}
