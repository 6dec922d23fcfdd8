"""What a run is judged by: the metric that its config names, or the usual one of the data's task.

A metric that only a user's own module or callback logs is known when training has begun.
"""

from pathlib import Path

from lightning import Trainer

from optlab import lightning_class
from optlab.adapters.lightning import callbacks_of
from optlab.callbacks import Recorder, TestCurve
from optlab.callbacks.contract import adds_metrics
from optlab.config.schema import Config
from optlab.data.arrays import Splits
from optlab.errors import UserError
from optlab.rules.logged import judged_by
from optlab.rules.metrics import higher_is_better, kind_of, metric_of, metrics_of
from optlab.rules.tasks import task_of
from optlab.run_module import RunState
from optlab.standard import check_monitors


def validates(config: Config, data: Splits) -> bool:
    """Whether a validation split is there and is looked at."""
    return data.val is not None and config.trainer.validates and lightning_class.validates(config)


def check_watched(config: Config, trainer: Trainer, data: Splits) -> None:
    """Raise UserError for a callback that watches what the run does not have."""
    adds = any(adds_metrics(callback) and not isinstance(callback, TestCurve) for callback in callbacks_of(trainer))
    if not adds and config.module is None:  # else nobody knows before it does
        known = metrics_of(validates=validates(config, data), task=data.info.task, outputs=data.info.outputs)
        check_monitors(config.callbacks, known)


def aim(
    recorder: Recorder, config: Config, data: Splits, state: RunState, trainer: Trainer, folder: Path | None
) -> None:
    """Tell the recorder what the run is judged by: now, or when it is known what a user's own parts log."""
    if config.module is None:
        try:
            recorder.aim(*objective_of(config, data, state), folder=folder)
            return
        except UserError:
            if kind_of(config.metric or "") in state.directions or not any(map(adds_metrics, callbacks_of(trainer))):
                raise  # else a callback may log it
    usual, looks = task_of(data.info.task).judged_by, validates(config, data)
    metric = config.metric or f"{'val' if looks else 'train'}/{usual}"
    recorder.aim(metric, "max" if higher_is_better(metric) else "min", folder=folder)
    recorder.aim_when_known(lambda names: judged_by(config.metric, names, validates=looks, usual=usual))


def objective_of(config: Config, data: Splits, state: RunState) -> tuple[str, str]:
    """The metric that a run is judged by, and whether it is to be "max" or "min".

    By default accuracy where answers are right or wrong and loss for numbers, on validation, or on training where there
    is no validation.
    """
    metric = metric_of(
        config.metric,
        validates=validates(config, data),
        task=data.info.task,
        outputs=data.info.outputs,
        own=state.directions,
    )
    ways = {name: way for name, way in state.directions.items() if way is not None}
    return metric, "max" if higher_is_better(metric, ways) else "min"
