"""Objects that a program hands over in place of a name: options of a group, and what has no importable name.

`optlab.objects.NAME` is such an object, for as long as the process lives: a config may name it as its `_target_` like
any class. In another process it is not there, and whoever looks for it is told so.
"""

from collections.abc import Mapping
from typing import Any

HERE = __name__  # the package that a `_target_` begins with, where its object cannot be imported
_objects: dict[str, Any] = {}
_options: dict[str, dict[str, dict[str, Any]]] = {}


def __getattr__(name: str) -> Any:
    if name in _objects:
        return _objects[name]
    raise AttributeError(
        f"{name} was an object of the program that ran this, and lies in no module; hand it to optlab.run again"
    )


def keep(name: str, thing: Any) -> str:
    """Keep an object for this process, and give its dotted path."""
    _objects[name] = thing
    return f"{HERE}.{name}"


def is_there(target: str) -> bool:
    """Whether a `_target_` can be found in this process as far as it depends on what was handed over."""
    package, _, name = target.rpartition(".")
    return package != HERE or name in _objects


def offer(group: str, name: str, node: Mapping[str, Any]) -> None:
    """Make `group=name` an option of this process, with this config."""
    _options.setdefault(group, {})[name] = dict(node)


def options(group: str) -> list[str]:
    """The options of a group that this process offers besides those of the config folders."""
    return sorted(_options.get(group, ()))


def all_options() -> dict[str, dict[str, dict[str, Any]]]:
    """Their configs, by group and name."""
    return _options


def node(group: str, name: str) -> dict[str, Any]:
    """The config of such an option; {} where there is none."""
    return _options.get(group, {}).get(name, {})
