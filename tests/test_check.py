"""What the called classes and functions know of a config, and what they do not check themselves."""

from typing import Any

import pytest

from optlab.check import check_config
from optlab.config.schema import Config
from optlab.errors import UserError
from tests.config.values import changed, default, option

EARLY_STOPPING = {"_target_": "lightning.pytorch.callbacks.EarlyStopping", "monitor": "val/loss", "patience": 5}

# (options of groups, the path of a value, the value, what the line says)
MISTAKES: list[tuple[dict[str, str], str, Any, str]] = [
    ({}, "dataset.augment", "flip", "dataset.augment=flip: must be one of none, crop_flip, deepobs"),
    ({}, "dataset.depth", 3, "dataset.depth: digits takes no 'depth'; it takes mean, std"),
    ({}, "model.activation", 3, "model.activation=3: must be"),
    ({}, "model.width", 3, "model.width: CNN takes no 'width'; it takes activation"),
    ({}, "lr.warmup_fraction", {"a": 1}, "lr.warmup_fraction={'a': 1}: must be a number"),
    ({}, "loss.label_smoothing", 2.0, "loss.label_smoothing=2.0: must be at most 1"),
    ({}, "optimizer.betas", [0.9], "optimizer.betas=[0.9]: must be a list of 2 values, each a number"),
    ({}, "trainer.max_epoch", 3, "trainer.max_epoch: Trainer takes no 'max_epoch'"),
    ({}, "callbacks.progress.every", 3, "callbacks.progress.every: Progress takes no 'every'"),
    ({}, "callbacks.progress.bar", {}, "callbacks.progress.bar={}: must be true or false"),
    ({}, "callbacks.x", EARLY_STOPPING | {"patience": -1}, "callbacks.x.patience=-1: must be 0 or more"),
    ({}, "callbacks.x", EARLY_STOPPING | {"monitor": "test/acc"}, "nothing is chosen on the test split"),
    ({"optimizer": "sgd"}, "optimizer.momentum", 2, "optimizer.momentum=2: must be at most 1"),
    ({"optimizer": "momentum"}, "optimizer.dampening", 5, "optimizer.dampening=5: must be at most 1"),
    ({"optimizer": "rmsprop"}, "optimizer.momentum", 2, "optimizer.momentum=2: must be at most 1"),
    ({"optimizer": "lbfgs"}, "optimizer.max_iter", 0, "optimizer.max_iter=0: must be 1 or more"),
    ({"optimizer": "rprop"}, "optimizer.step_sizes", [1, 0], "optimizer.step_sizes=[1, 0]: must be a list of 2 values"),
]


def with_options(options: dict[str, str]) -> dict[str, Any]:
    return default() | {group: option(group, name) for group, name in options.items()}


@pytest.mark.parametrize(("options", "path", "value", "words"), MISTAKES)
def test_what_a_callable_cannot_take_is_named(options: dict[str, str], path: str, value: Any, words: str) -> None:
    config = Config.parse(changed(path, value, with_options(options)))
    with pytest.raises(UserError) as error:
        check_config(config)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "path", "value"),
    [
        ({}, "callbacks.x", EARLY_STOPPING | {"patience": 0}),
        ({}, "callbacks.progress", None),
        ({}, "lr.warmup_fraction", 0.5),
        ({"optimizer": "sgd"}, "optimizer.momentum", 0.99),
        ({"optimizer": "lbfgs"}, "optimizer.max_eval", 3),
        ({"optimizer": "rprop"}, "optimizer.step_sizes", [1e-6, 50]),
        ({"optimizer": "adam"}, "optimizer.lr", 1),
    ],
)
def test_what_can_work_passes(options: dict[str, str], path: str, value: Any) -> None:
    check_config(Config.parse(changed(path, value, with_options(options))))
