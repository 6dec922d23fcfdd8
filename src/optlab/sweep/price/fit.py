"""How many runs share a GPU: as many as there is room for by ten steps of each configuration.

A worker takes the steps on the GPU of the first run, and is gone before that begins: the GPU is then as free as it was.
What torch reserved counts, not what the whole GPU holds, which others may use. What is not known shares nothing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from hydra.plugins.launcher import Launcher

from optlab.config.schema import Config
from optlab.errors import UserError
from optlab.rules.words import plural
from optlab.sweep.job import Job, outcome
from optlab.sweep.launchers.gpus import CONTEXT, SPARE, fitting
from optlab.sweep.launchers.questions import NoAnswer
from optlab.sweep.launchers.slots import Takes, gigabytes
from optlab.sweep.price.asked import Sharer, asked_by, look_at_gpus, sharer_of
from optlab.sweep.price.estimate import labels
from optlab.sweep.price.measured import Measured
from optlab.sweep.price.plan import at_once
from optlab.sweep.price.quote import Quote, answers_of, different
from optlab.sweep.price.steps import Downloads, Steps
from optlab.sweep.threads import is_distributed

MOST = 24  # configurations of a grid that are measured; more would take longer than many a grid
PATIENCE = 600.0  # seconds for each, with its data set, unless that is to be downloaded

Say = Callable[[str], None]


class Alone(Exception):
    """Why a GPU gets one run at a time, in words that follow `as`."""


def fit_to_gpus(jobs: Sequence[Job], launcher: Launcher, say: Say, *, retry: bool = False) -> None:
    """Let a launcher give each GPU as many of these jobs as have room there, where that can be more than one.

    Args:
        say: is told what the user may wait for, and why a GPU gets no more than one run.
        retry: failed jobs are to be run again.
    """
    sharer = sharer_of(launcher)
    if sharer is None or not may_share(sharer, jobs):
        return
    left = [job for job in jobs if not (found := outcome(job)).settled or (retry and found.state == "failed")]
    if not may_share(sharer, left):
        return
    try:
        if not sharer.asks_a_worker(len(left)):
            raise Alone("there is no worker here that could measure what runs take")
        check_room(sharer, len(left))
        configs = to_measure(job.config for job in left)
        with asked_by(launcher, len(left)) as ask:
            lines = ask(Downloads([config.plain for config in configs]))
            for line in lines:
                say(line)
            say(f"ten steps of {plural(len(configs), 'configuration')} say how many runs have room on a GPU")
            answers = answers_of(Steps([config.plain for config in configs]), ask, patience(lines))
        takes = taken(dict(zip(labels(configs), answers, strict=True)))
        sharer.runs_take(takes.host, takes.device)
        check_room(sharer, len(left))
    except (Alone, NoAnswer) as reason:
        say(alone(sharer, len(left), str(reason)))
    except UserError as refusal:
        say(alone(sharer, len(left), f"a run would be refused: {refusal}"))


def patience(downloads: Sequence[str]) -> float | None:
    """Seconds that steps are waited for; None for ever, where data sets are downloaded first."""
    return None if downloads else PATIENCE


def why_alone(launcher: Launcher, seen: Quote) -> list[str]:
    """Why a GPU gets one run of a study at a time, in a line; none where it gets more, or where that is not asked."""
    many = at_once(seen.left)
    sharer = sharer_of(launcher)
    if sharer is None or not sharer.may_share_gpus(many):
        return []
    configs = different(run.config for runs in seen.left for run in runs)
    try:
        taken({label: seen.costs[key] for label, key in zip(labels(list(configs.values())), configs, strict=True)})
        check_room(sharer, many)
    except Alone as reason:
        return [alone(sharer, many, str(reason))]
    return []


def alone(launcher: Sharer, jobs: int, reason: str) -> str:
    several = 2 * len(launcher.slots(jobs))
    return f"one run a GPU at a time, as {reason}; hydra.launcher.n_jobs={several} puts several on one"


def may_share(launcher: Sharer, jobs: Sequence[Job]) -> bool:
    """Whether these jobs would be more at a time if each were known to take little of a GPU; no GPU is asked."""
    if not launcher.may_share_gpus(len(jobs)) or any(is_distributed(job.config) for job in jobs):
        return False
    return any(on_gpu(job.config) for job in jobs)


def on_gpu(config: Config) -> bool:
    return bool(config.trainer.accelerator != "cpu")


def check_room(launcher: Sharer, jobs: int) -> None:
    """Raise Alone where the memory of the GPUs has room for one run each, by what is known of a run."""
    free, room = look_at_gpus(launcher, jobs), launcher.room()
    if free is None or room is None:
        raise Alone("nvidia-smi does not say how much memory is free")
    device = room.takes.device or 0.0
    if fitting(free, device) == 1:
        least = "" if room.takes.device is not None else "at least "
        takes = f"{least}{gigabytes(device + CONTEXT)} GB"
        raise Alone(f"one takes {takes}, and {gigabytes(free * SPARE)} of the {gigabytes(free)} GB free are given out")


def to_measure(configs: Iterable[Config]) -> list[Config]:
    """One config of each configuration that trains on a GPU.

    Raises:
        Alone: there are too many.
    """
    found = different(config for config in configs if on_gpu(config))
    if len(found) > MOST:
        raise Alone(f"{len(found)} configurations are too many to take steps of each beforehand ({MOST} at most)")
    return list(found.values())


def taken(costs: Mapping[str, Measured | str]) -> Takes:
    """What the largest of these runs takes.

    Args:
        costs: by label; a text says why one is not known.

    Raises:
        Alone: of one it is not known what it takes of a GPU.
    """
    host, device = [], []
    for label, cost in costs.items():
        if isinstance(cost, str):
            raise Alone(f"{label} could not be measured ({cost})")
        if cost.device_mib is None:
            raise Alone(f"{label} used no GPU when it was measured")
        device.append(cost.device_mib)
        host += [] if cost.host_mib is None else [cost.host_mib]
    return Takes(max(host, default=Takes().host), max(device))
