"""What a run is measured by, for each kind of target: its metrics, which way is better, what guessing scores. Pure.

| task | targets of n samples | outputs of the network |
|---|---|---|
| `classification` | int64 [n], a class each | logits [n, classes] |
| `binary` | float [n, 1], 0 or 1 | logits [n, 1] |
| `multilabel` | float [n, labels], 0 or 1 | logits [n, labels] |
| `regression` | float [n, numbers] | [n, numbers] |
| `dense` | int64 [n, *positions], a class each, `IGNORED` where there is none | logits [n, classes, *positions] |

Nobody else asks which task it is: whoever needs to know reads what it says here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

TaskName = Literal["classification", "binary", "multilabel", "regression", "dense"]
Answers = Literal["one", "yes_no", "positions"]
IGNORED = -100  # a target that does not count, as torch's cross-entropy has it
TOP = 5  # classes of a top-k accuracy; with fewer than that it is always 1


@dataclass(frozen=True)
class Task:
    """What follows from the kind of targets.

    Args:
        words: what its targets are, for messages: `label 7 is ...: the targets are classes`.
        answers: how outputs are turned into answers that are right or wrong: the class with the largest output, a
            logit above 0 for each output, or the class of each position; None where there is nothing to count.
        sums: what every epoch has, by the part after `train/` or `val/`.
        tested: what test time adds; validation has it where it is asked for.
        on_request: what is measured only where it is asked for, as it takes time or memory.
        judged_by: what a run is judged by unless `metric=` says otherwise.
        loss: the option of the group `loss` that fits; `losses` are all of ours that do.
        chance: what guessing scores by each metric that has such a level; accuracy of classes has its own.
    """

    name: TaskName
    words: str
    answers: Answers | None
    sums: tuple[str, ...]
    tested: tuple[str, ...]
    on_request: tuple[str, ...]
    judged_by: str
    losses: tuple[str, ...]
    chance: dict[str, float]

    @property
    def loss(self) -> str:
        return self.losses[0]

    @property
    def has_classes(self) -> bool:
        """Whether a target is the number of a class, of which each network output is one."""
        return self.answers in ("one", "positions")

    def metrics(self, outputs: int) -> tuple[str, ...]:
        """All that can be measured: `loss`, `acc`, ...; a top-5 accuracy needs more than five classes."""
        known = (*self.sums, *self.tested, *self.on_request)
        return tuple(kind for kind in known if kind != "top5" or outputs > TOP)

    def names(self, outputs: int) -> int:
        """How many names a data set of this task may give (`DataInfo.classes`); it may give none."""
        return 2 if self.name == "binary" else outputs

    def answered(self, outputs: int) -> str:
        """What a network gives for a sample, in words: `10 classes`, `3 labels`, `2 numbers`, `yes or no`."""
        if self.name == "binary":
            return "yes or no"
        one, several = ("class", "classes") if self.has_classes else ("label", "labels")
        if self.answers is None:
            one, several = "number", "numbers"
        return f"{outputs:,} {one if outputs == 1 else several}"

    def shape(self, outputs: int, target: Sequence[int]) -> tuple[int, ...]:
        """The shape of a sample's outputs, from the number of them and the shape of a sample's target."""
        return (outputs, *target) if self.answers == "positions" else (outputs,)


# Guessing gives a class its share of the samples; the others are what coin tosses, or the mean of all targets, give.
COIN = {"acc": 0.5, "auroc": 0.5, "f1": 0.0, "ap": 0.0}
TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(
            "classification",
            "classes",
            "one",
            sums=("loss", "acc"),
            tested=("top5", "f1", "ece"),
            on_request=("auroc",),
            judged_by="acc",
            losses=("cross_entropy", "mse", "l1", "huber"),
            chance={"f1": 0.0, "auroc": 0.5},
        ),
        Task(
            "binary",
            "0 or 1, one a sample",
            "yes_no",
            sums=("loss", "acc"),
            tested=("f1", "auroc", "ap", "ece"),
            on_request=(),
            judged_by="acc",
            losses=("bce",),
            chance=COIN,
        ),
        Task(
            "multilabel",
            "0 or 1, several a sample",
            "yes_no",
            sums=("loss", "acc"),
            tested=("f1", "auroc", "ap"),
            on_request=(),
            judged_by="acc",
            losses=("bce",),
            chance=COIN,
        ),
        Task(
            "regression",
            "numbers",
            None,
            sums=("loss",),
            tested=("r2", "mae", "rmse"),
            on_request=(),
            judged_by="loss",
            losses=("mse", "l1", "huber"),
            chance={},  # R² of who always says the mean is 0, and runs that learn something may well be below
        ),
        Task(
            "dense",
            "a class for each position",
            "positions",
            sums=("loss", "acc"),
            tested=("f1", "iou"),
            on_request=(),
            judged_by="acc",
            losses=("cross_entropy",),
            chance={"f1": 0.0, "iou": 0.0},
        ),
    )
}


def task_of(name: object) -> Task:
    """The task of that name; records of before tasks had names are of classes."""
    return TASKS.get(str(name), TASKS["classification"])


def chance_of(kind: str, outputs: int | None, task: object = None) -> float | None:
    """What guessing scores by `acc`, `f1` ...; None where there is no such level, or it is not known.

    Of `outputs` classes accuracy is 1 / classes, and 5 / classes for one of five. Yes or no is right half of the time,
    however often the answer is yes. F1, average precision and mean IoU have 0, their least: what guessing gives
    depends on how often each class occurs. R² has no such level: it has no bound below, so a run that diverged would
    pass runs that finished.

    Args:
        outputs: of the network, where the number is known.
    """
    asked = task_of(task)
    if kind in asked.chance:
        return asked.chance[kind]
    if not asked.has_classes or not outputs or kind not in ("acc", "top5"):
        return None
    return min(TOP, outputs) / outputs if kind == "top5" else 1 / outputs
