"""Looking at configs in a worker, so that the process of the sweep needs no torch: importing it takes it seconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from optlab.adapters.forkserver import ForkServer
from optlab.config.schema import Config
from optlab.sweep.launchers.questions import NoAnswer, asking


@dataclass(frozen=True)
class Checks:
    """Whether these configs can work.

    Attributes:
        configs: plain, as `Config.parse` takes them.
    """

    configs: Sequence[dict[str, Any]]

    def answer(self) -> None:
        """Look at each of them.

        Raises:
            UserError: for the first thing in one that cannot work.
        """
        from optlab.check import check_config
        from optlab.inputs import missing

        for config in self.configs:
            check_config(parsed := Config.parse(config))
            missing(parsed)


def check_in_worker(server: ForkServer, configs: Sequence[Config]) -> bool:
    """Look at configs in a worker; whether it came to an answer, else this process is to look.

    Raises:
        UserError: for the first thing in a config that cannot work.
    """
    try:
        with asking(server) as ask:
            ask(Checks([config.plain for config in configs]))
    except NoAnswer:
        return False
    return True
