"""Sweeps made by hand: run folders as a run writes them, with the numbers that a test chooses."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from optlab.analysis.judge.contest import Contest
from optlab.analysis.judge.verdict import judge
from optlab.analysis.read.published import Published
from optlab.analysis.show.colors import Palette
from optlab.analysis.show.figures.subject import Subject
from optlab.record import RunRecord, Status, job_name, write_metrics

CLASSES = 10


def make_run(
    sweep: Path,
    optimizer: str = "adam",
    lr: float = 0.001,
    seed: int = 0,
    *,
    val: float | None = 0.9,
    test: float | None = None,
    train: float | None = None,
    status: Status = "finished",
    phase: str = "train",
    schedule: str = "constant",
    dataset: str = "digits",
    epochs: int = 4,
    curve: Sequence[float] | None = None,
    test_curve: Sequence[float] | None = None,
    seconds: float = 1.0,
    best_epoch: int | None = None,
    config: Mapping[str, Any] | None = None,
    arguments: Mapping[str, Any] | None = None,
    overrides: Sequence[str] | None = None,
    numerics: Mapping[str, Any] | None = None,
    began: float | None = None,
    host: str | None = None,
    costs: Mapping[str, float | None] | None = None,
) -> Path:
    """Write one run and return its folder.

    `val`, `test`, `train` are final accuracies, `curve` is val/acc by epoch, `test_curve` test/acc where it is kept.
    A run that `began` at some second trained from then on for as long as its clock says.
    """
    full: dict[str, Any] = {
        "seed": seed,
        "batch_size": 64,
        "phase": phase,
        "trainer": {"max_epochs": epochs, "limit_train_batches": None, "accumulate_grad_batches": 1},
        "model": {"name": "cnn"},
        "optimizer": {"name": optimizer, "lr": lr, **(arguments or {})},
        "lr": {"name": schedule},
        "dataset": {"name": dataset, "augment": "none"},
        "loss": {"name": "cross_entropy"},
        **(config or {}),
    }
    typed = [f"optimizer={optimizer}", f"optimizer.lr={lr:g}", f"seed={seed}"]
    record = RunRecord.begin(full, typed if overrides is None else overrides)
    record.status = status
    record.numerics = dict(numerics or {})
    record.data = {"train": 1000, "val": 200, "test": 400, "outputs": CLASSES, "fingerprint": dataset}
    rows = history(val, train, epochs, curve, seconds, lr) if status != "failed" else []
    for row, value in zip(rows, test_curve or [], strict=False):
        row |= {"test/loss": 1 - value, "test/acc": value}
    if status == "diverged":
        rows = rows[:2]
        rows[-1] |= {name: math.nan for name in rows[-1] if "/" in name}
        record.diverged = {"metric": "train/loss", "value": None, "epoch": 2, "step": 32}
        record.metrics = {"val/acc": None, "train/acc": None}
    elif status == "finished":
        record.metrics = {name: value for name, value in rows[-1].items() if "/" in name}
        if phase != "tune" and test is not None:
            record.metrics |= {"test/acc": float(test), "test/loss": 1 - float(test)}
    elif status == "failed":
        record.error = {"type": "RuntimeError", "message": "out of memory"}
    if status not in ("running", "failed"):
        record.data["metric"] = "val/acc"
        finite = [(row["val/acc"], row["epoch"]) for row in rows if math.isfinite(row["val/acc"])]
        value, epoch = max(finite, key=lambda pair: pair[0])
        record.best = {"metric": "val/acc", "value": value, "epoch": best_epoch or epoch}
    record.epochs, record.steps = len(rows), 16 * len(rows)
    record.timing = {"fit_seconds": seconds * len(rows)}
    if began is not None:
        record.timing |= {"began": began, "ended": began + seconds * len(rows)}
    record.environment = {"device": "cpu", "host": host} if host else {}
    record.costs = dict(costs or {})
    folder = sweep / job_name(full)
    folder.mkdir(parents=True, exist_ok=True)
    (sweep / "multirun.yaml").touch()
    record.write(folder)
    write_metrics(folder / "metrics.csv", rows)
    return folder


def history(
    val: float | None, train: float | None, epochs: int, curve: Sequence[float] | None, seconds: float, lr: float
) -> list[dict[str, Any]]:
    """Rows that rise to the final values and stay there for the last two epochs, or that follow `curve`."""
    final = 0.5 if val is None else float(val)
    rising = [final * (1 - 0.5 ** (e + 1)) for e in range(epochs)]
    values = [float(value) for value in curve] if curve is not None else [*rising[:-2], final, final][-epochs:]
    return [
        {
            "epoch": e + 1,
            "step": 16 * (e + 1),
            "seconds": round(seconds * (e + 1), 4),
            "lr": lr,
            "train/loss": 1 - value,
            "train/acc": min(1.0, value + 0.01) if train is None else train,
            "val/loss": 1.1 - value,
            "val/acc": value,
        }
        for e, value in enumerate(values)
    ]


def make_sweep(sweep: Path, values: Mapping[str, Sequence[float]], **more: Any) -> Path:
    """One run a value, seeds from 0; a test accuracy a point below validation."""
    for optimizer, finals in values.items():
        for seed, final in enumerate(finals):
            make_run(sweep, optimizer, seed=seed, val=final, test=final - 0.01, **more)
    return sweep


def make_study(sweep: Path, seeds: int = 5, **more: Any) -> Path:
    """Four optimizers, three learning rates, two tuning seeds, a divergence, confirmation on fresh seeds."""
    centres = {"sgd": 0.1, "momentum": 0.03, "adam": 0.001, "rmsprop": 0.001}
    levels = {"sgd": 0.90, "momentum": 0.95, "adam": 0.952, "rmsprop": 0.93}
    for optimizer, centre in centres.items():
        for factor in (0.1, 1.0, 10.0):
            lr = float(f"{centre * factor:.3g}")
            for seed in (0, 1):
                final = levels[optimizer] - 0.05 * abs(math.log10(factor)) + 0.002 * seed
                status: Status = "diverged" if factor == 10 and optimizer == "sgd" and seed else "finished"
                make_run(sweep, optimizer, lr, seed, val=final, status=status, phase="tune", epochs=6, **more)
        for seed in range(2, 2 + seeds):
            wobble = 0.004 * math.sin(7 * seed + len(optimizer))
            final = levels[optimizer] + wobble
            make_run(sweep, optimizer, centre, seed, val=final, test=final - 0.005, phase="confirm", epochs=6, **more)
    hydra = {"overrides": {"hydra": ["hydra.mode=MULTIRUN", "hydra/sweeper=study"], "task": ["optimizer=sgd,adam"]}}
    (sweep / "multirun.yaml").write_text(json.dumps({"hydra": hydra}))
    return sweep


def subject(contest: Contest, published: Published | None = None) -> Subject:
    """What figures of a contest are made from, as in a report of it alone."""
    return Subject(contest, judge(contest), published, Palette.of(c.optimizer for c in contest.contenders))
