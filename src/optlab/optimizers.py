"""Optimizers: from the settings of a yaml to what a torch optimizer class takes, checked before data is loaded."""

import inspect
from typing import Any, get_type_hints

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from optlab.adapters.torch import keeping_random_state
from optlab.config.schema import Optimizer as Settings
from optlab.config.signature import check_value, locate, unknown_argument
from optlab.errors import UserError
from optlab.rules.commands import install
from optlab.rules.nearest import nearest

ACCELERATED = ("fused", "capturable")
COMPUTES_BY = (*ACCELERATED, "foreach", "differentiable")  # how a step is computed, not what
FUSED_ON_CPU = ("torch.optim.Adam", "torch.optim.AdamW", "torch.optim.Adagrad")  # SGD's is slower than its loop

# pytorch_optimizer's classes that pass optlab.conformance, and nothing else of that package. What
# is off the list needs a contract that a plain training step does not keep (a second backward pass, the model
# itself, train and eval modes, two calls a step), restarts differently from a checkpoint, draws from the
# global random generator, ignores its weight decay or the schedule, or fails on channels_last weights.
# `python scripts/conformance.py` prints the verdict and the reason for every class.
_ALLOWED = """
    ADOPT APOLLO ASGD AccSGD AdEMAMix AdaBelief AdaBound AdaDelta AdaGC AdaMax AdaMod AdaNorm AdaPNM
    AdaSmooth AdaTAM Adai Adalite AdamC AdamG AdamS AdamWSN Adan AggMo Aida Alice Amos Ano AvaGrad BCOS
    CAME DAdaptAdam DAdaptAdan DAdaptLion DiffGrad DualAdam EXAdam EmoFact EmoLynx FTRL Fira FlashAdamW
    GaLore Grams GrokFastAdamW Kate LARS LaProp Lamb Lion MADGRAD MSVAG NovoGrad PAdam PID PNM Prodigy
    QHAdam QHM RACS RAdam Ranger SGDSaI SGDW SM3 SRMM Shampoo SignSGD SimplifiedAdEMAMix StableAdamW
    StableSPAM TAM Tiger VSGD
"""
PYTORCH_OPTIMIZER_ALLOWED: frozenset[str] = frozenset(_ALLOWED.split())
NON_COMMERCIAL = frozenset({"Fromage", "Nero"})  # CC BY-NC-SA 4.0


def accepted(target: str) -> list[str]:
    """The names of the arguments that the class takes besides its parameters, in the order of its signature.

    Raises UserError where `target` is no optimizer that can be used.
    """
    return list(_hints(_optimizer_class(target)))


def arguments_of(cls: type[Optimizer]) -> list[str]:
    """The names of the arguments that a class takes besides its parameters, its bases' behind `**kwargs` too."""
    return list(_hints(cls))


def required_by(cls: type[Optimizer]) -> list[str]:
    """The names of those that have no default."""
    parameters = list(inspect.signature(cls).parameters.values())[1:]  # behind the parameters
    variable = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return [each.name for each in parameters if each.default is each.empty and each.kind not in variable]


def check(settings: Settings) -> None:
    """Builds the optimizer on a tiny network and takes one step with it.

    Raises UserError, naming the option, for a class that cannot be imported or is not allowed, an argument
    that the class does not take, a value of the wrong type or outside its range, and anything that the class
    itself refuses.
    """
    cls = _optimizer_class(settings.target)
    hints = _hints(cls)
    for key, value in settings.arguments.items():
        if key not in hints:
            raise UserError(unknown_argument("optimizer", cls, key, list(hints)))
        if key != "lr":  # a number already, which no annotation need allow
            check_value(f"optimizer.{key}", value, hints[key])
    model = _tiny_network()
    groups = parameter_groups(model, settings)

    def closure() -> Tensor:
        loss = torch.stack([p.square().sum() for p in model.parameters()]).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    try:
        optimizer: Any = cls(groups, **settings.arguments)
        closure()  # a class that calls none finds gradients
        optimizer.step(*([closure] if _takes_closure(cls) else []))
    except Exception as error:  # whatever a foreign class raises, the user should read it now and not behind the data
        raise UserError(f"optimizer={settings.name}: {cls.__name__} says: {error}") from error


def parameter_groups(model: nn.Module, settings: Settings) -> list[Any]:
    """What to pass as `params`: the trainable parameters, or groups of them.

    A class with its own `parameter_groups(model, settings)` decides itself, by its yaml as a plain dict. Otherwise
    `decay_bias_and_norm=false` splits off the parameters with fewer than two dimensions (biases, scales and
    shifts of norms) with weight decay 0. Raises UserError where weight decay is to be split and the class has
    none.
    """
    cls = _optimizer_class(settings.target)
    own = getattr(cls, "parameter_groups", None)
    if own is not None:
        groups: list[Any] = own(model, settings.plain)
        return groups
    trained = [p for p in model.parameters() if p.requires_grad]
    if settings.decay_bias_and_norm:
        return trained
    if "weight_decay" not in _hints(cls):
        raise UserError(f"optimizer.decay_bias_and_norm=false: {cls.__name__} has no weight decay; leave it out")
    weights = [p for p in trained if p.ndim >= 2]
    others = [p for p in trained if p.ndim < 2]
    return [group for group in ({"params": weights}, {"params": others, "weight_decay": 0.0}) if group["params"]]


def describe(optimizer: Optimizer) -> str | None:
    """One line on which parameters each rule covers, for an optimizer that splits them, else None."""
    own = getattr(optimizer, "describe", None)
    return None if own is None else str(own())


def device_flags(settings: Settings, device: torch.device) -> dict[str, bool]:
    """`fused` and `capturable` as the class takes them on this device, unless the settings say otherwise.

    Fused kernels update all weights in a launch or two; what is capturable keeps its counters on the GPU. On an NVIDIA
    GPU both then read the lr from a tensor, and every run there has the same flags, so that its numbers do not depend
    on the engine. On a CPU a fused Adam step takes half the time. Elsewhere, and for a class with neither: {}.
    """
    if device.type == "cuda":
        return _working_flags(settings, device)
    chosen = any(settings.arguments.get(key) is not None for key in COMPUTES_BY)
    return {"fused": True} if device.type == "cpu" and settings.target in FUSED_ON_CPU and not chosen else {}


def _working_flags(settings: Settings, device: torch.device) -> dict[str, bool]:
    """The first of all such flags, each alone and none with which the class takes a step on this device.

    The signature does not tell: Adagrad, for one, had fused kernels for CPUs long before those for GPUs.
    """
    cls = _optimizer_class(settings.target)
    given = settings.arguments
    own = {key: given[key] for key in ACCELERATED if given.get(key)}
    open_ = [key for key in ACCELERATED if key in _hints(cls) and given.get(key) is None]
    for names in dict.fromkeys([tuple(open_), *((key,) for key in open_), ()]):
        flags = dict.fromkeys(names, True)
        if flags | own and _steps_with_device_rate(cls, given | flags, device):
            return flags | own
    return {}


def _steps_with_device_rate(cls: type[Optimizer], given: dict[str, Any], device: torch.device) -> bool:
    weight = nn.Parameter(torch.ones(2, 2, device=device))
    weight.grad = torch.ones_like(weight)
    try:
        optimizer = cls([weight], **given)
        optimizer.param_groups[0]["lr"] = torch.tensor(float(given["lr"]), device=device)
        optimizer.step()
    except Exception:  # each class refuses in its own way
        return False
    return True


def _takes_closure(cls: type[Optimizer]) -> bool:
    return len(inspect.signature(cls.step).parameters) > 1


def _leaves_closure(settings: Settings) -> bool:
    """Whether steps of the class leave the closure that they are given, as those of many classes of users do."""
    cls = _optimizer_class(settings.target)
    if cls.__module__.partition(".")[0] in ("torch", "optlab", "pytorch_optimizer"):
        return False
    if not _takes_closure(cls):
        return True
    model, called = _tiny_network(), list[Tensor]()

    def closure() -> Tensor:
        loss = torch.stack([p.square().sum() for p in model.parameters()]).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        called.append(loss)
        return loss

    with keeping_random_state():
        optimizer: Any = cls(parameter_groups(model, settings), **settings.arguments)
        closure()
        optimizer.step(closure)
    return len(called) == 1


def call_closure(optimizer: Optimizer, settings: Settings) -> None:
    """Compute loss and gradients before each step of a class that leaves its closure.

    Lightning has the forward and the backward pass in the closure of a step, so that nothing would be trained. To be
    called before other hooks are registered: they find the gradients and no closure, as with `optimizer.step()`.
    """

    def call(optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if (closure := kwargs.get("closure") or next(iter(args[1:]), None)) is None:
            return None
        with torch.enable_grad():
            closure()
        return args[:1], {key: value for key, value in kwargs.items() if key != "closure"}

    if _leaves_closure(settings):
        optimizer.register_step_pre_hook(call)


def align_gradients(optimizer: Optimizer) -> None:
    """Give each gradient the strides of its parameter before a step.

    Autograd is free in dimensions of size 1 (the weight of a convolution over grey images in channels_last, say), and
    fused kernels refuse strides that differ (pytorch/pytorch#106951).
    """

    def align(optimizer: Optimizer, *_: Any) -> None:
        for group in optimizer.param_groups:
            for p in group["params"]:
                if p.grad is not None and p.grad.layout == torch.strided and p.grad.stride() != p.stride():
                    p.grad = torch.empty_like(p).copy_(p.grad)

    optimizer.register_step_pre_hook(align)


def keep_flags(optimizer: Optimizer) -> None:
    """Make `load_state_dict` keep how this optimizer computes, wherever the state was saved.

    Torch takes these flags from the saved groups, so that a checkpoint from a GPU could not be continued on a CPU. With
    its own flags in their place it also puts the step counters where they are needed.
    """

    def with_own_flags(optimizer: Optimizer, state: dict[str, Any]) -> dict[str, Any]:
        groups = [dict(group) for group in state["param_groups"]]
        for group, own in zip(groups, optimizer.param_groups, strict=False):  # torch itself refuses another number
            group.update({key: own[key] for key in COMPUTES_BY if key in own})
        return {**state, "param_groups": groups}

    optimizer.register_load_state_dict_pre_hook(with_own_flags)


def _optimizer_class(target: str) -> type[Optimizer]:
    if "." not in target:
        raise UserError(
            f"optimizer._target_={target}: must be the full name of a class, such as torch.optim.Adam "
            "(optimizer=custom optimizer._target_=package.Class)"
        )
    package = target.partition(".")[0]
    try:
        cls = locate("optimizer", target)
    except UserError as error:
        if package == "pytorch_optimizer" and getattr(error.__cause__, "name", None) == package:
            raise UserError(
                f"optimizer._target_={target}: the package is not installed: {install('optimizers')}"
            ) from error
        raise
    if not (inspect.isclass(cls) and issubclass(cls, Optimizer)):
        raise UserError(f"optimizer._target_={target}: not a subclass of torch.optim.Optimizer")
    if cls.__module__.partition(".")[0] == "pytorch_optimizer":
        _check_allowed(cls.__name__)
    return cls


def _check_allowed(name: str) -> None:
    if name in PYTORCH_OPTIMIZER_ALLOWED:
        return
    if name in NON_COMMERCIAL:
        raise UserError(
            f"pytorch_optimizer.{name}: its licence forbids commercial use (CC BY-NC-SA 4.0): use another one"
        )
    close = nearest(name, PYTORCH_OPTIMIZER_ALLOWED, n=3, cutoff=0.5)
    names = ", ".join(close or sorted(PYTORCH_OPTIMIZER_ALLOWED))
    raise UserError(
        f"pytorch_optimizer.{name}: not among the classes that pass the conformance tests; "
        f"{'the closest that do' if close else 'those that do'}: {names}"
    )


def _hints(cls: type[Optimizer]) -> dict[str, Any]:
    """Each argument of the class but its parameters, with its annotation (Any where there is none).

    A `**kwargs` stands for the arguments of the base class, not for any name.
    """
    hints: dict[str, Any] = {}
    for base in cls.__mro__:
        init: Any = base.__dict__.get("__init__")
        if init is None or base in (Optimizer, object):
            continue
        try:
            annotations = get_type_hints(init, include_extras=True)
        except NameError:  # imported under TYPE_CHECKING only: the class's own checks remain
            annotations = {}
        signature = inspect.signature(init)
        for name, parameter in list(signature.parameters.items())[2:]:  # without self and params
            if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
                hints.setdefault(name, annotations.get(name, Any))
        if not any(parameter.kind == parameter.VAR_KEYWORD for parameter in signature.parameters.values()):
            break
    return hints


def _tiny_network() -> nn.Module:
    """Three 2x2 linear layers with fixed weights: no random generator is touched."""
    layers = [nn.Linear(2, 2, device="meta").to_empty(device="cpu") for _ in range(3)]
    for layer in layers:
        nn.init.eye_(layer.weight)
        nn.init.ones_(layer.bias)
    return nn.Sequential(*layers)


class Own(Optimizer):
    """Stands for what the `configure_optimizers` of a LightningModule of a user's own gives; it takes no steps."""

    def __init__(self, params: Any, lr: float = 0.0) -> None:
        super().__init__(params, {"lr": lr})

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Nothing: it is never a run's optimizer."""
