"""`mode=trace`: a run that is watched, and stopped behind the last step that is shown."""

import logging
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.console import Console
from torch import nn

from optlab.adapters.lightning import callbacks_of
from optlab.adapters.torch import keeping_random_state, on_threads, set_float32_precision
from optlab.callbacks import Diverged, Interruption
from optlab.check import check_config
from optlab.config import resolve
from optlab.config.schema import Config
from optlab.errors import UserError
from optlab.lightning_class import is_own
from optlab.record import NOT_IDENTITY, finite, shortest
from optlab.rules.commands import run_command
from optlab.run import Prepared, fit, prepare
from optlab.teaching import page
from optlab.teaching.trace import figures, follow
from optlab.teaching.trace.bench import Bench
from optlab.teaching.trace.compare import Entrant, compare, entrants
from optlab.teaching.trace.demo import check_demo, demo
from optlab.teaching.trace.measure import step_of
from optlab.teaching.trace.record import TRACE_PAGE, Followed, Run, Trace, write
from optlab.teaching.trace.terminal import show
from optlab.teaching.trace.watch import Finished, Watch
from optlab.teaching.words import say

log = logging.getLogger(__name__)

OF_THE_TRACE = ("mode=", "trace.", "lang=", "hydra.run.dir=")  # words that the run itself is typed without


def trace(cfg: DictConfig | Mapping[str, Any], folder: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Watch the first steps of the run that the config describes; writes trace.json and trace.html, and prints it.

    The numbers are those of `python train.py` with the same words: the run is that one, without its checkpoints and
    loggers, and it ends behind the last step that is shown.

    Args:
        folder: where these two go.
        overrides: the command line that composed the config.

    Returns:
        The content of trace.json.

    Raises:
        UserError: the input cannot be used; nothing was written.
    """
    config = Config.parse(resolve(cfg))
    check_config(config)
    entered = entrants(config)
    check_demo(config)
    set_float32_precision(config.tf32)
    interruption = Interruption()
    with interruption.listening(), keeping_random_state(), on_threads(config.trainer.threads):
        watched = alone(config)
        prepared = prepare(watched, folder, overrides, None, interruption)
        if prepared.trainer.world_size > 1:
            raise UserError("mode=trace shows the steps of one process; type trainer.devices=1")
        for each in entered:  # what an optimizer refuses of this network is refused before the run
            prepared.module.run_state.build_optimizer(deepcopy(prepared.module.run_state.network), each.settings)
        content = beside(watched, prepared, entered, *traced(watched, prepared, overrides))
    path, seen = write(content, folder), folder / TRACE_PAGE
    page.write(content, seen, config.lang)
    console = Console(highlight=False)
    show(content, config.lang, console)
    console.print(say("trace.written", config.lang, path=shortest(path.absolute())), soft_wrap=True)
    for picture in figures.draw(content, folder, partial(say, lang=config.lang)):
        console.print(say("trace.picture", config.lang, path=shortest(picture.absolute())), soft_wrap=True)
    console.print(say("trace.page", config.lang, path=shortest(seen.absolute())), soft_wrap=True)
    return content


def alone(config: Config) -> Config:
    """The config of the same run, step by step and without what only shows or keeps it."""
    kept = {name: each for name, each in config.callbacks.items() if f"callbacks.{name}" not in NOT_IDENTITY}
    return config.with_(engine="eager", callbacks=kept, logger={}, test_weights="last")


def beside(
    config: Config, prepared: Prepared, entered: Sequence[Entrant], found: Trace, watch: Watch
) -> dict[str, Any]:
    """The trace as JSON holds it, with the runs that are shown beside it."""
    content = found.plain()
    if not entered and config.trace.demo is None:
        return content
    bench = Bench(config, prepared, watch)
    if entered:
        content["compare"] = finite(compare(bench, entered))
    if config.trace.demo is not None:
        content["demo"] = finite(demo(bench, config.trace.demo, found))
    return content


def traced(config: Config, prepared: Prepared, overrides: Sequence[str]) -> tuple[Trace, Watch]:
    """Run until enough is seen."""
    prepared.recorder.folder = None  # metrics.csv is the run's
    tell = partial(tell_in, config.lang)
    watch = Watch(config.trace, config.trainer.accumulate_grad_batches, tell)
    if (text := config.trace.weight) is not None:
        watch.settles = lambda parameters: check_weight(text, parameters)
    callbacks_of(prepared.trainer).insert(0, watch)
    notes: list[dict[str, Any]] = []
    try:
        fit(prepared)
    except Finished:
        pass
    except Diverged as result:
        if not watch.seen:
            raise UserError(f"mode=trace: the run diverged before the first step to be shown: {result}") from result
        notes.append({"key": "trace.diverged", "fields": {"what": str(result)}})
    finally:
        watch.let_go()
    if not watch.seen:
        raise UserError("mode=trace: the run took no step; with ckpt= type trainer.max_epochs=100 to train on")
    first = watch.seen[0]
    followed = follow.moved_most(first) if text is None else follow.typed(text, first.weights_before)
    module, info = prepared.module, prepared.data.info
    steps = [step_of(seen, followed, module, info, config.trace.samples) for seen in watch.seen]
    run = run_of(config, prepared, watch, followed, overrides)
    return Trace(run=run, steps=steps, followed=followed, notes=notes), watch


def tell_in(lang: str, key: str, **fields: object) -> None:
    """Say in a line what was chosen for the user."""
    log.info(say(key, lang, **fields))


def check_weight(text: str, parameters: Mapping[str, nn.Parameter]) -> None:
    follow.typed(text, {name: p.detach() for name, p in parameters.items()})


def run_of(config: Config, prepared: Prepared, watch: Watch, followed: Followed, overrides: Sequence[str]) -> Run:
    state, info = prepared.module.run_state, prepared.data.info
    own = is_own(config)
    clip = config.trainer.gradient_clip_val
    return Run(
        optimizer=config.optimizer.name,
        cls=next(
            (each.classes[followed.parameter] for each in watch.seen if followed.parameter in each.classes),
            config.optimizer.target,
        ),
        arguments={} if own else config.optimizer.arguments,
        model=state.name,
        parameters=sum(each.numel() for each in watch.seen[0].weights_before.values()),
        dataset=info.name,
        task=info.task,
        loss=config.loss.name if config.module is None else config.module.label,
        lr=config.optimizer.lr,
        lr_schedule=config.lr.name,
        seed=config.seed,
        batch_size=config.batch_size,
        accumulate=config.trainer.accumulate_grad_batches,
        clip=None
        if clip is None
        else {"value": clip, "algorithm": config.trainer.plain.get("gradient_clip_algorithm") or "norm"},
        device=prepared.trainer.strategy.root_device.type,
        precision=str(prepared.trainer.precision),
        steps=watch.total,
        ckpt=config.ckpt,
        command=run_command(overrides),
        trains=run_command(word for word in overrides if not word.startswith(OF_THE_TRACE)),
    )
