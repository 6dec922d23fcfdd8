"""What the options that a config names are without any other override, read from the config folders without Hydra.

Only to say a run's configuration in few words (`optlab.rules.configuration`): whatever does not stand here is said.
"""

from collections.abc import Mapping
from typing import Any

from optlab.config import places
from optlab.rules import configuration as rule

BY_NAME = ("optimizer", "lr", "model", "dataset", "loss")  # groups whose options write their name into the config
USUAL = ("model", "dataset", "loss")  # of them, those whose usual option goes without saying
BY_DEFAULT = ("trainer", "callbacks")  # groups whose options do not: those of the defaults list are the usual ones


def configuration(config: Mapping[str, Any]) -> str:
    """A run's configuration in words, everything but the seed: `adam lr=0.001 constant`."""
    return rule.configuration(config, given(config))


def given(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config of these options: conf/train.yaml with the file of each option that the config names."""
    top = contents("", "train")
    usual = {group: str(name) for entry in top["defaults"] if isinstance(entry, dict) for group, name in entry.items()}
    found = {key: each for key, each in top.items() if key not in ("defaults", "hydra")}
    for group in BY_DEFAULT:
        found[group] = found.get(group, {}) | contents(group, usual[group])
    for group in BY_NAME:
        found[group] = option(group, str(config.get(group, {}).get("name")))
    for group in USUAL:
        found[group] |= {"name": usual[group]}
    return found


def option(group: str, name: str) -> dict[str, Any]:
    """The file of an option; for an optimizer that has none that of `custom`, which is called by its class."""
    if group != "optimizer" or places.file_of(group, name) is not None:
        return contents(group, name)
    return contents(group, "custom") | {"name": name, "_target_": name}


def contents(group: str, name: str) -> dict[str, Any]:
    """The content of a file of conf/, without what it inherits."""
    return {key: each for key, each in places.content_of(group, name).items() if group == "" or key != "defaults"}
