"""Hostile values at every key of the config: one clear line that names the key, or a run that can be prepared.

Generated, in one process: what is refused is refused within milliseconds, and nothing is loaded or written before.
"""

import math
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from optlab.callbacks import Interruption
from optlab.check import check_config
from optlab.config import compose, resolve
from optlab.config.schema import Config
from optlab.errors import UserError
from optlab.inputs import Sources
from optlab.run import prepare

VALUES: list[Any] = [
    *(None, True, -1, 0, 10**30, -(2**63), 1.5, -0.5, 5e-324, 1e300),
    *(math.inf, -math.inf, math.nan),
    *("", " ", "\x00", "a\nb", "../../..", "/dev/null", "os.system", "${seed}", "null", "é" * 300),
    *([], [1, 0], [math.inf], ["a"], [[[]]], {}, {"a": 1}, {"_target_": "os.system"}, {"_target_": 5}),
]
PRESETS = {  # of each but the first, the groups that are named
    "default": [],
    "momentum": ["optimizer=momentum", "lr=onecycle", "loss=huber"],
    "lbfgs": ["optimizer=lbfgs", "lr=plateau", "model=mlp", "callbacks=early_stopping"],
    "rprop": ["optimizer=rprop", "lr=step", "model=resnet18", "dataset=cifar10"],
    "muon": ["optimizer=muon", "lr=cosine", "logger=csv"],
}
# Keys that say how and where a run is shown or kept; each has tests of its own.
ELSEWHERE = ("logger.wandb", "ckpt", "input", "sweep", "mode", "phase", "protocol")
PREPARED = ("default",)  # presets whose accepted values are also loaded and built


@cache
def composed(preset: str) -> dict[str, Any]:
    return resolve(compose([*PRESETS[preset], "trainer=cpu"]))


def paths(node: dict[str, Any], above: str = "") -> Iterator[str]:
    for key, value in node.items():
        yield above + key
        if isinstance(value, dict) and key != "search":
            yield from paths(value, f"{above}{key}.")


def with_value(config: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    config = deepcopy(config)
    *parents, key = path.split(".")
    node = config
    for parent in parents:
        node = node[parent]
    node[key] = deepcopy(value)
    return config


@pytest.mark.parametrize("preset", PRESETS)
def test_a_hostile_value_costs_one_line_that_names_its_key(preset: str, tmp_path: Path) -> None:
    sources: Sources = {}
    problems: list[str] = []
    tried = 0
    groups = {word.partition("=")[0] for word in PRESETS[preset]}
    for path in paths(composed(preset)):
        if groups and path.partition(".")[0] not in groups:
            continue
        for value in VALUES:
            tried += 1
            try:
                config = Config.parse(with_value(composed(preset), path, value))
                check_config(config)
                if preset in PREPARED and not path.startswith(ELSEWHERE):
                    prepare(config, tmp_path / "run", [], sources, Interruption())
            except UserError as error:
                line = str(error)
                if "\n" in line or "\x00" in line or len(line) > 1000 or path.partition(".")[0] not in line:
                    problems.append(f"{path}={value!r}: {line!r:.300}")
            except Exception as error:
                problems.append(f"{path}={value!r}: {type(error).__name__}: {error!s:.200}")
    assert tried > 500
    assert not problems, f"{len(problems)} of {tried}:\n" + "\n".join(problems)
    assert not any(tmp_path.iterdir())


# What was taken once, and means nothing: the preset, the key, the value, and what the line must say.
NONSENSE: list[tuple[str, str, Any, str]] = [
    ("default", "seed", 10**30, "at most 9223372036854775807"),
    ("default", "dataset.split_seed", 2**63, "at most 9223372036854775807"),
    ("default", "optimizer.eps", math.inf, "finite number"),
    ("default", "optimizer.weight_decay", math.inf, "finite number"),
    ("default", "dataset.std", [math.inf], "finite number"),
    ("default", "trainer.gradient_clip_val", math.inf, "finite number"),
    ("default", "callbacks.divergence.bound", -1.0, "above 0"),
    ("default", "callbacks.divergence.bound", 0.0, "above 0"),
    ("default", "callbacks.divergence.bound", math.nan, "finite number"),
    ("default", "callbacks.divergence.bound", -math.inf, "finite number"),
    ("default", "callbacks.nope", 1, "a _target_ with its arguments"),
    ("default", "lr.warmup_fraction", {"a": 1}, "a number"),
    ("lbfgs", "optimizer.max_iter", 0, "1 or more"),
    ("lbfgs", "callbacks.early_stopping.patience", -1, "0 or more"),
    ("rprop", "optimizer.step_sizes", [1, 0], "the second larger than the first"),
    ("momentum", "optimizer.momentum", 2, "at most 1"),
    ("momentum", "optimizer.dampening", 5, "at most 1"),
    ("muon", "logger.csv", 5, "keys with values"),
]


@pytest.mark.parametrize(("preset", "path", "value", "words"), NONSENSE)
def test_a_number_that_means_nothing_is_refused(preset: str, path: str, value: Any, words: str) -> None:
    with pytest.raises(UserError) as error:
        check_config(Config.parse(with_value(composed(preset), path, value)))
    assert path in str(error.value)
    assert words in str(error.value)


@pytest.mark.parametrize("word", ["trainer.accelerator=tpu", "trainer.precision=transformer-engine"])
def test_what_this_machine_lacks_is_one_line(word: str, tmp_path: Path) -> None:
    key, value = word.split("=")
    config = Config.parse(with_value(composed("default"), key, value))
    with pytest.raises(UserError, match="trainer"):
        prepare(config, tmp_path / "run", [], {}, Interruption())
