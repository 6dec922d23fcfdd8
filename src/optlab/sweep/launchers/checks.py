"""Looking at configs in a worker, so that the process of the sweep needs no torch: importing it takes it seconds."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from optlab.adapters.forkserver import ForkServer
from optlab.adapters.process import Place, become_worker
from optlab.config import places
from optlab.config.changes import composing
from optlab.config.places import Places
from optlab.config.schema import Config
from optlab.errors import UserError


@dataclass(frozen=True)
class Checks:
    """Configs to look at, and where the command was typed."""

    parent: int
    place: Place
    found: Places
    configs: Sequence[dict[str, Any]]

    def refusal(self) -> str | None:
        """Why the first of them that cannot work does not; None where all can. For a worker of its own."""
        from optlab.check import check_config
        from optlab.inputs import missing

        become_worker(self.parent)
        self.place.enter(os.environ)
        try:
            with composing(self.found):
                for config in self.configs:
                    check_config(parsed := Config.parse(config))
                    missing(parsed)
        except UserError as error:
            return str(error)
        return None


def check_in_worker(server: ForkServer, configs: Sequence[Config]) -> bool:
    """Look at configs in a worker; whether it came to an answer, else this process is to look.

    Raises:
        UserError: for the first thing in a config that cannot work.
    """
    worker = server.start()
    with worker.pipe, suppress(EOFError, OSError):
        worker.pipe.send(Checks(os.getpid(), Place.here(), places.current(), [config.plain for config in configs]))
        refusal: str | None = worker.answer()
        if refusal is not None:
            raise UserError(refusal)
        return True
    return False
