"""A run's configuration in words: everything but the seed, so that runs that say the same differ by chance alone.

Trackers group runs by this text: mean and spread over seeds are then theirs to draw.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from optlab.record import identity

NAMED = ("model", "dataset", "loss")  # groups whose option is said as it is typed: model=mlp
KEY = re.compile(r"[\w+-]+")
TEXT = re.compile(r"[\w.+/:-]+")
ABSENT = object()


def configuration(config: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """`adam lr=0.001 constant`, then whatever is not as given: `sgd lr=0.1 momentum=0.5 cosine model=mlp`.

    Two runs have the same words exactly if their configs differ in the seed alone, or in what cannot change the
    result (see `optlab.record.NOT_IDENTITY`: the phase of a study, loggers, the sweep's name and so on).

    Args:
        config: of the run, resolved.
        given: what these options are without any other override, in the form of the config. It must follow from the
            names of the options in `config`, or the same words could mean two things.
    """
    rest, usual = identity(config), identity(given)
    rest.pop("seed", None)
    optimizer, schedule = rest.pop("optimizer"), rest.pop("lr")
    usual_optimizer = {key: each for key, each in usual.pop("optimizer", {}).items() if key not in ("name", "lr")}
    usual_schedule = {key: each for key, each in usual.pop("lr", {}).items() if key != "name"}
    words = [text(optimizer.pop("name")), f"lr={value(optimizer.pop('lr'))}"]
    words += differences(optimizer, usual_optimizer)
    words += [text(schedule.pop("name")), *differences(schedule, usual_schedule, "lr.")]
    for group in NAMED:
        mine, theirs = ({group: node.pop(group)} if group in node else {} for node in (rest, usual))
        words += [word.replace(".name=", "=", 1) for word in differences(mine, theirs)]
    usual.pop("seed", None)
    return " ".join([*words, *differences(rest, usual)])


def differences(config: Mapping[str, Any], given: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """What is not as given, by dotted keys in alphabetical order, a name first; `~key` where there is none."""
    for key in sorted({*config, *given}, key=lambda key: (key != "name", key)):
        name = f"{path}{key if KEY.fullmatch(key) else json.dumps(key)}"
        mine, theirs = config.get(key, ABSENT), given.get(key, ABSENT)
        if mine is ABSENT:
            yield f"~{name}"
        elif isinstance(mine, dict) and (mine or isinstance(theirs, dict)):
            yield from differences(mine, theirs if isinstance(theirs, dict) else {}, f"{name}.")
        elif theirs is ABSENT or value(mine) != value(theirs):
            yield f"{name}={value(mine)}"


def value(node: Any) -> str:
    """A value in one word: 0.1, null, [0.9,0.99], relu."""
    return text(node) if isinstance(node, str) else json.dumps(node, sort_keys=True, separators=(",", ":"))


def text(words: str) -> str:
    """A text by itself, or in quotes where it could be read as something else."""
    try:
        json.loads(words)
    except ValueError:
        if TEXT.fullmatch(words):
            return words
    return json.dumps(words, ensure_ascii=False)
