"""The typed config: what it refuses and in which words, and that typing changes nothing of what was composed."""

import json
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from optlab.config import compose, resolve
from optlab.config.schema import Config
from optlab.errors import UserError
from optlab.record import run_id
from tests.config.values import changed, default, option

# The identities of runs that lie on people's disks: whatever becomes of the config, these stay.
OPTIMIZERS = {
    "adadelta": "7d7f292a",
    "adagrad": "f9f01d93",
    "adam": "170791e5",
    "adamax": "203f8092",
    "adamw": "e34ab40d",
    "asgd": "0d288c0e",
    "lbfgs": "5354fabf",
    "momentum": "22e14152",
    "muon": "4779a4c4",
    "nadam": "246960cb",
    "nesterov": "9951edeb",
    "radam": "35c04167",
    "rmsprop": "7d1c4d2f",
    "rprop": "a5551d52",
    "sgd": "b4300608",
}
COMMANDS = {
    "optimizer=custom optimizer._target_=torch.optim.SGD": "6c570bbb",
    "experiment=compare_cifar10": "f5f9c580",
    "experiment=compare_digits": "74247a9e",
    "experiment=deepobs_3c3d": "64fc2594",
    "experiment=notes_cnn": "dac96bee",
    "experiment=notes_line": "8c644f00",
    "model=resnet18 lr=onecycle trainer=cpu": "f5d72b87",
    "dataset=image_folder dataset.root=photos loss=huber": "7a4e8ff7",
    "optimizer.lr=1 trainer.gradient_clip_val=1 trainer.limit_val_batches=1": "d70a9e8e",  # whole numbers for floats
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_keeps_its_identity(name: str) -> None:
    config = Config.parse(changed("optimizer", option("optimizer", name)))
    assert run_id(config.plain) == OPTIMIZERS[name]


@pytest.mark.parametrize("words", COMMANDS)
def test_typing_changes_nothing_of_what_was_composed(words: str) -> None:
    composed = resolve(compose(words.split()))
    config = Config.parse(composed)
    assert run_id(config.plain) == COMMANDS[words]
    assert json.dumps(config.plain) == json.dumps(composed)


MISTAKES: dict[str, list[tuple[Any, str]]] = {
    "seed": [(-1, "seed=-1: must be 0 or more"), (True, "seed=True: must be a whole number")],
    "batch_size": [
        (0, "batch_size=0: must be 1 or more"),
        (2**63, f"batch_size={2**63}: must fit into 64 bits, so at most {2**63 - 1}"),
        (10**400, "must fit into 64 bits"),
    ],
    "metric": [("test/f1", "metric=test/f1: must be val/f1, as nothing is chosen on the test split")],
    "engine": [("grph", "engine=grph: must be one of auto, graph, loop, eager")],
    "batchsize": [(32, "batchsize: there is no such group or key; leave it out (python train.py --help lists them)")],
    "dataset": [
        (..., "dataset is missing; type dataset=OPTION (python train.py --help lists them)"),
        (None, "dataset is missing; type dataset=OPTION (python train.py --help lists them)"),
    ],
    "dataset.val_size": [
        ("some", "dataset.val_size=some: must be a whole number or a number"),
        (1.0, "dataset.val_size=1.0: must be below 1"),
    ],
    "optimizer.lr": [
        (-0.1, "optimizer.lr=-0.1: must be 0 or more"),
        ("fast", "optimizer.lr=fast: must be a number"),
        (float("inf"), "optimizer.lr=inf: must be a finite number"),
        (..., "optimizer.lr is missing; type optimizer.lr=VALUE"),
    ],
    "optimizer.eps": [(float("inf"), "optimizer.eps=inf: must be a finite number")],  # whatever the class allows
    "dataset.std": [([float("nan")], "dataset.std=[nan]: must be finite numbers")],
    "optimizer.channels_last": [(0, "optimizer.channels_last=0: must be true or false")],
    "optimizer.search": [([1], "optimizer.search=[1]: must be keys with values or null")],
    "model._target_": [(..., "model._target_ is missing; type model._target_=VALUE")],
    "trainer.max_epochs": [
        (0, "trainer.max_epochs=0: must be 1 or more"),
        (-1, "trainer.max_epochs=-1 trains for ever; give it an end with trainer.max_steps=1000"),
    ],
    "trainer.limit_train_batches": [(0, "trainer.limit_train_batches=0: must be 1 or more")],
    "trainer.gradient_clip_val": [(float("inf"), "trainer.gradient_clip_val=inf: must be a finite number")],
    "callbacks": [(3, "callbacks is missing; type callbacks=OPTION (python train.py --help lists them)")],
    "callbacks.nope": [
        (1, "callbacks.nope=1: must be a _target_ with its arguments or null"),
        ({}, "callbacks.nope._target_ is missing; type callbacks.nope._target_=VALUE"),
    ],
    "logger.nope": [
        (
            {},
            "logger.nope: not a logger; known: csv, tensorboard, wandb, mlflow, aim, swanlab; "
            "any other of Lightning's kind: +logger.nope._target_=package.module.Class",
        )
    ],
    "logger.csv": [(5, "logger.csv=5: must be keys with values or null")],
    "logger.wandb.mode": [
        ("online", "logger.wandb.mode=online: must be one of auto, offline; logger=none does without W&B"),
    ],
}


@pytest.mark.parametrize(
    ("path", "value", "words"), [(path, *each) for path, mistakes in MISTAKES.items() for each in mistakes]
)
def test_what_does_not_fit_is_named_with_what_is_allowed(path: str, value: Any, words: str) -> None:
    with pytest.raises(UserError) as error:
        Config.parse(changed(path, value))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_of_several_mistakes_an_unknown_key_is_named_first_and_then_a_missing_group() -> None:
    values = changed("seed", -1) | {"model": None, "nope": 1}
    for words, corrected in (("nope: there", {}), ("model is missing", {"model": default()["model"]}), ("seed=-1", {})):
        with pytest.raises(UserError, match=words):
            Config.parse(values)
        values = {key: value for key, value in values.items() if key != "nope"} | corrected


def test_an_option_tells_the_arguments_of_its_callable_from_its_own_keys() -> None:
    config = Config.parse(changed("dataset._convert_", "all"))
    assert config.optimizer.target == "torch.optim.Adam"
    assert config.optimizer.arguments.keys() == {"lr", "betas", "eps", "amsgrad", "weight_decay"}
    assert config.dataset.arguments.keys() == {"mean", "std"}
    assert Config.parse(changed("model.target", 1)).model.arguments == {"activation": "relu", "target": 1}
    assert isinstance(Config.parse(changed("optimizer.lr", 1)).optimizer.arguments["lr"], int)


def test_a_changed_config_is_another_one_and_checked_as_well() -> None:
    config = Config.parse(default())
    other = config.with_(
        ckpt="last.ckpt",
        trainer=config.trainer.with_(compile=True),
        callbacks=config.callbacks | {"progress": None},
    )
    assert (other.ckpt, other.trainer.compile, other.callbacks["progress"]) == ("last.ckpt", True, None)
    assert other.plain["trainer"] == config.plain["trainer"] | {"compile": True}
    assert other.plain["callbacks"].keys() == config.plain["callbacks"].keys()
    assert config.plain == default()
    with pytest.raises(UserError, match="seed=-1"):
        config.with_(seed=-1)


def test_nothing_that_is_done_to_the_composed_values_or_to_the_config_changes_it() -> None:
    values = deepcopy(default())
    config = Config.parse(values)
    values["optimizer"]["lr"] = 3
    assert config.plain["optimizer"]["lr"] == config.optimizer.lr == 0.001
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 1


def test_a_misspelt_key_is_seen_by_mypy() -> None:
    """Where mypy no longer sees one of these, it says that the comment is not needed."""
    config = Config.parse(default())
    misspelt: list[Callable[[], object]] = [
        lambda: config.sed,  # type: ignore[attr-defined]
        lambda: config.trainer.max_epoch,  # type: ignore[attr-defined]
        lambda: config.optimizer.Ir,  # type: ignore[attr-defined]
    ]
    for read in misspelt:
        with pytest.raises(AttributeError):
            read()


def test_a_config_is_read_without_torch_and_hydra() -> None:
    code = "import sys, optlab.config.schema; print([m for m in ('torch', 'lightning', 'hydra') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
