"""What runs on disk took: the time between the first and the last file of a run, shared out as its record says."""

from collections.abc import Iterable
from pathlib import Path
from statistics import median

from optlab.record import RECORD_FILE, RunRecord
from optlab.sweep.price.measured import Measured, configuration
from optlab.sweep.price.plan import Planned


def recorded(runs: Iterable[Planned]) -> dict[str, Measured]:
    """The cost of each configuration of which there is a run that was finished, by `configuration`."""
    found: dict[str, list[Measured]] = {}
    for run in runs:
        if run.outcome is None or run.outcome.state != "finished" or run.config.mode != "train":
            continue
        assert run.outcome.record is not None
        if (cost := cost_of(run.outcome.record, run.outcome.job.folder)) is not None:
            found.setdefault(configuration(run.config), []).append(cost)
    return {key: middle(costs) for key, costs in found.items()}


def cost_of(record: RunRecord, folder: Path) -> Measured | None:
    """The parts of what a run took; None where its record does not say."""
    fit, step = record.timing.get("fit_seconds"), record.timing.get("step_milliseconds")
    set_up = record.timing.get("setup_seconds")
    if not (fit and step and set_up is not None and record.epochs and record.steps):
        return None
    batches = record.steps * record.config.get("trainer", {}).get("accumulate_grad_batches", 1)
    began, ended = record.timing.get("began"), record.timing.get("ended")
    trained = ended - began if began is not None and ended is not None else 0.0
    besides = max(0.0, wall(folder) - fit - set_up, trained - fit)
    return Measured(
        step_ms=1000 * fit / batches,
        epoch_steps=round(batches / record.epochs),
        epoch_ms=1000 * besides / record.epochs,
        run_ms=1000 * set_up,
        test_ms=0.0,  # it is among what is besides
        host_mib=record.costs.get("peak_host_mib"),
        device_mib=record.costs.get("peak_device_mib"),
        metric=str(record.data.get("metric", "")),
        run_bytes=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        source="runs",
    )


def wall(folder: Path) -> float:
    """Seconds from the config that Hydra wrote as the run began to its record; 0 where either is missing."""
    try:
        return (folder / RECORD_FILE).stat().st_mtime - (folder / ".hydra" / "config.yaml").stat().st_mtime
    except OSError:
        return 0.0


def middle(costs: list[Measured]) -> Measured:
    """The run whose step is the median of all."""
    wanted = median(cost.step_ms for cost in costs)
    return min(costs, key=lambda cost: abs(cost.step_ms - wanted))
