"""`optlab.sweep` and `optlab.study`: many runs from a program or notebook, by the same sweepers as the command line."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from optlab import cli, objects
from optlab.adapters import hydra as hydra_adapter
from optlab.adapters import loggers, process
from optlab.api.results import Results, read
from optlab.api.words import words_of
from optlab.config import overrides as typed
from optlab.config import places
from optlab.config.mistakes import explain
from optlab.console import silent
from optlab.errors import Stopped, UserError
from optlab.folders import Claims, job_folder
from optlab.record import shortest
from optlab.rules.commands import as_typed
from optlab.rules.words import plural
from optlab.sweep.conclude import drawing

SWEEPS = Path("outputs", "sweeps")


def sweep(
    *,
    name: str | None = None,
    launcher: str | None = None,
    retry: bool = False,
    overrides: Sequence[str] = (),
    progress: bool = True,
    figures: bool = True,
    **settings: Any,
) -> Results:
    """Every combination of the values in lists, one run each.

    `optlab.sweep(optimizer=["sgd", "adam"], seed=[0, 1, 2], **{"optimizer.lr": [0.01, 0.1]}).runs`

    Args:
        name: of the sweep, and of its folder below outputs/sweeps; the same call again runs what is missing there.
            Without one it is the time.
        launcher: where the runs go: `joblib`, `submitit_slurm` ... (see conf/hydra/launcher); without one several at a
            time, in processes of this machine; one after the other in this process with `basic`, and where something
            lies in no module, so that only this process has it.
        retry: run failed runs again.
        overrides: words as behind `python train.py -m`, read behind the settings.
        progress: show a bar.
        figures: write those of the report, which takes seconds; `Results.figure` draws one at any time.
        settings: as in `optlab.run`; a list is several values to compare, a tuple or a list within a dict is one value.

    Returns:
        What `optlab.read` gives for the sweep; a run that failed is among them, and a warning says so.

    Raises:
        UserError: something cannot work; nothing was written.
        Stopped: Ctrl-C; a KeyboardInterrupt. What was done is kept, and the same call with this name goes on.
    """
    words = words_of(settings, several=True)
    return multirun([*words, *overrides], name=name, launcher=launcher, retry=retry, progress=progress, figures=figures)


def study(
    *,
    name: str | None = None,
    launcher: str | None = None,
    retry: bool = False,
    overrides: Sequence[str] = (),
    progress: bool = True,
    figures: bool = True,
    **settings: Any,
) -> Results:
    """The fair comparison: each optimizer tuned with an equal budget, winners confirmed on fresh seeds, a verdict.

    `optlab.study(optimizer=["sgd", "adam"], model="mlp", trials=5, confirmation_seeds=5).verdict`

    Args:
        settings: as in `optlab.sweep`; what is compared are optimizer, lr, model and dataset. Besides, those of the
            study itself (conf/hydra/sweeper/study.yaml): trials, tuning_seeds, confirmation_seeds, track, sampler,
            extensions, metric, target, spaces ...

    The other arguments, results and errors are those of `optlab.sweep`.
    """
    own = [key for key in places.whole("hydra/sweeper", "study") if not key.startswith("_") and key in settings]
    words = words_of({key: value for key, value in settings.items() if key not in own}, several=True)
    words += words_of({f"hydra.sweeper.{key}": settings[key] for key in own})
    words = ["hydra/sweeper=study", *words, *overrides]
    return multirun(words, name=name, launcher=launcher, retry=retry, progress=progress, figures=figures)


def multirun(
    words: Sequence[str], *, name: str | None, launcher: str | None, retry: bool, progress: bool, figures: bool
) -> Results:
    """What `python train.py -m WORDS` does in this process, and what came of it."""
    if placed := [word for word in words if word.startswith(("sweep=", "hydra.sweep.dir="))]:
        raise UserError(f"{placed[0]}: the folder is outputs/sweeps/NAME; give the name as name='first'")
    launcher = in_this_process(words, launcher)
    name = name if name is not None else new_name()
    words = [*([f"hydra/launcher={launcher}"] if launcher else []), *words, f"sweep={name}"]
    words += ["retry=true"] if retry else []
    folder, ended_well = SWEEPS / str(name), True
    try:
        with prepared(words, progress) as ready, drawing(figures):
            hydra_adapter.multirun(places.CONFIG_FOLDER, ready, cli.task, places.current().name, "train")
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(explain(error, words)) from None
    except SystemExit as end:  # how a sweep says that not all went well
        if end.code != 1:
            raise stopped(folder) from None
        ended_well = False
    except KeyboardInterrupt:
        raise stopped(folder) from None
    results = read(folder)
    if failed := results.counts["failed"]:
        warnings.warn(f"{plural(failed, 'run')} failed; .runs.error says why, retry=True runs them again", stacklevel=3)
    elif not ended_well:
        warnings.warn("not all could be read or written; .skipped says what, .report() writes the page", stacklevel=3)
    return results


@contextmanager
def prepared(words: Sequence[str], progress: bool) -> Iterator[list[str]]:
    """The words for Hydra, and a process in which a sweep may run, without words of its own to say."""
    hydra_adapter.give_values(run_folder=Claims().claim, job_folder=job_folder, as_typed=as_typed)
    with ExitStack() as stack:
        stack.enter_context(silent("words") if progress else silent("words", "progress"))
        stack.enter_context(places.using(found := typed.places_of(list(words))))
        stack.enter_context(process.importing_from(found.import_paths))
        stack.enter_context(loggers.keeping_logging())
        stack.enter_context(hydra_adapter.offering(objects.all_options()))
        yield [word for word in typed.prepare(["-m", *words]) if word != "-m"]


def in_this_process(words: Sequence[str], launcher: str | None) -> str | None:
    """The launcher: for an object that only this process has, the one that starts no others.

    Raises:
        UserError: another one was asked for.
    """
    if launcher == "basic" or (word := only_here(words)) is None:
        return launcher
    if launcher is None:
        return "basic"
    raise UserError(
        f"{word}: lies in no module, so only this process has it, and launcher={launcher!r} "
        "starts others; put it into a module, or leave the launcher out"
    )


def only_here(words: Sequence[str]) -> str | None:
    """The first option among the words that is an object of this process alone, as `model=mine`."""
    for word in words:
        group, _, values = word.partition("=")
        for value in values.split(","):
            node: Mapping[str, Any] = objects.node(group, value)
            if str(node.get("_target_", "")).startswith(f"{objects.HERE}."):
                return f"{group}={value}"
    return None


def new_name() -> str:
    """The time, or the time with a number where that is taken."""
    name = first = f"{datetime.now():%Y-%m-%d_%H-%M-%S}"
    number = 1
    while (SWEEPS / name).exists():
        number += 1
        name = f"{first}-{number}"
    return name


def stopped(folder: Path) -> Stopped:
    """What Ctrl-C leaves, in one line."""
    try:
        counts = read(folder).counts
    except UserError:
        return Stopped("stopped before the first run was over; nothing is lost")
    done = counts["finished"] + counts["diverged"] + counts["stopped"] + counts["failed"]
    return Stopped(
        f"stopped with {plural(done, 'run')} done, kept in {shortest(folder)}; the same call with name={folder.name!r} "
        "goes on from there"
    )
