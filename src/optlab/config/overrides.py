"""What a user typed after `python train.py`: shorthands, a checkpoint's own overrides, and clear words for mistakes."""

import difflib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from optlab.config import CONFIG_FOLDER
from optlab.errors import UserError

PATHS = ("dataset.root", "input", "ckpt", "hydra.run.dir", "hydra.sweep.dir")
MAY_BE_NULL = ("experiment", "debug")
NO_ARGUMENTS = ("name", "_target_", "search")  # keys of a group's file that are no arguments


def prepare(arguments: Sequence[str]) -> list[str]:
    """The arguments for Hydra: shorthands written out, and those of the checkpoint before the user's own.

    Raises:
        UserError: a group or option that does not exist, text that is no override, an unreadable checkpoint.
    """
    if any(word in ("-sc", "--shell-completion", "-h", "--help", "--hydra-help", "--version") for word in arguments):
        return list(arguments)
    if not CONFIG_FOLDER.is_dir():
        raise UserError(f"{CONFIG_FOLDER} is missing: install optlab from its checkout with pip install -e .")
    if {"-m", "--multirun"} & set(arguments) and {"--cfg", "-c"} & set(arguments):
        raise UserError("-m with --cfg: the config is that of one run; leave -m out, and the lists of values")
    words = ["debug=traceback" if re.fullmatch(r"debug=true", word, re.I) else word for word in arguments]
    words = [readable(word) for word in any_class(words)]
    overrides = parse(get_args_parser().parse_known_args(words)[0].overrides)
    check_groups(overrides)
    check_custom(overrides)
    check_sweeps(overrides, multirun=any(word in ("-m", "--multirun") for word in arguments))
    words = [checkpoint_file(word, arguments) if word.startswith("ckpt=") else word for word in words]
    overrides = parse(get_args_parser().parse_known_args(words)[0].overrides)
    values = {override.key_or_group: override.value() for override in overrides if not override.is_sweep_override()}
    if (path := values.get("ckpt")) is not None and "--cfg" not in arguments and "-c" not in arguments:
        from optlab.config.recorded import recorded  # which reads the checkpoint with torch

        taken = {override.key_or_group for override in overrides}
        return [
            *recorded(str(path), taken=taken, mode=values.get("mode"), trusts=values.get("trust") is True),
            *words,
        ]
    return words


def wants_traceback(arguments: Iterable[str]) -> bool:
    return any(
        re.fullmatch(r"(debug=(true|traceback|fast|overfit|profile)|traceback=true)", word, re.I) for word in arguments
    )


def parse(words: list[str]) -> list[Override]:
    try:
        return list(OverridesParser.create().parse_overrides(words))
    except HydraException as error:
        word = next((word for word in words if "=" not in word and not word.startswith("~")), None)
        if word is None:
            raise UserError(" ".join(str(error).split())) from error
        group = next((g for g in groups() if word in options(g)), None)
        hint = f"did you mean {group}={word}?" if group else "type group=option or key=value, as in optimizer=adam"
        raise UserError(f"{word}: not an override; {hint}") from error


def readable(word: str) -> str:
    """A word that Hydra's grammar takes: paths may hold any character, and `~` is the home folder."""
    key, _, value = word.partition("=")
    if re.fullmatch(r"--[\w.]+", key) and key[2:].partition(".")[0] in groups():
        raise UserError(f"{word}: type {key[2:]}={value or 'VALUE'}, without --")
    if key not in PATHS or not value or value[0] in "'\"":
        return word
    value = str(Path(value).expanduser()) if value.startswith("~") else value
    if re.fullmatch(r"[\w/.:+-]+", value, re.A):
        return f"{key}={value}"
    return f"""{key}='{value.replace("'", chr(92) + "'")}'"""


def check_sweeps(overrides: Iterable[Override], *, multirun: bool) -> None:
    """Raise UserError for several values of a key outside a multirun."""
    for override in overrides:
        if override.is_sweep_override() and not multirun and not override.key_or_group.startswith("hydra"):
            key, values = override.key_or_group, (override.input_line or "").partition("=")[2]
            several = f", or '{key}=[{values}]' for several at once" if key == "logger" else ""
            raise UserError(f"{key}={values}: several values need -m (python train.py -m ...){several}")


def checkpoint_file(word: str, arguments: Sequence[str]) -> str:
    """`ckpt=RUN` names a run folder's checkpoint: its last one to train on, its best one to use."""
    path = Path(word.partition("=")[2].strip("'\""))
    if not path.is_dir():
        return word
    uses = any(argument in ("mode=test", "mode=predict") for argument in arguments)
    names = ("best.ckpt", "last.ckpt") if uses else ("last.ckpt",)
    found = [path / "checkpoints" / name for name in names if (path / "checkpoints" / name).exists()]
    if not found:
        raise UserError(
            f"ckpt={path}: this folder has no checkpoints/last.ckpt; name a run folder or a checkpoint file"
        )
    return f"ckpt='{found[0]}'"


def any_class(words: list[str]) -> list[str]:
    """`optimizer._target_=package.Class` alone stands for `optimizer=custom`, and its other keys may be new."""
    names_class = any(word.startswith("optimizer._target_=") for word in words)
    names_option = any(re.match(r"optimizer=", word) for word in words)
    if not names_class or names_option:
        return words
    return ["optimizer=custom", *(f"++{word}" if word.startswith("optimizer.") else word for word in words)]


# -- groups and options


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


# -- what Hydra says, in one line


def explain(error: Exception, words: Sequence[str]) -> str:
    """One line for a person."""
    if isinstance(error, UserError):
        return str(error)
    chain = [error, error.__cause__, error.__context__]
    system = next((each for each in chain if isinstance(each, OSError) and each.filename), None)
    if system is not None:
        return f"cannot write {system.filename}: {system.strerror}; choose another folder with hydra.run.dir=FOLDER"
    if isinstance(error, (HydraException, OmegaConfBaseException)):
        text = f"{error}\n{error.__cause__ or ''}"
        if match := re.search(r"Could not (?:override|append to config\. An item is already at) '([^']+)'", text):
            return unknown_key(match[1], words)
        return " ".join(line.strip() for line in str(error).splitlines() if line.strip())
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def unknown_key(path: str, words: Sequence[str]) -> str:
    """For a key that the config lacks: the keys that stand beside it, and the nearest one."""
    group, _, key = path.rpartition(".")
    word = next((w for w in words if w.startswith(f"{path}=")), f"{path}=VALUE")
    names = keys_of(group, words)
    if not names:
        close = difflib.get_close_matches(group.partition(".")[0], groups(), n=1)
        if close and close[0] != group.partition(".")[0]:
            return f"{path}: there is no such group; did you mean {close[0]}.{key}?"
        return f"{path}: there is no such key; add it with +{word}"
    close = difflib.get_close_matches(key, names, n=1)
    hint = f"; did you mean {group + '.' if group else ''}{close[0]}?" if close else ""
    if not group:
        below = [f"{g}.{name}" for g in groups() for name in keys_of(g, words)]
        exact = [name for name in below if name.rpartition(".")[2] in (key, f"max_{key}")]
        hint = f"; did you mean {exact[0]}?" if exact else hint
        return f"{key}: there is no such key or group; known: {', '.join(names)}{hint}"
    if group == "hydra.sweeper":
        return f"{path}: the sweeper has no {key!r}; it has {', '.join(names)}{hint}"
    option = option_of(group, words)
    more = f"; another argument of its class: +{word}" if group in ("optimizer", "trainer", "model") else ""
    return f"{path}: {group}={option} has no {key!r}; it takes {', '.join(names)}{hint or more}"


def keys_of(group: str, words: Sequence[str]) -> list[str]:
    """The keys that may be typed below a group, or at the top level for an empty name; [] for other nodes."""
    top = OmegaConf.to_container(OmegaConf.load(CONFIG_FOLDER / "train.yaml"))
    assert isinstance(top, dict)
    if not group:
        return [*groups(), *(str(key) for key in top if key not in ("defaults", "hydra", "trainer"))]
    if group == "hydra.sweeper":
        return [str(key) for key in OmegaConf.load(sweeper_file(words)) if key not in NO_ARGUMENTS]
    if group not in groups():
        return []
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
