"""What a user typed after `python train.py`: shorthands, a checkpoint's own overrides, and clear words for mistakes."""

import difflib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from optlab.errors import UserError

CONFIG_FOLDER = Path(__file__).parents[2] / "conf"
NO_ARGUMENTS = ("name", "_target_", "search")  # keys of a group's file that are no arguments
NOT_CARRIED = ("ckpt", "mode", "input", "sweep", "phase", "debug", "traceback")  # of a checkpoint's overrides


def prepare(arguments: Sequence[str]) -> list[str]:
    """The arguments for Hydra: shorthands written out, and those of the checkpoint before the user's own.

    Raises:
        UserError: a group or option that does not exist, text that is no override, an unreadable checkpoint.
    """
    if any(word in ("-sc", "--shell-completion", "-h", "--help", "--hydra-help", "--version") for word in arguments):
        return list(arguments)
    words = ["debug=traceback" if re.fullmatch(r"debug=true", word, re.I) else word for word in arguments]
    words = any_class(words)
    overrides = parse(get_args_parser().parse_known_args(words)[0].overrides)
    check_groups(overrides)
    values = {override.key_or_group: override.value() for override in overrides if not override.is_sweep_override()}
    if (path := values.get("ckpt")) is not None and "--cfg" not in arguments and "-c" not in arguments:
        return [*recorded(str(path), taken={override.key_or_group for override in overrides}), *words]
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


def any_class(words: list[str]) -> list[str]:
    """`optimizer._target_=package.Class` alone stands for `optimizer=custom`, and its other keys may be new."""
    names_class = any(word.startswith("optimizer._target_=") for word in words)
    names_option = any(re.match(r"optimizer=", word) for word in words)
    if not names_class or names_option:
        return words
    return ["optimizer=custom", *(f"++{word}" if word.startswith("optimizer.") else word for word in words)]


def recorded(path: str, taken: set[str]) -> list[str]:
    """The overrides of the run that wrote a checkpoint, without those that the user typed again."""
    from optlab import checkpoint

    overrides = checkpoint.read(path)["optlab"].get("overrides", [])
    kept = []
    for word in overrides:
        key = parse([word])[0].key_or_group
        if key not in taken and key not in NOT_CARRIED and not key.startswith("hydra"):
            kept.append(word)
    return kept


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
            if value is None or value in options(override.key_or_group):
                continue
            raise UserError(unknown_option(override.key_or_group, value))


def chosen(override: Override) -> list[object]:
    """The options that an override names: several in a sweep or a list."""
    if override.is_sweep_override():
        return list(override.sweep_iterator(transformer=lambda value: value))
    value = override.value()
    return list(value) if isinstance(value, list) else [value]


def unknown_option(group: str, value: object) -> str:
    if group == "lr" and isinstance(value, (int, float)):
        return f"lr={value}: lr is the group of schedules ({', '.join(options('lr'))}); type optimizer.lr={value}"
    close = difflib.get_close_matches(str(value), options(group), n=1, cutoff=0.5)
    hint = f"; did you mean {group}={close[0]}?" if close else ""
    return f"{group}={value}: there is no such {group}; known: {', '.join(options(group))}{hint}"


# -- what Hydra says, in one line


def explain(error: Exception, words: Sequence[str]) -> str:
    """One line for a person."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, (HydraException, OmegaConfBaseException)):
        text = f"{error}\n{error.__cause__ or ''}"
        if match := re.search(r"Could not (?:override|append to config\. An item is already at) '([^']+)'", text):
            return unknown_key(match[1], words)
        return " ".join(line.strip() for line in str(error).splitlines() if line.strip())
    if isinstance(error, OSError) and error.filename:
        return f"cannot write {error.filename}: {error.strerror}; choose another folder with hydra.run.dir=FOLDER"
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def unknown_key(path: str, words: Sequence[str]) -> str:
    """For a key that the config lacks: the keys that stand beside it, and the nearest one."""
    group, _, key = path.rpartition(".")
    word = next((w for w in words if w.startswith(f"{path}=")), f"{path}=VALUE")
    names = keys_of(group, words)
    if not names:
        return f"{path}: there is no such key; add it with +{word}"
    close = difflib.get_close_matches(key, names, n=1)
    hint = f"; did you mean {group + '.' if group else ''}{close[0]}?" if close else ""
    if not group:
        return f"{key}: there is no such key or group; known: {', '.join(names)}{hint}"
    option = option_of(group, words)
    more = f"; another argument of its class: +{word}" if group in ("optimizer", "trainer", "model") else ""
    return f"{path}: {group}={option} has no {key!r}; it takes {', '.join(names)}{hint or more}"


def keys_of(group: str, words: Sequence[str]) -> list[str]:
    """The keys that may be typed below a group, or at the top level for an empty name; [] for other nodes."""
    top = OmegaConf.to_container(OmegaConf.load(CONFIG_FOLDER / "train.yaml"))
    assert isinstance(top, dict)
    if not group:
        return [*groups(), *(str(key) for key in top if key not in ("defaults", "hydra", "trainer"))]
    if group not in groups():
        return []
    below = dict(top.get(group) or {})
    file = CONFIG_FOLDER / group / f"{option_of(group, words)}.yaml"
    if file.exists():
        loaded = OmegaConf.to_container(OmegaConf.load(file))
        below |= loaded if isinstance(loaded, dict) else {}
    return [str(key) for key in below if key not in NO_ARGUMENTS]


def option_of(group: str, words: Sequence[str]) -> str:
    """The option that the command line chooses for a group, or its default."""
    typed = [word.partition("=")[2] for word in words if word.startswith(f"{group}=")]
    if typed:
        return typed[-1].split(",")[0]
    for entry in OmegaConf.load(CONFIG_FOLDER / "train.yaml").defaults:
        if OmegaConf.is_dict(entry) and group in entry:
            return str(entry[group])
    return "null"
