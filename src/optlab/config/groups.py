"""The groups of the config folders, their options, and the keys that may be typed below them. Light at import."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from optlab.adapters.hydra import Override, matching
from optlab.config import places
from optlab.config.places import groups, options
from optlab.errors import UserError
from optlab.rules.nearest import nearest

MAY_BE_NULL = ("experiment", "debug", "module")
OF_CLASSES = ("dataset", "loss", "lr", "model", "module", "optimizer")  # groups whose options are a class's arguments
NO_ARGUMENTS = ("name", "_target_", "search")  # keys of a group's file that are no arguments


def check_groups(overrides: Iterable[Override]) -> None:
    """Raise UserError for an option that its group lacks."""
    known = groups()
    for override in overrides:
        if override.key_or_group not in known or override.is_delete():
            continue
        for value in chosen(override):
            if value in options(override.key_or_group) or (value is None and override.key_or_group in MAY_BE_NULL):
                continue
            raise UserError(unknown_option(override.key_or_group, value))


def check_custom(overrides: Sequence[Override]) -> None:
    """Raise UserError for `optimizer=custom` that does not say which class."""
    custom = any(each.key_or_group == "optimizer" and "custom" in chosen(each) for each in overrides)
    if custom and not any(each.key_or_group == "optimizer._target_" for each in overrides):
        raise UserError(
            "optimizer=custom needs a class: type optimizer._target_=package.Class (to compare it with others, copy "
            "conf/optimizer/custom.yaml to conf/optimizer/NAME.yaml, name the class there, type optimizer=NAME,adam)"
        )


def chosen(override: Override) -> list[object]:
    """The options that an override names: several in a sweep or a list."""
    if (names := matching(override, options(override.key_or_group))) is not None:
        return list(names)
    if override.is_sweep_override():
        return list(override.sweep_iterator(transformer=lambda value: value))
    value = override.value()
    return list(value) if isinstance(value, list) else [value]


def unknown_option(group: str, value: Any) -> str:
    value = "null" if value is None else value
    if group == "lr" and isinstance(value, (int, float)):
        return f"lr={value}: lr is the group of schedules ({', '.join(options('lr'))}); type optimizer.lr={value}"
    names = [*options(group), *(["true"] if group == "debug" else [])]
    close = nearest(str(value), names, cutoff=0.5)
    hint = f"; did you mean {group}={close[0]}?" if close else ""
    if group in OF_CLASSES and re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)+", str(value)):
        hint = f"; a class is typed as {group}._target_={value}"
    return f"{group}={value}: there is no such {group}; known: {', '.join(names)}{hint}"


def keys_of(group: str, words: Sequence[str]) -> list[str]:
    """The keys that may be typed below a group, an option (`logger.wandb`) or another node of the top level.

    An empty name is the top level itself; [] for other nodes.
    """
    top = places.whole("", places.current().name)
    if not group:
        return [*groups(), *(key for key in top if key not in ("hydra", "trainer"))]
    if group == "hydra.sweeper":
        return [key for key in places.whole("hydra/sweeper", sweeper(words)) if key not in NO_ARGUMENTS]
    if group == "hydra.launcher":
        chosen = [word.partition("=")[2] for word in words if word.startswith("hydra/launcher=")]
        return [key for key in places.whole("hydra/launcher", (chosen or ["auto"])[-1]) if key not in NO_ARGUMENTS]
    if group not in groups():
        name, _, option = group.partition(".")
        nodes = places.whole(name, option) if option else top
        node = nodes.get(option or name) if name != "hydra" else None
        return [str(key) for key in node if key not in NO_ARGUMENTS] if isinstance(node, dict) else []
    below = (top.get(group) or {}) | places.whole(group, option_of(group, words))
    return [str(key) for key in below if key not in NO_ARGUMENTS]


def sweeper(words: Sequence[str]) -> str:
    """The sweeper that the command line chooses, itself or by its experiment."""
    presets = [places.file_of("experiment", word.partition("=")[2]) for word in words if "experiment=" in word]
    says = [*words, *(preset.read_text(encoding="utf-8") for preset in presets if preset is not None)]
    return "study" if any("sweeper=study" in text or "sweeper: study" in text for text in says) else "grid"


def option_of(group: str, words: Sequence[str]) -> str:
    """The option that the command line chooses for a group, or its default."""
    typed = [word.partition("=")[2] for word in words if word.startswith(f"{group}=")]
    return typed[-1].split(",")[0] if typed else places.default_option(group)
