"""Objects in place of names: a network's class, a data set, an optimizer, a loss or a LightningModule of one's own.

A class or function that can be imported stands in the config by its path (`_target_: mynet.Net`), so its runs can be
rebuilt from disk. Anything else is kept in this process (see `optlab.objects`): its runs are as good, but their
checkpoints are opened in a program that hands the object over again. Its path in the config ends with a hash of its
code or content, so that a changed one is another run.
"""

import hashlib
import inspect
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from optlab import objects
from optlab.api.contents import DIGITS, digest, path_of
from optlab.config import places
from optlab.errors import UserError

GROUPS = ("model", "dataset", "optimizer", "loss", "module")
PLAIN = (str, int, float, bool, Path, type(None))
SPLIT = {"val_size": 0.1, "split_seed": 0, "train_split": "train", "augment": "none"}


def is_object(key: str, value: Any) -> bool:
    """Whether a value of a group is an object, or a dict with one as its `_target_`."""
    if key not in GROUPS:
        return False
    if isinstance(value, Mapping):
        return not isinstance(value.get("_target_", ""), str)
    return not isinstance(value, PLAIN) and not (key != "dataset" and isinstance(value, (list, tuple)))


def as_option(group: str, value: Any) -> str:
    """Make the object an option of its group, and give the option's name.

    Args:
        value: the object, or a dict of it as `_target_` with its arguments.

    Raises:
        UserError: an object that the group has no use for.
    """
    option, name, node = described(group, value)
    return option or offered(group, name, node)


def as_words(group: str, value: Any) -> list[tuple[str, Any]] | None:
    """The keys and values that name an object which can be imported; None where it cannot, or is an option of ours."""
    option, _, node = described(group, value)
    if option or str(node["_target_"]).startswith(f"{objects.HERE}."):
        return None
    arguments = {key: each for key, each in (value.items() if isinstance(value, Mapping) else ()) if key != "_target_"}
    return [(f"{group}._target_", node["_target_"]), *((f"{group}.{key}", each) for key, each in arguments.items())]


def described(group: str, value: Any) -> tuple[str, str, dict[str, Any]]:
    """For an object the option of ours that it is ("" for none), what its runs are called by, and its config."""
    arguments = dict(value) if isinstance(value, Mapping) else {"_target_": value}
    thing = arguments.pop("_target_")
    name = str(arguments.pop("name", ""))
    if group == "dataset":
        from optlab.api import data

        thing, suggested, content = data.as_function(thing)
        target = objects.keep(f"{suggested}_{content}", thing) if content else path_of(thing)
        return "", name or suggested, SPLIT | {"_target_": target} | arguments
    thing, suggested = CHECKS[group](thing), name_of(thing)
    if group == "optimizer" and not arguments and not name and (own := own_option(thing)):
        return own, "", {}
    target = path_of(thing)
    if group == "optimizer":
        suggested = target or suggested  # as the command line calls a class
        arguments = own_defaults() | arguments
    target = target or objects.keep(f"{name_of(thing)}_{hash_of(group, thing)}", thing)
    return "", name or suggested, {"_target_": target} | arguments


def offered(group: str, name: str, node: Mapping[str, Any]) -> str:
    """Offer an option, and give what it is called in words: by its name, or one of its own where another has that.

    What its runs are called by does not depend on what was offered before, so that the same run has the same id.
    """
    while places.file_of(group, name) is not None:
        name = f"own_{name}"
    content = {"name": name, **node}
    option = name = name.rpartition(".")[2]
    if objects.node(group, name) not in ({}, content):
        option = f"{name}_{hashlib.sha256(repr(content).encode()).hexdigest()[:DIGITS]}"
    objects.offer(group, option, content)
    return option


# -- where an object comes from


def name_of(thing: Any) -> str:
    name = str(getattr(thing, "__name__", "") or type(thing).__name__)
    return name if name.isidentifier() else "own"


def hash_of(group: str, thing: Any) -> str:
    try:
        return digest(thing)
    except Exception as error:  # whatever its own code raises
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(
            f"{group}: what {name_of(thing)} holds cannot be told apart from another one ({reason}); hand "
            "over its class, or a function that makes it"
        ) from error


def own_option(optimizer: Any) -> str:
    """optlab's own option for a class, with its search space: `torch.optim.Adam` is `adam`."""
    name = name_of(optimizer).lower()
    return name if places.content_of("optimizer", name).get("_target_") == path_of(optimizer) else ""


def own_defaults() -> dict[str, Any]:
    """What `optimizer=custom` has: a learning rate and a space to search it in."""
    return {
        key: value for key, value in places.content_of("optimizer", "custom").items() if key not in ("name", "_target_")
    }


# -- what each group takes


def network(thing: Any) -> Any:
    from torch import nn

    if isinstance(thing, nn.Module):
        raise UserError(
            f"model: this {type(thing).__name__} has its weights already, and every run needs new ones by its seed; "
            f"hand over the class, model={type(thing).__name__}, or a function that makes one"
        )
    return a_callable("model", thing, "a network's class, or a function that makes one")


def optimizer(thing: Any) -> Any:
    from torch import optim

    if not (inspect.isclass(thing) and issubclass(thing, optim.Optimizer)):
        raise UserError(f"optimizer: {name_of(thing)} is no optimizer's class; hand one over, as torch.optim.SGD")
    return thing


def loss(thing: Any) -> Any:
    from torch import nn

    if isinstance(thing, nn.Module):
        return Same(thing)
    if inspect.isclass(thing) and not issubclass(thing, nn.Module):
        raise UserError(f"loss: {name_of(thing)} is no nn.Module; hand over one, or its class")
    if inspect.isfunction(thing):
        return Same(thing)
    return a_callable("loss", thing, "a loss (nn.Module), its class, or a function of output and target")


def lightning_module(thing: Any) -> Any:
    from lightning import LightningModule

    if isinstance(thing, LightningModule):
        raise UserError(f"module: hand over the class, module={type(thing).__name__}, as every run makes its own")
    if not (inspect.isclass(thing) and issubclass(thing, LightningModule)):
        raise UserError(f"module: {name_of(thing)} is no LightningModule; hand over a class that derives from it")
    return thing


def a_callable(group: str, thing: Any, wanted: str) -> Any:
    if not callable(thing):
        raise UserError(f"{group}: a {type(thing).__name__} is none; hand over {wanted}")
    return thing


class Same:
    """Makes a loss like this one each time; a function of output and target becomes a module."""

    def __init__(self, thing: Any) -> None:
        self.thing = thing
        self.__name__ = thing.__name__ if inspect.isfunction(thing) else type(thing).__name__

    def __call__(self) -> Any:
        from torch import nn

        if isinstance(self.thing, nn.Module):
            return deepcopy(self.thing)
        module = nn.Module()
        module.forward = self.thing
        return module


CHECKS: dict[str, Callable[[Any], Any]] = {
    "model": network,
    "optimizer": optimizer,
    "loss": loss,
    "module": lightning_module,
}
