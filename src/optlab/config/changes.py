"""What a typed word changes in the composed config, where Hydra alone would refuse it or keep what no longer fits.

Three things, wherever a config is composed: here, in a sweep's jobs, in other processes, by `optlab.config.compose`.
- Another class (`model._target_=mynet.Net`) does not take the arguments of the option before: they are dropped, and the
  option is called by the class. Its own arguments need no `+`.
- A key that `optlab.config.schema` declares with a default needs no `+` either, though no yaml holds it.
- A key may be left out (`~dataset.mean`) whatever its value, null among them.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, get_args, get_origin

from omegaconf import DictConfig, OmegaConf, open_dict

from optlab.adapters import hydra as hydra_adapter
from optlab.adapters.composing import Known, merging_once, reading_once
from optlab.adapters.hydra import Override
from optlab.config import places
from optlab.config.places import Places

if TYPE_CHECKING:  # pydantic takes a while to import, and few commands need the schema here
    from optlab.config.node import Node

TARGET = "_target_"
# Its words are written out before (`optlab.config.overrides.any_class`), and a class typed beside an option that was
# typed, too, keeps that option's arguments: so it was in the first runs, whose ids stay.
WRITTEN_OUT = "optimizer"


@contextmanager
def composing(found: Places, known: Known | None = None) -> Iterator[None]:
    """Within the block configs come from these folders, and typed words change them as this module says.

    Args:
        known: what earlier blocks of the same command have merged, for one after the other.
    """
    reading, merging = reading_once(places.CONFIG_FOLDER), merging_once(known)
    with places.using(found), hydra_adapter.overriding(changed), reading, merging:
        yield


def changed(overrides: Sequence[Override], cfg: DictConfig) -> list[Override]:
    """The overrides as Hydra can apply them to a config, from which the arguments of former classes are dropped."""
    typed = {override.key_or_group for override in overrides}
    dropped: set[str] = set()
    open_nodes: set[str] = set()  # whose keys may be new
    for override in overrides:
        path, _, key = override.key_or_group.rpartition(".")
        if key == TARGET and path and not override.is_delete():
            open_nodes.add(path)
            dropped |= switch(cfg, path, override.value(), typed)
    kept: list[Override] = []
    for override in overrides:
        if override.is_delete() and leave_out(override, cfg, dropped):
            kept = [each for each in kept if not within(each.key_or_group, override.key_or_group)]
        else:
            kept.append(hydra_adapter.forced(override) if may_be_new(override, cfg, open_nodes) else override)
    return kept


def switch(cfg: DictConfig, path: str, target: Any, typed: set[str]) -> set[str]:
    """Drop the arguments of the class before, and call the option by the new one; returns the keys that went.

    A node without a class yet (`???`) waits for one, so its keys are meant for it.
    """
    node = node_at(cfg, path)
    before = None if node is None else raw(node, TARGET)
    if not isinstance(target, str) or target in (before, "???") or path == WRITTEN_OUT:
        return set()
    declared = keys_declared_at(path)
    gone: set[str] = set()
    with open_dict(cfg):
        if node is None:
            if "." in path or declared is None:
                return set()
            OmegaConf.update(cfg, path, {}, force_add=True)  # a group without an option: `module: null`
            node = cfg[path]
        elif before != "???":
            kept = declared.keys() if declared is not None else {TARGET}
            gone = {str(key) for key in node if str(key) not in kept}
            for key in gone:
                del node[key]
        name = raw(node, "name")
        called = name is not None or (declared is not None and "name" in declared)
        if called and f"{path}.name" not in typed and not (isinstance(name, str) and "${" in name):
            node["name"] = target.rpartition(".")[2]
    return {f"{path}.{key}" for key in gone}


def may_be_new(override: Override, cfg: DictConfig, open_nodes: set[str]) -> bool:
    """Whether a word typed without `+` may add its key."""
    path = override.key_or_group
    if override.is_delete() or override.is_add() or override.is_force_add():
        return False
    parent, _, key = path.rpartition(".")
    node = node_at(cfg, parent)
    if node is None or has(node, key):
        return False
    if any(within(path, each) for each in open_nodes):
        return True
    return (keys_declared_at(parent) or {}).get(key, False)


def leave_out(override: Override, cfg: DictConfig, dropped: set[str]) -> bool:
    """Do what `~key` asks for, where the key is there or went with the class before."""
    path = override.key_or_group
    if path in dropped:
        return True
    parent, _, key = path.rpartition(".")
    node = node_at(cfg, parent)
    if node is None or not has(node, key) or override.value() is not None:  # `~key=value` is Hydra's to compare
        return False
    with open_dict(cfg):
        del node[key]
    return True


def within(path: str, parent: str) -> bool:
    return path == parent or path.startswith(f"{parent}.")


def has(node: DictConfig, key: str) -> bool:
    """Whether a key stands there, whatever its value: `in node` says no where that is missing."""
    return key in list(node.keys())


def node_at(cfg: DictConfig, path: str) -> DictConfig | None:
    """The keys with values at a path, where there are such; an empty path is the config itself."""
    node: Any = cfg
    for part in path.split(".") if path else ():
        node = raw(node, part) if isinstance(node, DictConfig) else None
    return node if isinstance(node, DictConfig) else None


def raw(node: DictConfig, key: str) -> Any:
    """The value as it is written: the text of an interpolation, `???` for what is missing; None for null or nothing."""
    if not has(node, key):
        return None
    if OmegaConf.is_interpolation(node, key):
        written = OmegaConf.to_container(node, resolve=False)
        return written[key] if isinstance(written, dict) else None
    return "???" if OmegaConf.is_missing(node, key) else node[key]


def keys_declared_at(path: str) -> dict[str, bool] | None:
    """The keys that the schema declares at a path, and whether each has a default; None where it declares nothing."""
    from optlab.config.node import fields, node_in
    from optlab.config.schema import Config

    node: type[Node] | None = Config
    hint: Any = None
    for part in path.split(".") if path else ():
        if node is not None:
            field = fields(node).get(part)
            hint = field.annotation if field is not None else None
        elif get_origin(hint) is dict:
            hint = get_args(hint)[1]
        else:
            return None
        node = node_in(hint)
    return None if node is None else {key: not field.is_required() for key, field in fields(node).items()}
