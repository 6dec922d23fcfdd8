"""The groups of the config folder, their options, and the keys that may be typed below them. Light at import."""

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from optlab.adapters.hydra import Override, matching
from optlab.config import CONFIG_FOLDER
from optlab.errors import UserError

MAY_BE_NULL = ("experiment", "debug")
NO_ARGUMENTS = ("name", "_target_", "search")  # keys of a group's file that are no arguments


def groups() -> list[str]:
    return sorted(path.name for path in CONFIG_FOLDER.iterdir() if path.is_dir() and path.name != "hydra")


def options(group: str) -> list[str]:
    return sorted(path.stem for path in (CONFIG_FOLDER / group).glob("*.yaml"))


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
    close = difflib.get_close_matches(str(value), names, n=1, cutoff=0.5)
    hint = f"; did you mean {group}={close[0]}?" if close else ""
    return f"{group}={value}: there is no such {group}; known: {', '.join(names)}{hint}"


def keys_of(group: str, words: Sequence[str]) -> list[str]:
    """The keys that may be typed below a group, an option (`logger.wandb`) or another node of the top level.

    An empty name is the top level itself; [] for other nodes.
    """
    top = OmegaConf.to_container(OmegaConf.load(CONFIG_FOLDER / "train.yaml"))
    assert isinstance(top, dict)
    if not group:
        return [*groups(), *(str(key) for key in top if key not in ("defaults", "hydra", "trainer"))]
    if group == "hydra.sweeper":
        return [str(key) for key in OmegaConf.load(sweeper_file(words)) if key not in NO_ARGUMENTS]
    if group not in groups():
        name, _, option = group.partition(".")
        file = CONFIG_FOLDER / name / f"{option}.yaml"
        inside = OmegaConf.to_container(OmegaConf.load(file)) if name in groups() and file.exists() else {}
        nodes = inside if option else top
        node = nodes.get(option or name) if isinstance(nodes, dict) and name != "hydra" else None
        return [str(key) for key in node if key not in NO_ARGUMENTS] if isinstance(node, dict) else []
    below = dict(top.get(group) or {})
    file = CONFIG_FOLDER / group / f"{option_of(group, words)}.yaml"
    if file.exists():
        loaded = OmegaConf.to_container(OmegaConf.load(file))
        below |= loaded if isinstance(loaded, dict) else {}
    return [str(key) for key in below if key not in NO_ARGUMENTS]


def sweeper_file(words: Sequence[str]) -> Path:
    """The yaml of the sweeper that the command line chooses, itself or by its experiment."""
    names = [word.partition("=")[2] for word in words if "experiment=" in word]
    presets = [CONFIG_FOLDER / "experiment" / f"{name}.yaml" for name in names]
    says = [*words, *(preset.read_text(encoding="utf-8") for preset in presets if preset.exists())]
    study = any("sweeper=study" in text or "sweeper: study" in text for text in says)
    return CONFIG_FOLDER / "hydra" / "sweeper" / ("study.yaml" if study else "grid.yaml")


def option_of(group: str, words: Sequence[str]) -> str:
    """The option that the command line chooses for a group, or its default."""
    typed = [word.partition("=")[2] for word in words if word.startswith(f"{group}=")]
    if typed:
        return typed[-1].split(",")[0]
    for entry in OmegaConf.load(CONFIG_FOLDER / "train.yaml").defaults:
        if OmegaConf.is_dict(entry) and group in entry:
            return str(entry[group])
    return "null"
