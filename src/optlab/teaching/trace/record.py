"""What trace.json holds, schema 1: every number that a view shows. A view chooses words and digits.

A *step* is one step of the optimizer: one batch, or as many as `trainer.accumulate_grad_batches` gathers. Its number is
that of the run, from 0: step 100 is taken when 100 steps are behind. Norms are Euclidean, over all elements; they are
summed in float64 from the numbers that the run computed. A number that is not finite is null.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from optlab.record import finite, write_whole

SCHEMA = 1
TRACE_FILE = "trace.json"
TRACE_PAGE = "trace.html"  # made of it

Number = float | None
Numbers = list[Any]  # of a sample: a list, of lists where it has positions


@dataclass
class Run:
    """Which run this is."""

    optimizer: str  # the option of the group, as `momentum`
    cls: str  # the full name of its class
    arguments: dict[str, Any]  # of the class, as the config gives them
    model: str
    parameters: int  # how many numbers are trained
    dataset: str
    task: str
    loss: str
    lr: float  # the base rate; a step's own stands among its hyperparameters
    lr_schedule: str
    seed: int
    batch_size: int
    accumulate: int
    clip: dict[str, Any] | None  # {"value", "algorithm"} of trainer.gradient_clip_val
    device: str
    precision: str
    steps: int | None  # of the whole run; None where it has no end
    ckpt: str | None
    command: str  # what makes this trace again
    trains: str  # what makes the run itself


@dataclass
class Sample:
    """One of the batch's first samples."""

    output: Numbers | None  # of the network, before the step
    target: Any  # a class, a number, a list of them
    label: str | None  # the name of the class, where classes have names
    loss: Number


@dataclass
class Forward:
    """`output = model(input)`, `loss = loss_fn(output, target)`."""

    samples: list[Sample]
    losses: list[Number] | None  # of each sample of the step
    mean: Number  # of these
    loss: Number  # what the network is trained by; the mean, unless `weighted`
    weighted: bool  # samples weigh differently: by class, or by how many of their positions count
    evaluations: int  # forward and backward passes in this step: more than one only for L-BFGS and its like


@dataclass
class ZeroGrad:
    """`optimizer.zero_grad()`: the gradient's norm before and after; None where there is no gradient at all."""

    before: Number
    after: Number


@dataclass
class ParameterGradient:
    """The gradient of one parameter after `backward()`, before clipping; sizes are absolute values."""

    name: str
    shape: list[int]
    norm: Number
    largest: Number
    smallest: Number


@dataclass
class Backward:
    """`loss.backward()`."""

    parameters: list[ParameterGradient]
    norm: Number  # over all of them
    clipped: bool
    clipped_norm: Number  # what the optimizer reads
    micro_batches: list[Number]  # the norm of what is gathered so far, after each batch of an accumulated step


@dataclass
class ParameterUpdate:
    """What `step()` added to one parameter."""

    name: str
    norm: Number
    largest: Number  # absolute
    weight_norm: Number  # of the parameter before the step
    ratio: Number  # norm / weight_norm
    dot: Number  # with the gradient before clipping


@dataclass
class Update:
    """`optimizer.step()`."""

    parameters: list[ParameterUpdate]
    norm: Number
    cosine: Number  # of the angle between the update and the negative gradient
    angle: Number  # in degrees


@dataclass
class After:
    """The same batch again, with the new weights and the same random numbers."""

    loss: Number
    actual_fall: Number  # the loss before less the loss after
    predicted_fall: Number  # -g.dw, to first order


@dataclass
class Histogram:
    """How the updates of all weights of a parameter are spread; of the bins the last holds its right edge too."""

    edges: list[float]
    counts: list[int]
    here: int | None  # the bin that the followed weight is in


@dataclass
class Weight:
    """One weight, followed through the step. What a key names is as torch's optimizer names it."""

    before: Number
    after: Number
    change: Number
    gradient: Number  # before clipping
    clipped_gradient: Number  # what the optimizer read
    state_before: dict[str, Any]
    state_after: dict[str, Any]
    hyperparameters: dict[str, Any]
    effective_step: Number  # the change for each unit of gradient: change / -gradient
    histogram: Histogram
    formula: dict[str, Any] | None = None  # see `optlab.teaching.trace.worked`
    no_formula: str | None = None  # where there is none, why: a key of words


@dataclass
class Step:
    """One step of the run."""

    step: int
    epoch: int  # from 1
    batch: int  # of the epoch, from 1; of an accumulated step the first
    samples: int
    lr: Number
    forward: Forward
    zero_grad: ZeroGrad
    backward: Backward
    update: Update
    after: After
    next: dict[str, Number]  # {"loss"}: of the batch that comes next, with the new weights
    weight: Weight
    unknown: list[str]  # keys of words: what could not be seen, and why


@dataclass
class Followed:
    """Which weight is followed."""

    parameter: str
    index: list[int]
    chosen: str  # "typed", or "moved_most" in the first step shown
    shape: list[int]


@dataclass
class Trace:
    """The content of trace.json."""

    run: Run
    steps: list[Step]
    followed: Followed
    notes: list[dict[str, Any]] = field(default_factory=list)  # {"key", "fields"}: words that hold for the whole run
    compare: dict[str, Any] | None = None
    demo: dict[str, Any] | None = None

    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        content: dict[str, Any] = finite({"schema": SCHEMA} | asdict(self))
        content["run"]["class"] = content["run"].pop("cls")
        return content


def write(trace: dict[str, Any], folder: Path) -> Path:
    """Write trace.json; returns its path.

    Raises:
        UserError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / TRACE_FILE
    write_whole(path, json.dumps(trace, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return path
