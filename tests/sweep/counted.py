"""A data set that writes down in which phase of a study, and by which function, its test images are read."""

import sys
from dataclasses import replace
from typing import Any, NamedTuple

from hydra.core.hydra_config import HydraConfig

from optlab.data import Arrays, Source
from optlab.data import digits as plain_digits


class Access(NamedTuple):
    """Who had the test images, in which run's phase."""

    phase: str
    reader: str


accesses: list[Access] = []  # in order


class Counted(Arrays):
    """Arrays that note who reads their inputs."""

    def __getattribute__(self, name: str) -> Any:
        if name == "inputs":
            words = HydraConfig.get().overrides.task
            [phase] = [word.removeprefix("phase=") for word in words if word.startswith("phase=")]
            accesses.append(Access(phase, sys._getframe(1).f_code.co_name))
        return super().__getattribute__(name)


def digits() -> Source:
    """The embedded digits with a watched test part."""
    source = plain_digits()
    return replace(source, test=Counted(source.test.inputs, source.test.targets))
