"""Whether the trials of a study can be stopped on the way, and where."""

from collections.abc import Sequence

from optlab.config.schema import Config
from optlab.errors import UserError
from optlab.rules.stopping import Halving
from optlab.sweep.study.options import Options

ASKED = "hydra.sweeper.stopping=halving"
CHECKPOINTS = ("optlab.callbacks.Checkpoints", "optlab.callbacks.checkpoints.Checkpoints")


def stopping_of(options: Options, configs: Sequence[Config], *, tuned: bool) -> Halving | None:
    """The rungs that a study asks for; None where nothing is to be stopped.

    Args:
        configs: of each arm.
        tuned: whether any arm has something to tune.

    Raises:
        UserError: what is asked for cannot be done, or would not be valid.
    """
    if options.stopping is None:
        return None
    if not tuned:
        raise UserError(f"{ASKED}: nothing is tuned here, so there are no trials to stop; leave it out")
    if options.sampler == "tpe":
        raise UserError(
            f"{ASKED}: hydra.sweeper.sampler=tpe proposes each trial from the ends of those before it, so there is no "
            "field to halve; type hydra.sweeper.sampler=halton, or leave stopping out"
        )
    for config in configs:
        check(config)
    horizons = sorted({config.trainer.max_epochs for config in configs})
    if len(horizons) > 1:
        lengths = ", ".join(map(str, horizons))
        raise UserError(
            f"{ASKED}: the arms have trainer.max_epochs={lengths}, and need equal budgets; type one of them"
        )
    every = max(config.trainer.check_val_every_n_epoch or 1 for config in configs)
    return Halving.of(options.trials, horizons[0], options.stopping_reduction, options.stopping_first, every)


def check(config: Config) -> None:
    """Raise UserError for runs that have no epochs to stop behind, or cannot go on."""
    trainer = config.trainer
    if trainer.max_epochs < 1 or trainer.max_steps != -1:
        key = "max_steps" if trainer.max_steps != -1 else "max_epochs"
        raise UserError(
            f"{ASKED} counts in epochs, and trainer.{key}={trainer.plain[key]} does not; "
            "type trainer.max_epochs=30 trainer.max_steps=-1, or leave stopping out"
        )
    if trainer.check_val_every_n_epoch is None:
        raise UserError(
            f"{ASKED} judges behind an epoch, and trainer.check_val_every_n_epoch=null validates by steps; "
            "type trainer.check_val_every_n_epoch=1, or leave stopping out"
        )
    if kept := [key for key in ("min_epochs", "min_steps") if trainer.plain.get(key)]:
        raise UserError(f"{ASKED}: trainer.{kept[0]} keeps runs from ending; leave one of them out")
    if not any(each is not None and each.target in CHECKPOINTS for each in config.callbacks.values()):
        raise UserError(
            f"{ASKED}: those that are left go on from their checkpoints, and these callbacks write none; "
            "type callbacks=default (or quiet), or leave stopping out"
        )
