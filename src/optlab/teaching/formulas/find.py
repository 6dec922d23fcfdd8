"""Which formula a parameter group of an optimizer follows, if it is on file."""

from collections.abc import Callable, Mapping

from optlab.teaching.formulas.adaptive import adam, adamax, nadam, radam
from optlab.teaching.formulas.descent import sgd
from optlab.teaching.formulas.direction import lion, muon
from optlab.teaching.formulas.formula import Formula
from optlab.teaching.formulas.squares import adadelta, adagrad, rmsprop

# How a step is computed and not what, and what schedules and users note in a group. Anything else that is not named in
# the table below and is set makes a group unknown: no formula is better than a wrong one.
_HARMLESS = frozenset(
    {"params", "lr", "foreach", "fused", "capturable", "differentiable", "name", "names", "param_names", "use_muon"}
    | {"initial_lr", "max_lr", "min_lr", "base_momentum", "max_momentum", "swa_lr"}
)
_ADAM = "betas eps weight_decay amsgrad maximize decoupled_weight_decay"
_RADAM = "betas eps weight_decay maximize decoupled_weight_decay"
_NADAM = f"{_RADAM} momentum_decay"
_MUON = "momentum nesterov weight_decay ns_coefficients ns_steps eps adjust_lr_fn"
_LION = "betas weight_decay weight_decouple fixed_decay maximize step"


def _adamw(options: Mapping[str, object]) -> Formula:
    return adam({**options, "decoupled": True})


def _decoupled_if_asked(build: Callable[[Mapping[str, object]], Formula], key: str) -> "_Build":
    return lambda group: build({**group, "decoupled": group.get(key)})


def _muon_adamw(group: Mapping[str, object]) -> Formula | None:
    """Each group of ours is handed to one of torch's classes."""
    return find("torch.optim.Muon" if group.get("use_muon") else "torch.optim.AdamW", group)


_Build = Callable[[Mapping[str, object]], Formula | None]
# By package and class: the options that the formula knows, and the formula.
_ON_FILE: dict[str, tuple[str, _Build]] = {
    "torch.SGD": ("momentum dampening weight_decay nesterov maximize", sgd),
    "torch.Adam": (_ADAM, _decoupled_if_asked(adam, "decoupled_weight_decay")),
    "torch.AdamW": (_ADAM, _adamw),
    "torch.RMSprop": ("alpha eps weight_decay momentum centered maximize", rmsprop),
    "torch.Adagrad": ("lr_decay eps weight_decay initial_accumulator_value maximize", adagrad),
    "torch.Adadelta": ("rho eps weight_decay maximize", adadelta),
    "torch.Adamax": ("betas eps weight_decay maximize", adamax),
    "torch.NAdam": (_NADAM, _decoupled_if_asked(nadam, "decoupled_weight_decay")),
    "torch.RAdam": (_RADAM, _decoupled_if_asked(radam, "decoupled_weight_decay")),
    "torch.Muon": (_MUON, muon),
    "pytorch_optimizer.Lion": (_LION, _decoupled_if_asked(lion, "weight_decouple")),
    "optlab.MuonAdamW": (f"{_ADAM} {_MUON}", _muon_adamw),
}


def find(cls_name: str, group: Mapping[str, object]) -> Formula | None:
    """The formula of one parameter group's step, or None where it is not on file.

    Args:
        cls_name: the optimizer's class by its full name, `torch.optim.Adam` or `torch.optim.adam.Adam`.
        group: the parameter group, or as much of it as chooses the variant; `options` adds what classes keep elsewhere.
    """
    entry = _ON_FILE.get(_short(cls_name))
    if entry is None:
        return None
    known, build = entry
    names = _HARMLESS | set(known.split())
    if any(name not in names and _is_set(value) for name, value in group.items()):
        return None
    return build(group)


def options(optimizer: object, group: Mapping[str, object]) -> dict[str, object]:
    """A parameter group with what its optimizer keeps for itself: pytorch_optimizer has `maximize` there."""
    own = {"maximize": getattr(optimizer, "maximize", False)} if "maximize" not in group else {}
    return {**own, **group}


def _short(cls_name: str) -> str:
    """`torch.optim.adam.Adam` -> `torch.Adam`; of another package than these it is no key of the table."""
    for package, prefix in (
        ("torch", "torch.optim."),
        ("pytorch_optimizer", "pytorch_optimizer."),
        ("optlab", "optlab.muon."),
    ):
        if cls_name.startswith(prefix):
            return f"{package}.{cls_name.rpartition('.')[2]}"
    return cls_name


def _is_set(value: object) -> bool:
    return value is not None and value is not False and not (isinstance(value, (int, float)) and value == 0)
