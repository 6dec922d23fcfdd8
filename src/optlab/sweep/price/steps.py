"""What is asked before runs are made: what ten steps of each configuration take, and what has to be downloaded first.

All need torch, and the steps take memory of a GPU: a worker answers that then ends, or this process where there is
none (`optlab.sweep.launchers.questions`). Light at import.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from optlab.adapters.process import import_lightning
from optlab.config.schema import Config
from optlab.errors import UserError
from optlab.sweep.price.measured import Measured
from optlab.sweep.shelf import behind


@dataclass(frozen=True)
class Steps:
    """What runs of these configs cost, by ten steps of each.

    Attributes:
        configs: plain, as `Config.parse` takes them.
        threads: see `optlab.sweep.price.measure`.
        strict: a config that its run would refuse is refused, and else one whose cost is not known.
        offline: nothing is downloaded, so that the cost of a config whose data are not here yet is not known.
    """

    configs: Sequence[dict[str, Any]]
    threads: int | None = None
    strict: bool = True
    offline: bool = False

    def answer(self) -> list[Measured | str]:
        """For each config its cost, or why it is not known.

        Raises:
            UserError: see `strict`.
        """
        import_lightning()
        sources = behind({})
        return [self.cost_of(Config.parse(config), sources) for config in self.configs]

    def cost_of(self, config: Config, sources: Any) -> Measured | str:
        from optlab.inputs import missing
        from optlab.sweep.price.measure import NotMeasured, measure

        try:
            if self.offline and missing(config) is not None:
                return "its data are not here yet"
            return measure(config, sources, self.threads)
        except NotMeasured as reason:
            return str(reason)
        except UserError as refusal:
            if self.strict:
                raise
            return str(refusal)


@dataclass(frozen=True)
class Downloads:
    """What runs of these configs have to download first.

    Attributes:
        configs: plain, as `Config.parse` takes them.
    """

    configs: Sequence[dict[str, Any]]

    def answer(self) -> list[str]:
        """A line for each data set.

        Raises:
            UserError: files are missing that cannot be fetched.
        """
        import_lightning()
        from optlab.inputs import missing

        found = dict.fromkeys(missing(Config.parse(config)) for config in self.configs)
        return [line for line in found if line is not None]


@dataclass(frozen=True)
class Beside:
    """How many times as long a step takes while so many threads compute, one of them its own."""

    threads: int

    def answer(self) -> float:
        import_lightning()
        from optlab.sweep.price.together import tried_out

        return tried_out(self.threads)
