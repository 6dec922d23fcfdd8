"""Which keys the config has, their types and bounds: the one place that says so.

`conf/` gives the values, Hydra composes them, `Config.parse` types them. What a group's option passes on to its class
or function stays open here, and is checked against the signature (see `optlab.check`).
A new key is a line in conf/train.yaml, a field here, and where it cannot change what is computed a line in
`optlab.record.NOT_IDENTITY`, so that the ids of runs stay.
Light: neither torch nor Lightning nor Hydra is imported here.
"""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from optlab.config.node import Node, fields
from optlab.errors import UserError
from optlab.record import Phase
from optlab.rules.commands import program
from optlab.rules.metrics import may_choose
from optlab.rules.tasks import TaskName

AtLeast1 = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]
Batches = NotNegative | Annotated[float, Field(ge=0, le=1)]  # a number of them, or a part of all
Named = str | int | float  # a name or a path: YAML reads a number where one is typed
Part = Annotated[float, Field(ge=0, le=1)]
JudgedBy = Annotated[str, AfterValidator(may_choose)]  # which of them a run has is known when its data is
Open = ConfigDict(extra="allow")


def ascending(values: tuple[float, float]) -> tuple[float, float]:
    if not 0 < values[0] < values[1]:
        raise ValueError("a list of 2 values above 0, the second larger than the first")
    return values


# What classes of others take as it comes, to do nothing or to go astray; their annotations know no bounds.
BOUNDS_OF_OTHERS: dict[str, dict[str, Any]] = {
    "torch.optim.SGD": {"momentum": Part, "dampening": Part},
    "torch.optim.RMSprop": {"momentum": Part},
    "torch.optim.LBFGS": {"max_iter": AtLeast1, "max_eval": AtLeast1 | None, "history_size": AtLeast1},
    "torch.optim.Rprop": {"step_sizes": Annotated[tuple[float, float], AfterValidator(ascending)]},
    "lightning.pytorch.callbacks.EarlyStopping": {"patience": NotNegative},
}


class Call(Node):
    """What is made by calling a class or function: `_target_` names it, what is not declared are its arguments."""

    model_config = Open
    words: ClassVar[str] = "a _target_ with its arguments"
    passed_on: ClassVar[frozenset[str]] = frozenset()  # declared keys that are arguments too

    target: str = Field(alias="_target_")

    @property
    def arguments(self) -> dict[str, Any]:
        """The keyword arguments, as they were composed."""
        ours = fields(type(self)).keys() - self.passed_on
        return {key: value for key, value in self.plain.items() if key not in ours and not key.startswith("_")}


class Option(Call):
    """An option of a group: `model=cnn`, `lr=cosine`, `loss=mse`."""

    name: str


class Callback(Call):
    """A callback of Lightning's kind."""


class Optimizer(Option):
    """An option of the group `optimizer`."""

    passed_on: ClassVar[frozenset[str]] = frozenset({"lr"})

    lr: Annotated[float, Field(ge=0)]
    decay_bias_and_norm: bool = True
    channels_last: bool = True  # false: the class cannot take weights in that memory layout
    search: dict[str, Any] | None = None  # the ranges of a sweep, by track


class Model(Option):
    """An option of the group `model`: what its class or function takes, and what is done with the network."""

    weights: Named | None = Field(None, description="a file of weights, or what the class itself has under that name")
    freeze: list[Named] | Named = Field([], description="names of parts, as in model.freeze=[features]")


class Module(Call):
    """A LightningModule of a user's own, in the place of optlab's."""

    name: str | None = None

    @property
    def label(self) -> str:
        """What runs of it are called."""
        return self.name or self.target.rpartition(".")[2]


class Dataset(Option):
    """An option of the group `dataset`: how it is split and augmented, and what its function takes."""

    val_size: NotNegative | Annotated[float, Field(ge=0, lt=1)]
    split_seed: NotNegative
    train_split: Literal["train", "test"]
    class_weights: Literal["balanced"] | list[Annotated[float, Field(ge=0)]] | None = None  # in the loss
    augment: str  # a name in optlab.data.augment.AUGMENTATIONS
    # For functions that take them, and for Datasets that are no function of optlab's (see `optlab.inputs`).
    task: TaskName | None = None
    outputs: AtLeast1 | None = None
    test_size: Annotated[float, Field(gt=0, lt=1)] | AtLeast1 | None = None
    memory: bool | None = None
    workers: NotNegative | None = None


class Trainer(Node):
    """The group `trainer`: keys of lightning.Trainer with bounds that it does not check itself, or only late.

    Any other key of its is allowed. What is `Any` here has the type and the words that its signature gives.
    """

    model_config = Open

    max_epochs: AtLeast1 | Literal[-1]
    max_steps: AtLeast1 | Literal[-1]
    compile: bool
    threads: AtLeast1 | None = None  # checkpoints of before do not have it
    accumulate_grad_batches: AtLeast1
    gradient_clip_val: Annotated[float, Field(gt=0)] | None
    check_val_every_n_epoch: AtLeast1 | None
    limit_train_batches: AtLeast1 | Annotated[float, Field(gt=0, le=1)] | None
    limit_val_batches: Batches | None
    limit_test_batches: Batches | None
    accelerator: Any = "auto"
    precision: Any = None
    profiler: Any = None

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.max_epochs == self.max_steps == -1:
            raise UserError("trainer.max_epochs=-1 trains for ever; give it an end with trainer.max_steps=1000")
        return self

    @property
    def arguments(self) -> dict[str, Any]:
        """The keyword arguments for lightning.Trainer."""
        ours = ("compile", "threads")
        return {key: value for key, value in self.plain.items() if key not in ours}

    @property
    def validates(self) -> bool:
        """Whether a validation split is looked at, where there is one."""
        return self.limit_val_batches != 0


class Nothing(Node):
    """A logger without settings."""


class Wandb(Node):
    """Weights & Biases; what is not declared goes to `wandb.init`."""

    model_config = Open

    project: str | None = None
    entity: str | None = None
    group: str | None = None
    tags: list[str] = Field([])
    mode: Literal["auto", "offline"] = Field("auto", description="logger=none does without W&B")
    system_metrics: bool = False
    log_model: Literal[False, "best"] = Field(False, description="every checkpoint of every run would take too long")

    @property
    def arguments(self) -> dict[str, Any]:
        """The keyword arguments for `wandb.init`."""
        ours = ("mode", "system_metrics", "log_model")
        return {key: value for key, value in self.plain.items() if key not in ours}


class Loggers(Node):
    """The group `logger`: each that is there is used, besides the record on disk.

    Under any other name stands one of Lightning's kind, a _target_ with its arguments.
    """

    model_config = Open

    csv: Nothing | None = None
    tensorboard: Nothing | None = None
    wandb: Wandb | None = None

    @model_validator(mode="after")
    def _are_calls(self) -> Self:
        for name, values in (self.model_extra or {}).items():
            if values is not None and not (isinstance(values, dict) and isinstance(values.get("_target_"), str)):
                raise UserError(
                    f"logger.{name}: not a logger; known: {', '.join(type(self).model_fields)}, mlflow, aim, swanlab; "
                    f"any other of Lightning's kind: +logger.{name}._target_=package.module.Class"
                )
        return self

    @property
    def others(self) -> dict[str, Call]:
        """Those that are called by their class, by name."""
        extra = self.model_extra or {}
        return {name: Call.parse(values, f"logger.{name}.") for name, values in extra.items() if values is not None}


class Trace(Node):
    """What `mode=trace` shows."""

    steps: AtLeast1 = 2
    at: list[NotNegative] | None = Field(
        default=None, description="the numbers of steps, from 0, as in trace.at=[0,100]"
    )
    weight: str | None = Field(default=None, description="as in trace.weight=layers.0.weight[3,0,2,2]")
    samples: NotNegative = 3
    compare: list[str] | None = Field(default=None, description="optimizers, as in trace.compare=[sgd,momentum,adam]")
    demo: Literal["no_zero_grad", "no_step", "two_backwards", "accumulate"] | None = None


class FindLr(Node):
    """The range test of mode=find_lr."""

    low: Annotated[float, Field(gt=0)] = 1e-7
    high: Annotated[float, Field(gt=0)] = 10.0
    steps: Annotated[int, Field(ge=50)] = 200  # fewer say nothing: a decade has 6 of them then
    seeds: AtLeast1 = 1

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.low >= self.high:
            raise UserError(f"find_lr.low={self.low:g}: must be below find_lr.high={self.high:g}, as the lr rises")
        return self


class Report(Node):
    """The report of a sweep."""

    live: bool = False  # written while the sweep runs


class Config(Node):
    """The whole config of a run; conf/train.yaml says what each key means."""

    seed: NotNegative
    batch_size: AtLeast1
    eval_batch_size: AtLeast1 | None
    shuffle: bool
    metric: JudgedBy | None
    metrics: dict[str, Call] = {}  # noqa: RUF012  # of the user's own, by name; checkpoints of before do not have it
    test_weights: Literal["last", "best"]
    mode: Literal["train", "test", "predict", "trace", "find_lr"]
    trace: Trace = Trace()  # checkpoints of before do not have it
    lang: Literal["en", "zh"] = "en"  # checkpoints of before do not have it
    ckpt: str | None
    input: Named | None
    find_lr: FindLr = FindLr()  # checkpoints of before do not have it
    trust: bool = False
    tf32: bool
    engine: Literal["auto", "graph", "loop", "eager"]
    channels_last: bool
    cpu_kernels: bool = False  # checkpoints of before do not have it
    until: AtLeast1 | None = None  # checkpoints of before do not have it
    dry_run: bool = False  # checkpoints of before do not have it
    retry: bool
    report: Report = Report()  # checkpoints of before do not have it
    phase: Phase
    protocol: str | None
    traceback: bool
    sweep: Named | None = None
    trainer: Trainer
    dataset: Dataset
    model: Model
    module: Module | None = None  # checkpoints of before do not have it
    optimizer: Optimizer
    lr: Option  # the schedule
    loss: Option
    logger: Loggers
    callbacks: dict[str, Callback | None]

    @model_validator(mode="after")
    def _stops(self) -> Self:
        kept = [key for key in ("min_epochs", "min_steps") if self.trainer.plain.get(key)]
        if self.until is not None and kept:
            raise UserError(f"until={self.until}: trainer.{kept[0]} keeps a run from ending; leave one of them out")
        return self

    @model_validator(mode="after")
    def _best_checkpoint(self) -> Self:
        checkpoint = self.callbacks.get("checkpoint")
        keeps_best = checkpoint is not None and checkpoint.plain.get("best", True)
        if self.logger.wandb is not None and self.logger.wandb.log_model == "best" and not keeps_best:
            raise UserError(
                "logger.wandb.log_model=best: these callbacks keep no best.ckpt; "
                "type callbacks=default, or logger.wandb.log_model=false"
            )
        return self

    @classmethod
    def unknown(cls, path: str, key: str) -> str:
        return f"{key}: there is no such group or key; leave it out ({program()} --help lists them)"
