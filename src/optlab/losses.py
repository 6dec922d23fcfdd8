"""Losses: `loss(output, target) -> scalar`, the mean over the samples, or over the positions that count.

Outputs [n, k] with the targets of the task (see `optlab.rules.tasks`). The regression losses take class indices too and
compare with the one-hot target.
"""

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from optlab.config.signature import NOT_ARGUMENTS, check_call, locate, parts_of
from optlab.create import create
from optlab.data.arrays import DataInfo
from optlab.data.decide import outside
from optlab.errors import UserError, piece
from optlab.rules.tasks import IGNORED, task_of

Weights = list[Annotated[float, Field(ge=0, allow_inf_nan=False)]]
LEAST = 1e-12  # the weight that a mean is divided by where nothing counts


class CrossEntropy(nn.CrossEntropyLoss):
    """Cross-entropy of logits [n, k] and class indices [n], or of [n, k, *positions] and [n, *positions].

    With smoothing e the target distribution is (1 - e) one-hot + e / k (Szegedy et al., 2016, section 7). With weights
    it is the mean weighted by that of each target's class, as torch's. Positions of class -100 do not count; a batch
    with no other, or of classes that weigh nothing, has the loss 0.
    Raises UserError for targets that are not class indices, which torch would take for probabilities, and for a label
    that is none of the k classes (on a CPU; a run looks at all of them before its first step).

    Args:
        weight: a number a class.
    """

    def __init__(
        self, label_smoothing: Annotated[float, Field(ge=0, le=1)] = 0.0, weight: Weights | None = None
    ) -> None:
        given = None if weight is None else torch.tensor(weight, dtype=torch.float32)
        super().__init__(weight=given, label_smoothing=label_smoothing, ignore_index=IGNORED)
        self.may_weigh_nothing = weight is not None and 0 in weight  # where torch divides 0 by 0

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        if target.is_floating_point():
            raise UserError("loss=cross_entropy needs classes, but the targets are numbers: use loss=mse, l1 or huber")
        if target.ndim == 1 and not self.may_weigh_nothing:
            try:
                return super().forward(output, target)
            except IndexError as error:
                raise outside_classes(error, output, target) from error
        total = nn.functional.cross_entropy(
            output,
            target,
            self.weight,
            ignore_index=IGNORED,
            reduction="sum",
            label_smoothing=self.label_smoothing,
        )
        counted = target != IGNORED
        mass = counted.sum() if self.weight is None else (self.weight[target.clamp(min=0)] * counted).sum()
        return total / mass.clamp(min=LEAST if mass.is_floating_point() else 1)


def outside_classes(error: Exception, output: Tensor, target: Tensor) -> Exception:
    """The error of a loss in words where a label is none of the classes; else as it came."""
    labels = target[target != IGNORED]
    if not labels.numel() or 0 <= int(labels.min()) <= int(labels.max()) < output.shape[1]:
        return error
    wrong = int(labels.min()) if int(labels.min()) < 0 else int(labels.max())
    return UserError(f"{outside(wrong, output.shape[1], 'the outputs')}; count classes from 0")


class BinaryCrossEntropy(nn.BCEWithLogitsLoss):
    """Cross-entropy of logits [n, k] and targets [n, k] that are 0 or 1: for yes or no, and for several labels.

    Args:
        pos_weight: how much more a 1 weighs than a 0: a number, or one for each label.
    """

    def __init__(self, pos_weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] | Weights | None = None) -> None:
        weights = [pos_weight] if isinstance(pos_weight, (int, float)) else pos_weight
        super().__init__(pos_weight=None if weights is None else torch.tensor(weights, dtype=torch.float32))

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        if target.shape != output.shape or not target.is_floating_point():
            raise UserError(
                f"loss=bce needs targets of 0 and 1 as floats, one for each output {list(output.shape)}, and these are "
                f"{str(target.dtype).removeprefix('torch.')} {list(target.shape)}"
            )
        return super().forward(output, target)


class Elementwise(nn.Module):
    """The mean over samples and outputs of a loss of (output - target), for outputs [n, k].

    Targets are numbers [n, k], or class indices [n], which stand for their one-hot rows.
    Raises UserError for any other shape: torch would broadcast [n] against [n, k] in silence; and for a label that is
    none of the k classes, as `CrossEntropy`.
    """

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        if not target.is_floating_point() and target.ndim == output.ndim - 1:
            try:  # scatter_ raises on an index outside the classes; a comparison with arange would give a zero row
                target = torch.zeros_like(output).scatter_(-1, target.unsqueeze(-1), 1.0)
            except RuntimeError as error:
                raise outside_classes(error, output, target) from error
        if target.shape != output.shape:
            raise UserError(
                f"the network's outputs have shape {list(output.shape)} and the targets {list(target.shape)}: "
                f"this loss needs equal shapes, or class indices [{len(output)}]"
            )
        value: Tensor = self.loss(output, target)
        return value


class MSE(Elementwise):
    """Mean of (output - target)²."""

    def __init__(self) -> None:
        super().__init__(nn.MSELoss())


class L1(Elementwise):
    """Mean of |output - target|."""

    def __init__(self) -> None:
        super().__init__(nn.L1Loss())


class Huber(Elementwise):
    """Mean of d²/2 where |d| <= delta and delta (|d| - delta/2) beyond, d = output - target (Huber, 1964)."""

    def __init__(self, delta: Annotated[float, Field(gt=0)] = 1.0) -> None:
        super().__init__(nn.HuberLoss(delta=delta))


# -- from config: of any class of the kind, or any function of outputs and targets


class _Function(nn.Module):
    """A function `loss(output, target, ...)` as a loss; tensors among its arguments move with it to the device."""

    def __init__(self, function: Callable[..., Tensor], arguments: Mapping[str, Any]) -> None:
        super().__init__()
        self.function = function
        self.plain = {name: value for name, value in arguments.items() if not isinstance(value, Tensor)}
        self.held = [name for name in arguments if name not in self.plain]
        for name in self.held:
            self.register_buffer(f"of_{name}", arguments[name], persistent=False)

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        held = {name: getattr(self, f"of_{name}") for name in self.held}
        return self.function(output, target, **self.plain, **held)


def build(options: Mapping[str, Any], info: DataInfo) -> nn.Module:
    """The loss of a group's options.

    A class is called with its arguments; a function whose first argument has no default is the loss itself. A list
    given for an argument that is a tensor becomes one. `dataset.class_weights` become the argument `weight`.

    Raises:
        UserError: it cannot be built, or weights that are not as many as the classes.
    """
    options = with_class_weights(options, info)
    check_weights(options, info)
    target = locate("loss", options["_target_"])
    tensors = {name: as_tensor(f"loss.{name}", options[name]) for name in tensor_arguments(target, options)}
    rest = {name: value for name, value in options.items() if name not in tensors}
    if takes_outputs(target, options):
        arguments = {name: value for name, value in rest.items() if name not in NOT_ARGUMENTS}
        return _Function(target, arguments | tensors)
    loss = create(rest, **tensors)
    if not callable(loss):
        raise UserError(
            f"loss._target_={options['_target_']}: gives {type(loss).__name__}, and a loss is a torch.nn.Module or a "
            "function of outputs and targets"
        )
    return loss if isinstance(loss, nn.Module) else _Function(loss, {})


def check(options: Mapping[str, Any]) -> None:
    """Raise UserError for arguments that the class or function does not take."""
    target = locate("loss", options.get("_target_"))
    tensors = tensor_arguments(target, options)
    first = list(inspect.signature(target).parameters)[:2] if takes_outputs(target, options) else []
    for name in tensors:
        as_tensor(f"loss.{name}", options[name])
    rest = {name: value for name, value in options.items() if name not in tensors}
    if known := [name for name in first if name in rest]:
        raise UserError(f"loss.{known[0]}: this is what the loss is computed of; leave it out")
    check_call("loss", rest, given={*first, *tensors})


def try_out(loss: nn.Module, name: str, info: DataInfo, targets: Tensor) -> None:
    """Raise UserError where a loss cannot take outputs and targets as this data has them, or gives no single number.

    Args:
        name: of the option, to say whose it is.
        targets: of a few samples, on the CPU.
    """
    outputs = torch.zeros(len(targets), *task_of(info.task).shape(info.outputs, targets.shape[1:]))
    kind = str(targets.dtype).removeprefix("torch.")
    what = f"outputs {list(outputs.shape)} and {kind} targets {list(targets.shape)}, as {info.name} has"
    try:
        with torch.no_grad():
            value: Any = loss(outputs, targets)
    except UserError:
        raise
    except Exception as error:  # whatever a loss of anyone's raises
        said = piece(" ".join(f"{type(error).__name__}: {error}".split()))
        raise UserError(f"loss={name} cannot take {what}: {said}") from error
    if not isinstance(value, Tensor) or value.ndim or not value.is_floating_point():
        got = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise UserError(f"loss={name} gives {got} for {what}; it must give one number, the mean over the samples")


def takes_outputs(target: Callable[..., Any], options: Mapping[str, Any]) -> bool:
    """Whether this is a function of outputs and targets, and not one that makes a loss."""
    if inspect.isclass(target):
        return False
    first = next(iter(inspect.signature(target).parameters.values()), None)
    return first is not None and first.default is first.empty and first.name not in options


def tensor_arguments(target: Callable[..., Any], options: Mapping[str, Any]) -> list[str]:
    """The arguments that are given as lists of numbers, or as one, and that the class or function takes as tensors."""
    try:
        hints = typing.get_type_hints(target.__init__ if inspect.isclass(target) else target)
    except (NameError, TypeError, AttributeError):  # annotations that cannot be read
        return []
    return [
        name
        for name, value in options.items()
        if isinstance(value, (list, int, float)) and Tensor in parts_of(hints.get(name))
    ]


def as_tensor(path: str, value: Any) -> Tensor:
    try:
        return torch.tensor(value, dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"{path}={piece(value)}: must be a list of numbers") from error


def with_class_weights(options: Mapping[str, Any], info: DataInfo) -> Mapping[str, Any]:
    """The options with the weights that the data set gives its classes."""
    if info.class_weights is None:
        return options
    if options.get("weight") is not None:
        raise UserError("loss.weight and dataset.class_weights both weigh the classes; type one of them")
    if "weight" not in inspect.signature(locate("loss", options["_target_"])).parameters:
        raise UserError(f"dataset.class_weights: loss={options['name']} takes no weights; type loss=cross_entropy")
    return {**options, "weight": list(info.class_weights)}


def check_weights(options: Mapping[str, Any], info: DataInfo) -> None:
    """Raise UserError for weights that are not as many as what they weigh."""
    weighed = {"weight": "classes"} if task_of(info.task).has_classes else {"pos_weight": "outputs"}
    for name, noun in weighed.items():
        given = options.get(name)
        if isinstance(given, Sequence) and not isinstance(given, str) and len(given) not in (1, info.outputs):
            raise UserError(
                f"loss.{name}={piece(given)}: {len(given)} numbers, and {info.name} has {info.outputs} {noun}; "
                "type one for each"
            )
