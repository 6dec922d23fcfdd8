"""What torchmetrics imports for few of its metrics: SciPy's signals and matplotlib, a third of the time of all imports.

Lightning imports torchmetrics, and so does every run. `python scripts/bench.py --only start` measures the imports with
and without. Written against torchmetrics 1.9; `tests/adapters/test_torchmetrics.py` says what each function keeps from
breaking. Light at import.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace
from typing import Any

# What torchmetrics asks of them while it is imported: names for annotations, and whether a name is there to be patched.
ASKED: dict[str, dict[str, Any]] = {
    "scipy.signal": {"hamming": None},
    "matplotlib": {"colors": SimpleNamespace(Colormap=object)},
    "matplotlib.axes": {"Axes": object},
    "matplotlib.pyplot": {"Figure": object},
}
PATCHED_FOR = "gammatone"  # with which a metric of speech wants the name in scipy.signal that torchmetrics adds


class Later(ModuleType):
    """Stands for a module of this name, which is imported when something else in it is asked for."""

    def __init__(self, name: str, asked: Mapping[str, Any]) -> None:
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None)  # for those who look whether it is installed
        vars(self).update(asked)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__path__":  # which an import of a module within it asks for
            raise AttributeError(name)
        leave()
        return getattr(import_module(self.__name__), name)


@contextmanager
def without_plots_and_signals() -> Iterator[None]:
    """Within the block import torchmetrics without what it needs for plots and sounds; it comes when it is used."""
    if "torchmetrics" in sys.modules or find_spec(PATCHED_FOR) is not None:
        yield
        return
    for package in ("scipy", "matplotlib"):
        if package not in sys.modules and find_spec(package) is not None:
            names = [name for name in ASKED if name.partition(".")[0] == package]
            sys.modules.update({name: Later(name, ASKED[name]) for name in names})
    if isinstance(pyplot := sys.modules.get("matplotlib.pyplot"), Later):
        vars(pyplot)["style"] = SimpleNamespace(context=_in_style)
        vars(sys.modules["matplotlib"]).update(axes=sys.modules["matplotlib.axes"], pyplot=pyplot)
    try:
        yield
    finally:
        leave()


def leave() -> None:
    """From now on whoever imports these modules gets themselves."""
    for name in ASKED:
        if isinstance(sys.modules.get(name), Later):
            del sys.modules[name]


def _in_style(*style: Any, **how: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """What `matplotlib.style.context` is as a decorator."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def styled(*args: Any, **kwargs: Any) -> Any:
            with import_module("matplotlib.style").context(*style, **how):
                return function(*args, **kwargs)

        return styled

    return decorate
