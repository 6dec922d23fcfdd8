"""Objects in place of names: a network's class, a data set, an optimizer, a loss or a LightningModule of one's own.

A class or function that can be imported stands in the config by its path (`_target_: mynet.Net`), so its runs can be
rebuilt from disk. Anything else is kept in this process (see `optlab.objects`): its runs are as good, but their
checkpoints are opened in a program that hands the object over again. Its path in the config ends with a hash of its
code or content, so that a changed one is another run.
"""

import hashlib
import inspect
import pickle
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from types import CodeType
from typing import Any

from optlab import objects
from optlab.config import places
from optlab.errors import UserError

GROUPS = ("model", "dataset", "optimizer", "loss", "module")
PLAIN = (str, int, float, bool, Path, type(None))
SPLIT = {"val_size": 0.1, "split_seed": 0, "train_split": "train", "augment": "none"}
DIGITS = 8  # of a hash, in a path
UNTOLD = ("__dict__", "__weakref__", "__doc__", "__module__", "__firstlineno__", "__static_attributes__")


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
    target = target or objects.keep(f"{name_of(thing)}_{digest(thing)}", thing)
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


def path_of(thing: Any) -> str:
    """The shortest dotted path by which any process can import this very class or function; "" where there is none."""
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", "")
    if not module or module == "__main__" or "." in name or not name.isidentifier():
        return ""
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        path = ".".join(parts[:end])
        if any(part.startswith("_") for part in parts[:end]):
            break
        if getattr(sys.modules.get(path), name, None) is thing:
            return f"{path}.{name}"
    return ""


def name_of(thing: Any) -> str:
    name = str(getattr(thing, "__name__", "") or type(thing).__name__)
    return name if name.isidentifier() else "own"


def digest(thing: Any) -> str:
    """A few hex digits of an object's code and content: another program text is another object."""
    return hashlib.sha256("\n".join(content_of(thing)).encode()).hexdigest()[:DIGITS]


def content_of(thing: Any) -> Iterator[str]:
    """What makes an object what it is: its classes' code without what others wrote, and its state.

    Not the source text: a notebook has none for its classes.
    """
    if isinstance(thing, Same):
        yield from content_of(thing.thing)
    elif inspect.isclass(thing):
        for each in thing.__mro__:
            if not path_of(each):
                yield each.__qualname__
                for name, value in sorted(vars(each).items()):
                    yield name
                    yield from content_of(getattr(value, "__func__", value)) if name not in UNTOLD else ()
    elif inspect.isfunction(thing):
        yield from code_of(thing.__code__)
        yield repr((thing.__defaults__, thing.__kwdefaults__))
        for cell in thing.__closure__ or ():
            with suppress(ValueError):  # an empty one
                yield from () if inspect.isclass(cell.cell_contents) else (plain(cell.cell_contents),)
    else:
        yield plain(thing)
        if not isinstance(thing, type) and type(thing).__module__ == "__main__":
            yield from content_of(type(thing))


def code_of(code: CodeType) -> Iterator[str]:
    yield repr((code.co_code, code.co_names, code.co_varnames))
    for constant in code.co_consts:
        yield from code_of(constant) if isinstance(constant, CodeType) else (repr(constant),)


def plain(value: Any) -> str:
    """The state of a value as text that is the same in every process."""
    try:
        return hashlib.sha256(pickle.dumps(value)).hexdigest()
    except Exception:  # whatever its own code raises: then only its kind is known
        return type(value).__qualname__


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
