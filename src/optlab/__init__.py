"""optlab: which optimizer, at which learning rate, for this network on this data, and is the difference real?

What `__all__` names is for programs and notebooks, and stays (docs/api.md); everything else may change. Nothing is
imported before it is asked for, so that `import optlab` costs nothing.
"""

import importlib
import inspect
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optlab.api.finder import find_lr
    from optlab.api.many import study, sweep
    from optlab.api.results import Results, Verdict, read
    from optlab.api.training import Run, run
    from optlab.config import compose
    from optlab.errors import UserError

__all__ = ["Results", "Run", "UserError", "Verdict", "compose", "find_lr", "read", "run", "study", "sweep"]

_HOMES = {
    "Results": "optlab.api.results",
    "Run": "optlab.api.training",
    "UserError": "optlab.errors",
    "Verdict": "optlab.api.results",
    "compose": "optlab.config",
    "find_lr": "optlab.api.finder",
    "read": "optlab.api.results",
    "study": "optlab.api.many",
}
_ROOMS = {
    "run": "optlab.api.training",
    "sweep": "optlab.api.many",
}  # rooms that are called like a function of the API, and where that stands


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Room(ModuleType):
    """A room that can be called: `optlab.run(optimizer="adam")` beside `from optlab.run import run`."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _function(self)(*args, **kwargs)

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(_function(self))


def _function(room: ModuleType) -> Any:
    name = room.__name__.rpartition(".")[2]
    return getattr(importlib.import_module(_ROOMS[name]), name)


class _Package(ModuleType):
    """This package; the import system binds a room to it when the room is first imported, by whomever."""

    def __setattr__(self, name: str, value: object) -> None:
        if name in _ROOMS and isinstance(value, ModuleType):
            value.__class__ = _Room
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
