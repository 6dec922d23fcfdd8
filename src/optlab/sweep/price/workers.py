"""How many runs a launcher has under way at a time, and on how many threads each."""

from dataclasses import dataclass

from hydra.plugins.launcher import Launcher

from optlab.adapters.process import cores
from optlab.config.schema import Config
from optlab.rules.words import plural


@dataclass(frozen=True)
class Workers:
    """Where runs go.

    Attributes:
        launcher: as typed, `hydra/launcher=NAME`.
        at_a_time: runs side by side.
        threads: CPU threads of each; None: as many as torch takes.
        here: whether they run on this machine, so that its cores and memory are the limit.
    """

    launcher: str
    at_a_time: int
    threads: int | None = None
    here: bool = True

    @property
    def many(self) -> str:
        """`2 at a time`."""
        return "one run at a time" if self.at_a_time == 1 else f"{self.at_a_time} at a time"

    @property
    def words(self) -> str:
        """`2 at a time on 2 cores, 1 thread each, hydra/launcher=auto`."""
        many = "one at a time" if self.at_a_time == 1 else self.many
        where = f" on {plural(cores(), 'core')}" if self.here else ""
        each = "" if self.threads is None else f", {plural(self.threads, 'thread')} each"
        return f"{many}{where}{each}{f', hydra/launcher={self.launcher}' if self.launcher else ''}"


def workers_of(launcher: Launcher | None, name: str, config: Config, runs: int) -> Workers:
    """What a launcher, as it was set up, makes of so many runs of this config; None: this process runs them."""
    threads = config.trainer.plain.get("threads")
    several = any(str(config.trainer.plain.get(key, 1)) != "1" for key in ("devices", "num_nodes"))
    if (parameters := getattr(launcher, "parameters", None)) is not None:  # a queue, whose machines are others
        return Workers(name, at_most(int(parameters.get("slurm_array_parallelism") or runs), runs), None, here=False)
    if launcher is None or not hasattr(launcher, "slots") or (several and name == "auto"):
        return Workers(name, 1, threads)
    slots = launcher.slots(max(1, runs))
    return Workers(name, len(slots), threads or slots[0].threads, getattr(launcher, "address", None) is None)


def at_most(wanted: int, runs: int) -> int:
    return max(1, min(wanted, runs))
