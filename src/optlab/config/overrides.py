"""What a user typed after `python train.py`, prepared for Hydra: shorthands written out, mistakes in one line."""

import math
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from hydra.errors import HydraException

from optlab.adapters import hydra as hydra_adapter
from optlab.adapters.hydra import Override
from optlab.config import places
from optlab.config.groups import check_custom, check_groups, chosen
from optlab.config.places import CONFIG_FOLDER, CONFIG_NAME, Places, groups, options
from optlab.errors import UserError
from optlab.record import shortest
from optlab.rules.commands import program

PATHS = ("dataset.root", "model.weights", "input", "trace.weight", "ckpt", "hydra.run.dir", "hydra.sweep.dir")
WAYS = ("train", "test", "predict", "trace", "find_lr")  # what `mode` may be
LISTS = ("trace.at", "trace.compare")  # one value of which is a list
SWEEP_NAME = re.compile(r"\w[\w.+/-]*")
QUOTED = re.compile(r"""'(?:\\.|[^'])*'|"(?:\\.|[^"])*\"""")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", re.I)  # its first group: what stands before the power


def prepare(arguments: Sequence[str]) -> list[str]:
    """The arguments for Hydra.

    Raises:
        UserError: a group or option that does not exist, text that is no override, a folder without a checkpoint, a
            number that 64 bits do not hold.
    """
    if not is_about_runs(arguments):
        return list(arguments)
    if not CONFIG_FOLDER.is_dir():
        raise UserError(f"{CONFIG_FOLDER} is missing; install optlab anew")
    if {"-m", "--multirun"} & set(arguments) and {"--cfg", "-c"} & set(arguments):
        raise UserError("-m with --cfg: the config is that of one run; leave -m out, and the lists of values")
    flags, words = hydra_adapter.taken_apart(arguments)
    words = ["debug=traceback" if re.fullmatch(r"debug=true", word, re.I) else word for word in words]
    words = [readable(word) for word in any_class(words)]
    overrides = parse(words)
    multirun = any(word in ("-m", "--multirun") for word in arguments)
    check_numbers(overrides)
    check_sweeps(overrides, multirun=multirun)
    check_groups(overrides)
    check_custom(overrides)
    check_folders(overrides)
    return [*flags, *(checkpoint_file(word, arguments) if word.startswith("ckpt=") else word for word in words)]


def is_about_runs(arguments: Sequence[str]) -> bool:
    """Whether the words ask for runs or their config, and not for help or completion."""
    return not {"-sc", "--shell-completion", "-h", "--help", "--hydra-help", "--version"} & set(arguments)


def not_used(words: Sequence[str]) -> list[str]:
    """A line for each setting of another mode, and each file of the user's that seems asked for and does not count."""
    if not is_about_runs(words):
        return []
    overrides = parse(hydra_adapter.overrides_among(words))
    lines = of_another_mode(overrides)
    if not places.current().users:
        return lines
    asked = [("", CONFIG_NAME)]
    for override in overrides:
        if override.key_or_group in groups() and not override.is_delete():
            asked += [(override.key_or_group, str(value)) for value in chosen(override)]
    for group, option in asked:
        if (file := places.hidden(group, option)) is not None:
            what = f"{group}={option} is optlab's own; give yours another name"
            what = what if group else "optlab has its own; for one of yours type --config-name=NAME, another name"
            lines.append(f"{shortest(file)} is not used: {what}")
    return lines


def of_another_mode(overrides: Collection[Override]) -> list[str]:
    """A line for each setting that was typed for `mode=trace` or `mode=find_lr` in another mode."""
    mode, lines = mode_of(overrides), []
    for override in overrides:
        of = "trace" if override.key_or_group == "lang" else override.key_or_group.partition(".")[0]
        if of in ("trace", "find_lr") and mode not in (of, None):
            word = f"{override.key_or_group}={(override.input_line or '').partition('=')[2]}"
            lines.append(f"{word} is not used: it is for mode={of}, and this is mode={mode}")
    return lines


def places_of(arguments: Sequence[str]) -> Places:
    """The config folders that a command line names, and `./conf`.

    Raises:
        UserError: a folder that is missing, or one that no such name can be of.
    """
    flags = hydra_adapter.flags_among(arguments)
    name = flags.get("config_name") or CONFIG_NAME
    words = [f"--config-dir={flags['config_dir']}"] if flags.get("config_dir") else []
    found = [(words[0], flags["config_dir"])] if words else []
    words += [f"--config-name={name}"] if flags.get("config_name") else []
    for word in (word for word in arguments if word.startswith("hydra.searchpath=")):
        value = parse([word])[0].value()
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise UserError(f"{word}: type a list of folders, as in 'hydra.searchpath=[FOLDER]'")
        found += [(word, each) for each in value]
        words.append(word)
    users = [folder for word, each in found if (folder := folder_of(word, each)) is not None]
    typed_and_beside = Places((*dict.fromkeys([*users, *places.beside()]),), name, (*words,))
    with places.using(typed_and_beside):
        own = places.content_of("", name).get("hydra") or {} if name != CONFIG_NAME else {}
    more = [folder_of(f"hydra.searchpath of {name}.yaml", each) for each in own.get("searchpath") or []]
    return Places((*dict.fromkeys([*typed_and_beside.users, *filter(None, more)]),), name, (*words,))


def folder_of(word: str, value: str) -> Path | None:
    """The folder that an entry of the search path means; None for one that is none, as `structured://`.

    Raises:
        UserError: there is no such folder.
    """
    scheme, _, rest = value.rpartition("://")
    if scheme == "pkg":
        return hydra_adapter.folder_of_package(rest)
    if scheme not in ("", "file"):
        return None
    folder = Path(rest).expanduser().absolute()
    if not folder.is_dir():
        what = "not a folder" if folder.exists() else "there is no such folder"
        raise UserError(f"{word}: {what}; name one that holds model/, optimizer/ ... with your own yaml files")
    return folder


def values_of(words: Sequence[str]) -> dict[str, Any]:
    """What prepared words give single keys and groups, as Hydra reads them."""
    overrides = parse(hydra_adapter.overrides_among(list(words)))
    return {each.key_or_group: each.value() for each in overrides if not each.is_sweep_override()}


def uses_checkpoint(words: Sequence[str]) -> bool:
    """Whether prepared words name a checkpoint, whose own overrides then go before them (see `optlab.recorded`)."""
    shows_config = {"--cfg", "-c"} & set(words)
    return not shows_config and any("ckpt=" in word for word in words) and values_of(words).get("ckpt") is not None


def wants_traceback(arguments: Iterable[str]) -> bool:
    return any(
        re.fullmatch(r"(debug=(true|traceback|fast|overfit|profile)|traceback=true)", word, re.I) for word in arguments
    )


def parse(words: list[str]) -> list[Override]:
    try:
        return hydra_adapter.parse(words)
    except HydraException as error:
        word = next((word for word in words if "=" not in word and not word.startswith("~")), None)
        if line := torn_apart(words):
            raise UserError(line) from error
        if word is None:
            raise UserError(" ".join(str(error).split())) from error
        group = next((g for g in groups() if word in options(g)), None)
        how = f"type group=option or key=value, as in optimizer=adam ({program()} --help lists them)"
        pair = f"mode={word}" if word in WAYS else f"{group}={word}" if group else None
        hint = f"did you mean {pair}?" if pair else how
        raise UserError(f"{word}: not an override; {hint}") from error


def torn_apart(words: Sequence[str]) -> str | None:
    """For a list that the shell took apart at its spaces, as `trace.at=[0, 100]`: a line that says what to type."""
    for place, word in enumerate(words):
        for end in range(place + 1, len(words)):
            text = "".join(words[place : end + 1])
            if "=[" in word and word.count("[") > word.count("]") and text.count("[") == text.count("]"):
                return f"{' '.join(words[place : end + 1])}: the shell takes it apart at its spaces; type '{text}'"
    return None


def readable(word: str) -> str:
    """A word that Hydra's grammar takes: paths may hold any character, and `~` is the home folder."""
    key, _, value = word.partition("=")
    if key == "sweep" and value.count("'") % 2:
        check_sweep_name(value)  # Hydra would speak of its lexer
    if key not in PATHS or not value or value[0] in "'\"":
        return word
    value = str(Path(value).expanduser()) if value.startswith("~") else value
    if re.fullmatch(r"[\w/.:+-]+", value, re.A):
        return f"{key}={value}"
    return f"{key}={quoted(value)}"


def quoted(value: str) -> str:
    """Text as Hydra's grammar takes it, whatever characters it holds."""
    return f"""'{value.replace("'", chr(92) + "'")}'"""


def check_numbers(overrides: Iterable[Override]) -> None:
    """Raise UserError for a number that would be read as 0 or as infinite, and is neither; only its text says so."""
    for override in overrides:
        key, _, values = (override.input_line or "").partition("=")
        for word in re.split(r"[\s\[\](){},:=]+", QUOTED.sub("", values)):
            if (number := NUMBER.fullmatch(word.replace("_", ""))) is None:
                continue
            value = float(number[0])
            if math.isinf(value):
                raise UserError(f"{key}={values}: {word} is too large for a number; type one up to 1e308")
            if value == 0 and number[1].strip("0."):
                raise UserError(f"{key}={values}: {word} is too small for a number, and would be 0; type 0 or 1e-300")


def mode_of(overrides: Iterable[Override]) -> str | None:
    """The mode that was typed, or the usual one; None where it may be another: several, or a config of the user's."""
    typed = [each for each in overrides if each.key_or_group == "mode"]
    if any(each.is_sweep_override() for each in typed) or (not typed and places.current().name != CONFIG_NAME):
        return None
    return str(typed[-1].value()) if typed else "train"


def check_sweeps(overrides: Collection[Override], *, multirun: bool) -> None:
    """Raise UserError for several values of a key outside a multirun, and for none within one."""
    mode = mode_of(overrides)
    for override in overrides:
        key, values = override.key_or_group, (override.input_line or "").partition("=")[2]
        if not override.is_sweep_override() or key.startswith("hydra"):
            continue
        if not multirun:
            if key in LISTS:
                raise UserError(f"{key}={values}: a list stands in brackets; type '{key}=[{values}]'")
            if key == "optimizer" and mode == "trace":
                raise UserError(f"{key}={values}: a trace follows one; type 'trace.compare=[{values}]' to compare them")
            several = f", or '{key}=[{values}]' for several at once" if key == "logger" else ""
            raise UserError(f"{key}={values}: several values need -m ({program()} -m ...){several}")
        if not override.is_discrete_sweep():
            raise UserError(f"{key}={values}: an interval is no list of values; type some, as in {key}=0.1,0.2")
        if hydra_adapter.matching(override, ()) is not None and key not in groups():
            raise UserError(f"{key}={values}: glob chooses options of a group, and {key} is none; type its values")
        if not chosen(override):
            known = f"; known: {', '.join(options(key))}" if key in groups() else f"; type some, as in {key}=1,2"
            raise UserError(f"{key}={values}: chooses nothing{known}")


def check_folders(overrides: Iterable[Override]) -> None:
    """Raise UserError for a folder in which runs would write among other things, and for Hydra's own way to say -m."""
    last = {override.key_or_group: override for override in overrides if not override.is_sweep_override()}
    if (mode := last.get("hydra.mode")) is not None:
        raise UserError(f"{mode.input_line}: type -m for many runs ({program()} -m ...), and nothing for one")
    for key in ("hydra.run.dir", "hydra.sweep.dir"):
        folder = last[key].value() if key in last else "${}"
        if "${" not in str(folder) and (not folder or Path.cwd().is_relative_to(Path(str(folder)).resolve())):
            typed = "" if folder is None else folder
            raise UserError(f"{key}={typed}: this is where you stand, or above; type {key}=FOLDER, a folder of its own")
    for key in ("hydra.job.name", "hydra.output_subdir"):
        if key in last and "/" in str(last[key].value()):
            raise UserError(f"{key}={last[key].value()}: a name, and no path; leave it out")
    if "sweep" in last and "${" not in str(last["sweep"].value()):
        check_sweep_name(last["sweep"].value())


def check_sweep_name(name: object) -> None:
    """Raise UserError for what cannot be the folder of a sweep below outputs/sweeps."""
    if name is None or not SWEEP_NAME.fullmatch(str(name)) or ".." in str(name):
        raise UserError(
            f"sweep={'' if name is None else name}: one name for the whole sweep, of letters, digits and . + - _ /; "
            "type sweep=first"
        )


def checkpoint_file(word: str, arguments: Sequence[str]) -> str:
    """`ckpt=RUN` names a run folder's checkpoint: its last one to train on, its best one to use."""
    path = Path(str(parse([word])[0].value()))
    if not path.is_dir():
        return word
    uses = any(argument in ("mode=test", "mode=predict") for argument in arguments)
    names = ("best.ckpt", "last.ckpt") if uses else ("last.ckpt",)
    found = [path / "checkpoints" / name for name in names if (path / "checkpoints" / name).exists()]
    if not found:
        raise UserError(
            f"ckpt={path}: this folder has no checkpoints/last.ckpt; name a run folder or a checkpoint file"
        )
    return f"ckpt={quoted(str(found[0]))}"


def any_class(words: list[str]) -> list[str]:
    """`optimizer._target_=package.Class` alone stands for `optimizer=custom`, and its other keys may be new."""
    names_class = any(word.startswith("optimizer._target_=") for word in words)
    names_option = any(re.match(r"optimizer=", word) for word in words)
    if not names_class or names_option:
        return words
    return ["optimizer=custom", *(f"++{word}" if word.startswith("optimizer.") else word for word in words)]
