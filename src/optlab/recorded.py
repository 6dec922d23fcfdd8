"""The overrides of the run that wrote a checkpoint, as far as they are carried on to a command that uses it.

They are replayed before what the user types, so a checkpoint from anywhere would otherwise type for the user: each is
looked at as `optlab.trust` looks at what a config names.
"""

import json
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from optlab import checkpoint, trust
from optlab.adapters.hydra import Override, overrides_among, taken_apart
from optlab.config import places
from optlab.config.changes import keys_declared_at
from optlab.config.groups import check_groups, keys_of
from optlab.config.overrides import parse, places_of, values_of
from optlab.errors import UserError, piece

OF_THE_COMMAND = (
    *("ckpt", "mode", "input", "sweep", "retry", "dry_run", "report", "until", "phase", "protocol", "trace", "lang"),
    "find_lr",
)
NOT_CARRIED = (*OF_THE_COMMAND, "debug", "traceback", "trust", "hydra")
NAMES_CONFIG = "--config-name="
FLAGS = (NAMES_CONFIG, "--config-dir=", "hydra.searchpath=")  # what says where the config comes from
KEPT_ARGUMENTS = (
    "model",
    "loss",
    "lr",
    "dataset",
)  # of the option before, by a class that was typed
PLAIN = re.compile(r"[\w.+-]+", re.ASCII)  # a value that is typed as it stands
# Groups that a mode has no use for.
UNUSED = {
    "test": ("callbacks", "logger"),
    "trace": ("logger",),
    "predict": ("model", "optimizer", "lr", "dataset", "loss", "callbacks", "logger", "experiment"),
}
# Where a run is mirrored to is nobody else's choice: the team (entity), the server, the folder are typed again.
OF_A_LOGGER = frozenset(("project", "group", "tags", "notes", "mode", "system_metrics"))
# Arguments of Lightning's callbacks and Trainer that say where to write; ours write into the run folder.
WRITTEN_TO = frozenset(("dirpath", "filename", "folder", "dir", "save_dir", "log_dir", "default_root_dir"))


def with_recorded(words: list[str]) -> list[str]:
    """The words of a command, behind the overrides that the checkpoint they name brings along."""
    values = values_of(words)
    path, mode, trusts = str(values["ckpt"]), values.get("mode"), values.get("trust") is True
    taken = {override.key_or_group for override in parse(overrides_among(words))}
    flags, typed = taken_apart([*recorded(path, taken=taken, mode=mode, trusts=trusts), *words])
    return [*flags, *typed]


def recorded(path: str, *, taken: Collection[str], mode: Any = "train", trusts: bool = False) -> list[str]:
    """The overrides that a checkpoint brings along.

    Args:
        path: the checkpoint.
        taken: keys that the user typed, which count instead.
        mode: what the checkpoint is used for; the rest of its overrides stays behind.
        trusts: the user trusts whoever wrote it.

    Raises:
        UserError: an unreadable checkpoint, or an override that names a class that its group does not take, writes
            somewhere, or reaches for what is outside the config.
    """
    saved = checkpoint.read(path)
    flags = [word for word in saved.overrides if word.startswith(FLAGS)]
    kept = flags_of(saved, flags, mode=mode, trusts=trusts)
    with places.using(places_of([*places.current().words, *kept])):
        return [*kept, *overrides_of(saved, flags, taken=taken, mode=mode, trusts=trusts)]


def flags_of(saved: checkpoint.Checkpoint, flags: Sequence[str], *, mode: Any, trusts: bool) -> list[str]:
    """The words that say where a run's config came from, as far as they are carried on.

    A folder is the user's to name: what lies there may name any class. A config of one of the user's folders is theirs.

    Raises:
        UserError: no folder of the user's holds the config that the run started from.
    """
    typed = [word.partition("=")[0] for word in places.current().words]
    there = [word for word in flags if word.partition("=")[0] not in typed]
    if trusts:
        return there
    kept = [word for word in there if word.startswith(NAMES_CONFIG) and mode != "predict"]
    for word in kept:
        if places.file_of("", word.removeprefix(NAMES_CONFIG)) is None:
            name = piece(word.removeprefix(NAMES_CONFIG))
            folder = next((each for each in there if each not in kept), "--config-dir=FOLDER")
            raise UserError(
                f"ckpt={saved.path} belongs to a run that started from {name}.yaml, which no config folder here holds; "
                f"type {piece(folder)} if it lies there, or {NAMES_CONFIG}{places.CONFIG_NAME}"
            )
    return kept


def overrides_of(
    saved: checkpoint.Checkpoint, flags: Sequence[str], *, taken: Collection[str], mode: Any, trusts: bool
) -> list[str]:
    """The overrides of a checkpoint's run that are carried on."""
    left_out = {*NOT_CARRIED, *UNUSED.get(str(mode), ())}
    kept = []
    for word in (word for word in saved.overrides if word not in flags):
        try:
            override = parse([word])[0]
        except UserError as error:
            raise saved.damaged(f"its override {word!r} is none") from error
        key = override.key_or_group
        if key in taken or re.split(r"[./@]", key)[0] in left_out:
            continue
        if not trusts:
            check(f"ckpt={saved.path}", word, override, flags)
        kept.append(word)
    for word in of_before(saved, {*taken, *(each.key_or_group for each in parse(kept))}, left_out):
        if not trusts:
            check(f"ckpt={saved.path}", word, parse([word])[0], flags)
        kept.append(word)
    name = saved.config["optimizer"]["name"]
    if mode == "predict" and not {"optimizer", "optimizer.name"} & set(taken) and re.fullmatch(r"[\w.]+", name, re.A):
        kept.append(f"optimizer.name={name}")  # the folder is called by it
    return kept


def of_before(saved: checkpoint.Checkpoint, typed: Collection[str], left_out: Collection[str]) -> list[str]:
    """What a class that was typed kept of the option before it: its name and arguments, which are dropped today.

    Args:
        typed: keys that are given anyway.
        left_out: groups that are not carried on.
    """
    words = []
    for group in KEPT_ARGUMENTS:
        settings = saved.config.get(group)
        if group in left_out or f"{group}._target_" not in typed or not isinstance(settings, dict):
            continue
        if f"{group}._target_={settings.get('_target_')}" not in (word.lstrip("+") for word in saved.overrides):
            continue
        own = keys_declared_at(group) or {}
        today = str(settings.get("_target_")).rpartition(".")[2]
        for key, value in settings.items():
            kept = settings.get("name") != today if key == "name" else key not in own
            if kept and f"{group}.{key}" not in typed and PLAIN.fullmatch(text := json.dumps(value).strip('"')):
                words.append(f"++{group}.{key}={text}")
    return words


def check(source: str, word: str, override: Override, flags: Sequence[str] = ()) -> None:
    """Raise UserError for an override that may not be replayed.

    Args:
        flags: where the run's options came from, which may be what is missing here.
    """
    key = override.key_or_group
    group = key.partition(".")[0]
    refused = f"{source} brings along the override {piece(word)}, which "
    unless = "; if you trust the file, type it yourself, or type trust=true"
    if override.package is not None or not re.fullmatch(r"[a-z]\w*(\.\w[\w-]*)*", key, re.A):
        raise UserError(f"{refused}reaches into another part of the config{unless}")
    if group not in keys_of("", []) and group != "trainer":
        raise UserError(f"{refused}names no key of this program{unless}")
    if override.is_sweep_override():
        raise UserError(f"{refused}stands for several runs{unless}")
    if "${" in word and ":" in word.partition("${")[2]:
        raise UserError(f"{refused}asks for something outside the config{unless}")
    if override.is_delete():
        return
    try:
        check_groups([override])  # an option is a name, and no path to a file
    except UserError as error:
        folders = [flag for flag in flags if not flag.startswith(NAMES_CONFIG)]
        hint = f"; the run was started with {piece(folders[0])}, which you can type, too" if folders else ""
        raise UserError(f"{source}: {error}{hint}") from error
    for path, name, value in trust.leaves(override.value(), key):
        if name == "_target_":
            trust.check_target(source, group, path, value)
        elif any(trust.SPECIAL.fullmatch(part) for part in re.split(r"[.\[]", path)[1:]):
            raise UserError(f"{refused}is for Hydra's own use{unless}")
        elif group != "trainer" and isinstance(value, str) and "${" in value:
            raise UserError(f"{refused}refers to another part of the config{unless}")  # and may bring a class along
        elif trust.downloads(group, path, value):
            raise UserError(f"{refused}downloads weights{unless}")
        elif name in WRITTEN_TO:
            raise UserError(f"{refused}says where to write{unless}")
        elif group == "logger" and path.count(".") > 1 and path.split(".")[2] not in OF_A_LOGGER:
            raise UserError(f"{refused}says where the run is sent to{unless}")
        elif path == "dataset.root" and isinstance(value, str) and not Path(value).expanduser().is_dir():
            raise UserError(f"{refused}names a folder that is not here; type dataset.root=FOLDER")
