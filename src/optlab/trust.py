"""Which classes a checkpoint may name. A checkpoint is data: reading one must not run the code of whoever wrote it.

Hydra calls whatever a `_target_` names. What a person types or writes into `conf/` may name anything; a file that comes
from somewhere may name only what its group takes, a class of that kind from the packages below. That is decided by the
name before anything is imported, and again by the object that the name leads to.
"""

import importlib
import inspect
import re
import typing
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from optlab.config import places
from optlab.errors import UserError, piece


@dataclass(frozen=True)
class Kind:
    """What the classes of a config group have in common.

    Args:
        noun: for the message.
        packages: where such classes come from.
        bases: dotted paths of what they derive from, imported only when a name is checked.
        factories: packages whose functions make such objects: the data sets and schedules here, as their annotated
            result says, and the networks that torchvision lists.
    """

    noun: str
    packages: tuple[str, ...]
    bases: tuple[str, ...]
    factories: tuple[str, ...] = ()


KINDS = {
    "model": Kind(
        "network",
        ("optlab.models", "torch.nn", "torchvision.models"),
        ("torch.nn.Module",),
        factories=("torchvision.models",),
    ),
    "loss": Kind("loss", ("optlab.losses", "torch.nn", "torchmetrics"), ("torch.nn.Module",)),
    "optimizer": Kind("optimizer", ("optlab", "torch.optim", "pytorch_optimizer"), ("torch.optim.Optimizer",)),
    "lr": Kind(
        "schedule",
        ("optlab.lr", "torch.optim.lr_scheduler"),
        ("torch.optim.lr_scheduler.LRScheduler",),
        factories=("optlab.lr",),
    ),
    "dataset": Kind("data set", ("optlab.data",), ("optlab.data.Source",), factories=("optlab.data",)),
    "metrics": Kind(
        "metric",
        ("torchmetrics", "torchmetrics.classification", "torchmetrics.regression"),
        ("torchmetrics.Metric",),
    ),
    # Lightning's own delete files that their state names; those that conf/callbacks holds are known by that.
    "callbacks": Kind("callback", ("optlab.callbacks",), ("lightning.pytorch.callbacks.Callback",)),
}
OWN = "optlab"
NAMED_ENTRIES = ("callbacks", "logger", "metrics")  # groups whose options hold an object under each key
# Arguments of torchvision's networks that download weights.
DOWNLOADS = frozenset(("weights", "weights_backbone", "pretrained", "pretrained_backbone"))

NAME = re.compile(r"[a-zA-Z]\w*(\.[a-zA-Z]\w*)+", re.ASCII)  # no private parts: __main__ and the like do things
SPECIAL = re.compile(r"_\w+_")  # Hydra's keys: _partial_, _args_, _recursive_, _convert_ and what may come


def check_options(source: str, group: str, options: Any, *, also: Collection[str] = ()) -> None:
    """Check what Hydra would act on in the options of a group, at any depth: it instantiates nested ones too.

    Args:
        source: where the options come from, for the message: `ckpt=last.ckpt`.
        also: classes that are trusted besides, because a person named them.

    Raises:
        UserError: a class that the group does not take, another of Hydra's keys, an interpolation, or weights to
            download.
    """
    for path, key, value in leaves(options, group):
        if key == "_target_":
            check_target(source, group, path, value, also=also)
        elif downloads(group, path, value):
            raise UserError(
                f"{source} holds {piece(f'{path}={value}')}, which downloads weights, and it has its own; "
                "if you trust the file, type trust=true"
            )
        elif SPECIAL.fullmatch(key):
            raise UserError(
                f"{source} holds {piece(path)}, which optlab never writes; if you trust the file, type trust=true"
            )
        elif isinstance(value, str) and "${" in value:
            raise UserError(
                f"{source} holds {piece(f'{path}={value}')}, and optlab writes no interpolations; "
                "if you trust the file, type trust=true"
            )


def check_target(source: str, group: str, path: str, target: Any, *, also: Collection[str] = ()) -> None:
    """Raise UserError unless `target` is what `group` takes, or a person named it: in `also`, or in `conf/`.

    One inside another's arguments is refused unless it was typed: what classes do with each other nobody can tell from
    their names, and no option of `conf/` needs it.
    """
    if isinstance(target, str) and target in also:
        return
    entry = r"\.\w+" if group in NAMED_ENTRIES else ""
    if not re.fullmatch(rf"{group}{entry}\._target_", path):
        named = piece(f"{path}={target}")
        raise UserError(
            f"{source} names {named}, which stands inside the arguments of another class, where optlab writes "
            "none; it is not imported, as it could run the code of whoever wrote the file; if you trust it, type "
            f"{named}, or type trust=true"
        )
    if is_known(group, target) or target in named_in_conf(group):
        return
    kind = KINDS.get(group)
    named = piece(f"{path}={target}")
    what = f"no {kind.noun} of {', '.join(kind.packages)}" if kind else f"nothing that {group} takes"
    raise UserError(
        f"{source} names {named}, which is {what}; it is not imported, as it could run the code of whoever "
        f"wrote the file; if you trust it, type {named}, name it in a file of conf/{group}, or type trust=true"
    )


def is_known(group: str, target: Any) -> bool:
    """Whether `target` names a class of the group's kind in one of its packages; imports nothing from elsewhere."""
    kind = KINDS.get(group)
    if kind is None or not isinstance(target, str) or not NAME.fullmatch(target) or not within(target, kind.packages):
        return False
    try:
        found = resolve(target)
        bases = tuple(resolve(base) for base in kind.bases)
    except Exception:  # whatever an import raises, here it says that there is no such class
        return False
    # The name may lead out of its package (optlab.models.cnn.torch.load) or into a class (torch.nn.Module.half).
    home, name = getattr(found, "__module__", None), getattr(found, "__qualname__", ".")
    if not isinstance(home, str) or not within(f"{home}.{name}", kind.packages) or "." in name:
        return False
    if not within(target, (OWN,)) and not is_documented(target, kind.packages, found):
        return False
    if inspect.isclass(found):
        return issubclass(found, bases)
    if not inspect.isfunction(found) or not within(home, kind.factories):
        return False
    return makes(found, bases) if within(home, (OWN,)) else is_listed(name)


def is_documented(target: str, packages: Collection[str], found: Any) -> bool:
    """Whether `target` is the name that a library shows, `torch.nn.Linear`, and none of a module behind it."""
    package, _, name = target.rpartition(".")
    return package in packages and found is getattr(importlib.import_module(package), name, None)


def is_listed(name: str) -> bool:
    """Whether torchvision lists a network by this name; its other functions build things out of networks."""
    from torchvision.models import list_models

    return name in list_models()


def downloads(group: str, path: str, value: Any) -> bool:
    """Whether an option asks torchvision for weights; an empty or false one does not.

    Those of the network itself are not asked for where a checkpoint is used (see `optlab.networks.build`).
    """
    inside = re.split(r"[.\[]", path)[1:]
    of_the_network = len(inside) == 1
    return group == "model" and not of_the_network and not DOWNLOADS.isdisjoint(inside) and value not in (None, False)


def resolve(path: str) -> Any:
    """What Hydra finds at a dotted path: attributes first, and modules where there are none.

    Raises:
        Exception: what the imports raise, or AttributeError.
    """
    parts = path.split(".")
    found: Any = importlib.import_module(parts[0])
    for number, part in enumerate(parts[1:], start=2):
        if hasattr(found, part) or not isinstance(found, ModuleType):
            found = getattr(found, part)
        else:
            found = importlib.import_module(".".join(parts[:number]))
    return found


def makes(function: Any, bases: tuple[type, ...]) -> bool:
    """Whether the annotated result of a function is of one of these classes."""
    try:
        result = typing.get_type_hints(function).get("return")
    except (NameError, TypeError):  # annotations that cannot be read say nothing
        return False
    return inspect.isclass(result) and issubclass(result, bases)


def within(path: str, packages: Collection[str]) -> bool:
    return any(path == package or path.startswith(f"{package}.") for package in packages)


def named_in_conf(group: str) -> set[str]:
    """The classes that files of the config folders name for a group, in the group's own or in an experiment."""
    names: set[str] = set()
    for folder in places.folders():
        for file in (folder / group).glob("*.yaml"):
            names |= targets(places.read(file))
        for file in (folder / "experiment").glob("*.yaml"):
            names |= targets(places.read(file).get(group))
    return names


def targets(options: Any) -> set[str]:
    """The classes that options name, at any depth; `???` stands for none yet."""
    named = (value for _, key, value in leaves(options, "") if key == "_target_")
    return {value for value in named if isinstance(value, str) and NAME.fullmatch(value)}


def leaves(value: Any, path: str) -> Iterator[tuple[str, str, Any]]:
    """(path, key, value) of every value in nested dicts and lists; what is empty is a value too."""
    stack = [(path, path.rpartition(".")[2], value)]
    while stack:
        path, key, value = stack.pop()
        if isinstance(value, Mapping) and value:
            stack += [(f"{path}.{inner}" if path else str(inner), str(inner), each) for inner, each in value.items()]
        elif isinstance(value, (list, tuple)) and value:
            stack += [(f"{path}[{number}]", key, each) for number, each in enumerate(value)]
        else:
            yield path, key, value
