"""What in a config goes by the planned number of epochs, so that a run of it cannot be made longer."""

from collections.abc import Mapping
from typing import Any

from optlab.record import identity

# Schedules whose lr does not depend on the length of the run, so that it may be extended.
OPEN_ENDED = ("constant", "step", "exponential", "plateau")
OURS = "optlab.callbacks."
OBSERVES = ("LearningRateMonitor",)  # of Lightning's callbacks: looks on, and keeps nothing


def is_laid_out(schedule: str, arguments: Mapping[str, Any]) -> bool:
    """Whether a schedule gives other learning rates in a run of another length."""
    return schedule not in OPEN_ENDED or bool(arguments.get("warmup_fraction"))


def goes_by_length(config: Mapping[str, Any]) -> str | None:
    """What in the config of a run goes by its length, or might, in words; None where nothing does.

    Code of a user's own may ask the Trainer how long it will be, and early stopping may have asked for the end in the
    last epoch.
    """
    schedule, module = config["lr"], config.get("module")
    if module:
        return "module is your own, which may go by the length"
    if is_laid_out(schedule["name"], schedule):
        warm = " with its warm-up" if schedule["name"] in OPEN_ENDED else ""
        return f"lr={schedule['name']}{warm} is laid out for the whole length"
    for name, callback in config["callbacks"].items():
        target = str((callback or {}).get("_target_", OURS))
        if not target.startswith(OURS) and target.rpartition(".")[2] not in OBSERVES:
            return f"callbacks.{name} may go by the length"
    return None


def without_length(config: Mapping[str, Any]) -> dict[str, Any]:
    """What two runs share that differ in their epochs alone."""
    kept = identity(config)
    kept.get("trainer", {}).pop("max_epochs", None)
    return kept
