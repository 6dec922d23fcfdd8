"""Configs for the tests of this folder: composed once, and then changed by hand."""

from copy import deepcopy
from functools import cache
from typing import Any

from omegaconf import OmegaConf

from optlab.config import CONFIG_FOLDER, compose, resolve


@cache
def default() -> dict[str, Any]:
    """What `python train.py` composes; not to be changed."""
    return resolve(compose())


def option(group: str, name: str) -> dict[str, Any]:
    """The content of an option's file."""
    loaded = OmegaConf.to_container(OmegaConf.load(CONFIG_FOLDER / group / f"{name}.yaml"))
    assert isinstance(loaded, dict)
    return {str(key): value for key, value in loaded.items()}


def changed(path: str, value: Any, config: dict[str, Any] | None = None) -> dict[str, Any]:
    """The default config, or another one, with another value at a path; `...` removes what is there."""
    config = deepcopy(default() if config is None else config)
    *parents, key = path.split(".")
    node = config
    for parent in parents:
        node = node[parent]
    node[key] = value
    if value is ...:
        del node[key]
    return config
