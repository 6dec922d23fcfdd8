"""Whether a run may go on from a checkpoint: it must be the same run on the same data, and the file must be whole."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer
from lightning.pytorch.utilities.migration import migrate_checkpoint
from torch import Tensor
from torch.optim import Optimizer

from optlab.adapters.torch import keeping_random_state
from optlab.checkpoint import Checkpoint, is_plain, one_line
from optlab.config.schema import Config
from optlab.errors import UserError, piece
from optlab.optimizers import COMPUTES_BY
from optlab.record import NOT_IDENTITY, RECORD_FILE, RunRecord
from optlab.rules.length import is_laid_out
from optlab.rules.tasks import task_of
from optlab.standard import stops_early

# What a continued run may change; everything else would make it another run.
MAY_CHANGE = (
    *NOT_IDENTITY,
    "metric",
    "metrics",
    "test_weights",
    "dataset.root",
    "callbacks",
    "trainer.max_epochs",
    "trainer.max_steps",
    "trainer.max_time",
    "trainer.accelerator",
    "trainer.devices",
    "trainer.num_nodes",
    "trainer.strategy",
)
LARGEST_COUNT = 2**63 - 1
# What a schedule moves in the parameter groups: OneCycleLR can cycle momentum.
SCHEDULED = ("lr", "momentum", "betas")
LOOPS = ("fit_loop", "validate_loop", "test_loop", "predict_loop")
MIGRATED = ("pytorch-lightning_version", "epoch", "global_step", "loops", "callbacks", "lr_schedulers")
# What torch's own optimizers keep, as large as the parameter or, for the last, a number.
_KEPT = """
    exp_avg exp_avg_sq max_exp_avg_sq exp_inf momentum_buffer square_avg grad_avg acc_delta sum ax prev step_size step
"""
KEPT = frozenset(_KEPT.split())


def check_continues(saved: Checkpoint, config: Config, fingerprint: str) -> None:
    """Raise UserError when going on from a checkpoint would not be the same run on the same data."""
    path, theirs = saved.path, saved.config
    if saved.fingerprint != fingerprint:
        raise UserError(
            f"ckpt={path} belongs to a run on other data ({theirs['dataset']['name']} has changed since); "
            "put the data back as it was, or leave ckpt out to start a new run"
        )
    if different := settings_that_differ(theirs, config.plain):
        raise UserError(
            f"ckpt={path} belongs to a run with other settings: {', '.join(different)}; "
            "leave them out to continue it, or leave ckpt out to start a new run"
        )
    done, epochs = epochs_of(saved), config.trainer.max_epochs
    if 0 < epochs < done:
        raise UserError(f"trainer.max_epochs={epochs}: ckpt={path} has {done} epochs already; type a larger number")
    if config.until is not None and config.until < done:
        raise UserError(f"until={config.until}: ckpt={path} has {done} epochs already; type a larger number, or null")
    lengths = {"max_epochs": config.trainer.max_epochs, "max_steps": config.trainer.max_steps}
    longer = [key for key, length in lengths.items() if length != theirs["trainer"].get(key)]
    schedule = config.lr
    if longer and is_laid_out(schedule.name, schedule.arguments):
        key = longer[0]
        raise UserError(
            f"trainer.{key}={lengths[key]}: lr={schedule.name} was laid out for "
            f"{theirs['trainer'].get(key)}, and its end cannot be moved; start a new run of that length"
        )


def settings_that_differ(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """`key=new (was old)` for each setting that a continued run may not change."""
    return [
        f"{key}={show(after)} (was {show(before)})"
        for key, before, after in differences(by_name(old, new), by_name(new, old))
        if not any(key == allowed or key.startswith(allowed + ".") for allowed in MAY_CHANGE)
    ]


def by_name(config: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """The config with each group whose option differs from the other's replaced by the option's name."""

    def name(value: Any) -> Any:
        return value.get("name") if isinstance(value, Mapping) else None

    return {key: name(value) if name(value) != name(other.get(key)) else value for key, value in config.items()}


def differences(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(path, old, new) for every leaf that differs between two configs."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            yield from differences(old.get(key), new.get(key), f"{path}.{key}" if path else key)
    elif old != new:
        yield path, old, new


def show(value: Any) -> str:
    return "null" if value is None else piece(value)


def refuse_finished(saved: Checkpoint, config: Config) -> None:
    """Raise UserError for the checkpoint of a run that trained to its end and was tested."""
    path, run_folder = saved.path, Path(saved.path).parent.parent
    done, epochs = epochs_of(saved), config.trainer.max_epochs
    record = RunRecord.read(run_folder) if (run_folder / RECORD_FILE).exists() else None
    if record is None or record.status != "finished":
        return
    end, how = f"({done} of {epochs} epochs)", f"trainer.max_epochs={2 * done}" if done == epochs else None
    if record.ended is not None and record.epochs == done < epochs:
        end, how = f"(after {done} epochs: {record.ended.get('text')})", trains_on(record, config)
    if how is not None:
        raise UserError(
            f"ckpt={path}: this run is complete {end}; type {how} to train on, or mode=test to test it again"
        )


def trains_on(record: RunRecord, config: Config) -> str | None:
    """What would let a run train on that ended early; None where the config already does."""
    reason = (record.ended or {}).get("reason")
    stopping = [name for name, callback in config.callbacks.items() if stops_early(callback)]
    if reason == "early_stopping" and stopping:
        return " ".join(f"callbacks.{name}=null" for name in stopping)
    before = record.config.get("trainer", {}).get("max_time")
    if reason == "max_time" and before == config.trainer.plain.get("max_time") is not None:
        return "a longer trainer.max_time"
    return None


# -- whether the progress that the checkpoint holds is whole


def epochs_of(saved: Checkpoint) -> int:
    """The completed epochs of a checkpoint.

    Raises:
        UserError: its history is missing or is none.
    """
    callbacks = saved.content.get("callbacks")
    recorder = callbacks.get("Recorder") if isinstance(callbacks, dict) else None
    rows = recorder.get("rows") if isinstance(recorder, dict) else None
    if not isinstance(recorder, dict) or not isinstance(rows, list) or not is_number(recorder.get("seconds")):
        raise saved.damaged("the history of the run is missing (callbacks.Recorder)")
    for number, line in enumerate(rows, start=1):
        try:
            row = json.loads(line)
        except (TypeError, ValueError, RecursionError) as error:
            raise saved.damaged(f"row {number} of its history is no JSON ({one_line(error)})") from error
        is_row = isinstance(row, dict) and all(each is None or is_number(each, finite=False) for each in row.values())
        if not is_row or row.get("epoch") != number or not is_count(row.get("step")):
            raise saved.damaged(f"row {number} of its history is not that of epoch {number}")
    return len(rows)


def check_progress(saved: Checkpoint, trainer: Trainer) -> None:
    """Raise UserError where what Lightning restores is missing or is not what this run can take."""
    content = saved.content
    for key in ("epoch", "global_step"):
        if not is_count(content.get(key)):
            raise saved.damaged(f"{key} is {brief(content.get(key))}, and should be a count")
    if not all(isinstance(state, dict) for state in content["callbacks"].values()):
        raise saved.damaged("callbacks holds something that is no state of a callback")
    check_callbacks(saved, trainer)
    check_loops(saved, trainer)
    check_within_epoch(saved)


def check_steps(saved: Checkpoint, optimizer: Optimizer, schedule: Any, arguments: Mapping[str, Any]) -> None:
    """As `check_progress`, of optimizer and schedule.

    Args:
        optimizer: as the run has it, over a copy of the run's network: it takes steps here.
        schedule: of that optimizer.
        arguments: of the optimizer's class, from the config.
    """
    check_schedule(saved, schedule)
    check_optimizer(saved, optimizer, arguments)


def check_callbacks(saved: Checkpoint, trainer: Trainer) -> None:
    """Raise UserError for a state that a callback of this run cannot take; Lightning leaves those of others alone.

    A user's own callback may keep what it likes.
    """
    for callback in trainer.callbacks:  # type: ignore[attr-defined]  # a property that Lightning does not declare
        known = type(callback).__module__.startswith(("optlab.", "lightning."))
        if known and callback.state_key in saved.content["callbacks"]:
            theirs = saved.content["callbacks"][callback.state_key]
            check_form(saved, without_lists(callback.state_dict()), theirs, f"callbacks.{callback.state_key}")


def without_lists(state: Mapping[str, Any]) -> dict[str, Any]:
    """The state but for what grows as a run goes, and for what may be None."""
    return {key: value for key, value in state.items() if value is not None and not isinstance(value, (list, Mapping))}


def check_loops(saved: Checkpoint, trainer: Trainer) -> None:
    """Raise UserError for counts of epochs and batches that are missing or are none."""
    try:
        content, _ = migrate_checkpoint(deepcopy({key: saved.content[key] for key in MIGRATED if key in saved.content}))
    except Exception as error:  # Lightning's steps from version to version read what they need without a look
        raise saved.damaged(f"it is not of a version that Lightning knows ({one_line(error)})") from error
    loops = content.get("loops")
    if not isinstance(loops, dict):
        raise saved.damaged("loops is missing")
    for name in LOOPS:
        check_form(saved, getattr(trainer, name).state_dict(), loops.get(name), f"loops.{name}")
    done = loops["fit_loop"]["epoch_progress"]["current"]["processed"]
    if done != epochs_of(saved):
        raise saved.damaged(f"loops.fit_loop counts {done} epochs, and its history {epochs_of(saved)}")
    loaders = loops["fit_loop"]["state_dict"].get("combined_loader", [{"seen": 0}])
    check_form(saved, [{"seen": 0}], loaders, "loops.fit_loop.state_dict.combined_loader")


def check_schedule(saved: Checkpoint, schedule: Any) -> None:
    """Raise UserError for the state of another schedule, or of other learning rates."""
    ours, theirs = schedule.state_dict(), only(saved, "lr_schedulers")
    check_form(saved, ours, theirs, "lr_schedulers")
    if ours.get("base_lrs") != theirs.get("base_lrs"):
        raise saved.damaged(f"lr_schedulers.base_lrs is {theirs.get('base_lrs')}, and was {ours.get('base_lrs')}")
    if shadowed := [key for key in theirs if callable(getattr(type(schedule), str(key), None))]:
        raise saved.damaged(f"lr_schedulers.{shadowed[0]} is not known")


def only(saved: Checkpoint, key: str) -> dict[str, Any]:
    """The one state in a list of states."""
    states = saved.content.get(key)
    if not isinstance(states, list) or len(states) != 1 or not isinstance(states[0], dict):
        raise saved.damaged(f"{key} should hold one state")
    state: dict[str, Any] = states[0]
    return state


def check_form(saved: Checkpoint, ours: Any, theirs: Any, path: str) -> None:
    """Raise UserError where `theirs` lacks a key of `ours`, or has another type there."""
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        if type(ours) is Counter:  # of milestones, which lie where they lie
            ours = {}
        for key, value in ours.items():
            if key not in theirs:
                raise saved.damaged(f"{path}.{key} is missing")
            check_form(saved, value, theirs[key], f"{path}.{key}")
    elif isinstance(ours, (list, tuple)) and isinstance(theirs, (list, tuple)) and len(ours) == len(theirs):
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            check_form(saved, one, other, f"{path}[{number}]")
    elif not same_kind(ours, theirs):
        raise saved.damaged(f"{path} is {brief(theirs)}, and should be like {brief(ours)}")


def same_kind(ours: Any, theirs: Any) -> bool:
    """Whether both are numbers (or tensors that hold one), both counts, or of the same other type."""
    if isinstance(ours, (bool, Mapping, list, tuple)) or isinstance(theirs, bool):
        return isinstance(ours, bool) and isinstance(theirs, bool)
    if is_count(ours):
        return is_scalar(theirs) and bool(0 <= theirs <= LARGEST_COUNT)
    if is_scalar(ours):
        return is_scalar(theirs) and (not math.isfinite(ours) or math.isfinite(theirs))
    return type(ours) is type(theirs)


def check_optimizer(saved: Checkpoint, optimizer: Optimizer, arguments: Mapping[str, Any]) -> None:
    """Raise UserError for a state of other parameters, or of another optimizer: a step each without and with it tells.

    What torch's own classes keep is known. Others keep what they like, and may change it as they go.
    """
    state = only(saved, "optimizer_states")
    if not isinstance(state.get("state"), dict) or not isinstance(state.get("param_groups"), list):
        raise saved.damaged("optimizer_states holds no state and param_groups")
    known = type(optimizer).__module__.startswith("torch.optim.")
    fixed = ("params", *(key for key in arguments if key not in SCHEDULED))
    ours = [
        {key: value for key, value in group.items() if key not in COMPUTES_BY and (known or key in (*fixed, "lr"))}
        for group in optimizer.state_dict()["param_groups"]
    ]
    check_groups(saved, ours, state["param_groups"], fixed)
    take_step(optimizer)
    reference = optimizer.state_dict()["state"]
    if reference and not state["state"] and saved.content["global_step"] > 0:
        raise saved.damaged("optimizer_states.state is empty")
    for number, values in state["state"].items() if known else ():
        where = f"optimizer_states.state.{number}"
        if number not in reference or not isinstance(values, dict):
            raise saved.damaged(f"{where} is no state of a parameter")
        if lacks := [key for key in reference[number] if key not in values]:
            raise saved.damaged(f"{where}.{lacks[0]} is missing")
        for key in KEPT & reference[number].keys():
            check_like(saved, reference[number][key], values[key], f"{where}.{key}")
    try:
        optimizer.load_state_dict(deepcopy(state))
        take_step(optimizer)
    except Exception as error:  # each class reads its state in its own way
        raise saved.damaged(f"its optimizer's state cannot be taken ({one_line(error)})") from error


def check_groups(saved: Checkpoint, ours: list[Any], theirs: list[Any], fixed: Iterable[str]) -> None:
    """Raise UserError for parameter groups of other parameters or settings, except for what a schedule moves."""
    where = "optimizer_states.param_groups"
    check_form(saved, ours, theirs, where)
    for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        for key in fixed:
            if key in one and as_lists(one[key]) != as_lists(other[key]):
                raise saved.damaged(f"{where}[{number}].{key} is {brief(other[key])}, and was {brief(one[key])}")


def check_like(saved: Checkpoint, ours: Any, theirs: Any, path: str) -> None:
    """Raise UserError unless both are tensors of one shape, or alike in another way."""
    if not isinstance(ours, Tensor):
        check_form(saved, ours, theirs, path)
    elif not is_plain(theirs) or theirs.shape != ours.shape or theirs.is_floating_point() != ours.is_floating_point():
        raise saved.damaged(f"{path} is {brief(theirs)}, and should be {brief(ours)}")


def take_step(optimizer: Optimizer) -> None:
    """One step down the sum of squares of the parameters."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = torch.stack([p.square().sum() for p in parameters]).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    with keeping_random_state():
        optimizer.step(closure)  # type: ignore[arg-type]  # torch's hint says float, its losses are tensors


def check_within_epoch(saved: Checkpoint) -> None:
    """Raise UserError for what a run needs to go on in the middle of an epoch, where it is there."""
    within = saved.content["optlab"].get("within_epoch")
    if within is None:
        return
    where = "optlab.within_epoch"
    if not isinstance(within, dict) or not is_count(within.get("seen")):
        raise saved.damaged(f"{where}.seen should be a count of batches")
    sums = within.get("sums")
    if not isinstance(sums, dict) or not is_scalar(sums.get("loss")) or not is_count(sums.get("samples")):
        raise saved.damaged(f"{where}.sums should hold loss and samples")
    counts = ["correct"] if sums.get("correct") is not None else []
    if counts and task_of(saved.data.task).answers == "positions":
        counts += ["positions"]
    for key in counts:
        if not is_scalar(sums.get(key)):
            raise saved.damaged(f"{where}.sums.{key} should be a number")
    for key in ("rng", *(["cuda_rng"] if "cuda_rng" in within else [])):
        state: Any = within.get(key)
        if not is_plain(state) or state.dtype != torch.uint8 or state.ndim != 1:
            raise saved.damaged(f"{where}.{key} is no state of a random generator")
    try:
        torch.Generator().set_state(within["rng"])
    except RuntimeError as error:
        raise saved.damaged(f"{where}.rng is no state of a random generator ({one_line(error)})") from error


def is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_COUNT


def is_number(value: Any, *, finite: bool = True) -> bool:
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) <= LARGEST_COUNT
    return isinstance(value, float) and (not finite or math.isfinite(value))


def is_scalar(value: Any) -> bool:
    """A number, or a tensor that holds one."""
    return is_number(value, finite=False) or (is_plain(value) and value.ndim == 0)


def as_lists(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def brief(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor {list(value.shape)}"
    if isinstance(value, (Mapping, Sequence)) and not isinstance(value, str):
        return f"a {type(value).__name__} of {len(value)}"
    return repr(value)[:40]
