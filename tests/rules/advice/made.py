"""Runs made by hand, in the numbers that advice is drawn from: a good run, but for what a test changes."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from optlab.record import RunRecord
from optlab.rules.advice import Evidence
from optlab.rules.instruments import ALL, Row

EPOCHS = 30
SETTLED = [2.3 * math.exp(-e / 3) + 0.02 for e in range(EPOCHS)]  # the loss of a run that has learned
GUESSING = math.log(10)
USUAL = {"gradient_norm": 0.5, "update_ratio": 2e-3, "cosine": 0.5, "loss_change": -1e-3, "dead_units": 0.1}


def straight(start: float, end: float, n: int = EPOCHS) -> list[float]:
    """A straight line of n points."""
    return [float(value) for value in np.linspace(start, end, n)]


def rows(layer: str, epochs: int, values: Mapping[str, Any]) -> list[Row]:
    """A measurement an epoch; a sequence has a value each."""
    of = {name: value if isinstance(value, Sequence) else [value] * epochs for name, value in values.items()}
    return [Row(e + 1, 40 * e + 1, layer, {name: value[e] for name, value in of.items()}) for e in range(epochs)]


def run(
    train: Sequence[float] = SETTLED,
    val: Sequence[float] | None = None,
    rates: Sequence[float] | None = None,
    layers: Mapping[str, Any] | None = None,
    **measured: Any,
) -> Evidence:
    """A run of ten classes.

    Args:
        train, val: losses by epoch; without val, a little above train.
        rates: the learning rate of each epoch; constant without.
        layers: what was measured in single layers, as `measured` is of all; the rest is usual.
    """
    config = {
        "optimizer": {"name": "sgd", "lr": 0.1},
        "lr": {"name": "constant" if rates is None else "step"},
        "trainer": {"max_epochs": len(train), "max_steps": -1, "gradient_clip_val": None},
        "model": {"name": "mlp", "activation": "relu"},
        "module": None,
        "dataset": {"name": "digits"},
        "loss": {"name": "cross_entropy"},
        "test_weights": "last",
        "seed": 0,
        "phase": "train",
    }
    record = RunRecord.begin(config, ["optimizer=sgd", "optimizer.lr=0.1", "seed=0"])
    record.status = "finished"
    record.data = {"outputs": 10, "task": "classification"}
    n = len(train)
    history = [
        {"epoch": e + 1, "step": 40 * (e + 1), "lr": 0.1 if rates is None else rates[e], "train/loss": train[e]}
        | {"val/loss": train[e] + 0.05 if val is None else val[e]}
        for e in range(n)
    ]
    found = rows(ALL, n, USUAL | measured)
    for layer, values in (layers or {"layers.1": {}, "layers.3": {}}).items():
        found += rows(layer, n, USUAL | dict(values))
    return Evidence.of(record, history, found)
