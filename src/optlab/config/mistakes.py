"""What Hydra and the system say of a mistake, in one line for a person that names what to type. Light at import."""

import re
from collections.abc import Sequence

from hydra.errors import HydraException
from omegaconf.errors import InterpolationResolutionError, OmegaConfBaseException

from optlab.config.groups import groups, keys_of, option_of, options, sweeper
from optlab.errors import UserError, own_line
from optlab.rules.nearest import nearest

OF_HYDRA = ("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir", "hydra.searchpath", "hydra.verbose")

OF_SWEEPS = {"sweeper": "study", "launcher": "auto"}  # whose keys are looked through for one typed without hydra.

# Keys of the Trainer that would take away what a run needs.
REPLACED = {
    "callbacks": "callbacks come from their group; type +callbacks.NAME._target_=package.module.Class",
    "logger": "loggers come from their group; type logger=csv, logger=tensorboard, logger=wandb or logger=none",
    "enable_checkpointing": "type callbacks=no_checkpoints for a run without checkpoints",
    "default_root_dir": "a run writes into its own folder; type hydra.run.dir=FOLDER",
    "barebones": "it does without the callbacks that record the run; leave it out",
    "fast_dev_run": "type debug=fast, which trains and tests two batches",
}


def explain(error: Exception, words: Sequence[str]) -> str:
    """One line for a person."""
    if isinstance(error, UserError):
        return str(error)
    if where := own_line(error):
        return f"{type(error).__name__}: {' '.join(str(error).split())} ({where})"
    chain = [error, error.__cause__, error.__context__]
    system = next((each for each in chain if isinstance(each, OSError) and each.filename), None)
    if system is not None:
        key = "hydra.sweep.dir" if {"-m", "--multirun"} & set(words) else "hydra.run.dir"
        return f"cannot write {system.filename}: {system.strerror}; choose another folder with {key}=FOLDER"
    if isinstance(error, (HydraException, OmegaConfBaseException)):
        text = f"{error}\n{error.__cause__ or ''}"
        if match := re.search(r"Could not override '([^']+)'", text):
            return unknown_key(match[1], words)
        if match := re.search(r"Could not append to config\. An item is already at '([^']+)'", text):
            word = next((word for word in words if word.startswith(f"+{match[1]}=")), f"+{match[1]}=VALUE")
            return f"{word}: there is such a key; type {word.removeprefix('+')}"
        if match := re.search(r"Could not find 'hydra/(launcher|sweeper)/([^']+)'", text):
            return unknown_plugin(*match.groups())
        if isinstance(error, InterpolationResolutionError):
            return interpolation(error, words)
        lines = [line.strip() for line in text.splitlines()]
        return " ".join(line for line in lines if not re.match(r"$|full_key:|object_type=|reference_type=", line))
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def interpolation(error: InterpolationResolutionError, words: Sequence[str]) -> str:
    """For a `${...}` that names nothing, or itself: the word typed, as Hydra may meet it in the name of a folder."""
    what = str(error).splitlines()[0]
    word = next((word for word in words if "${" in word), error.full_key or "config")
    return f"{word}: {what}; type a value, or ${{KEY}} with a key of the config that has one"


def unknown_plugin(kind: str, name: str) -> str:
    """For a launcher or sweeper that there is not: those there are, and the nearest one."""
    known = options(f"hydra/{kind}")
    known = known if kind == "sweeper" or "basic" in known else ["basic", *known]
    close = nearest(name, known)
    hint = f"; did you mean hydra/{kind}={close[0]}?" if close else ""
    return f"hydra/{kind}={name}: there is no such {kind}; known: {', '.join(known)}{hint}"


def unknown_key(path: str, words: Sequence[str]) -> str:
    """For a key that the config lacks: the keys that stand beside it, and the nearest one."""
    group, _, key = path.rpartition(".")
    word = next((w for w in words if w.startswith(f"{path}=")), f"{path}=VALUE")
    names = keys_of(group, words)
    if line := not_chosen(path, words):
        return line
    if line := of_another_choice(group, key, word, words):
        return line
    if path.startswith("hydra.") and group != "hydra.sweeper" and not names:
        return (
            f"{path}: Hydra has no such key here; it has {', '.join(OF_HYDRA)}, and below hydra.sweeper and "
            f"hydra.launcher those of hydra/sweeper= ({', '.join(options('hydra/sweeper'))}) and hydra/launcher= "
            f"({', '.join(['basic', *options('hydra/launcher')])})"
        )
    if not names:
        close = nearest(group.partition(".")[0], groups())
        if close and close[0] != group.partition(".")[0]:
            return f"{path}: there is no such group; did you mean {close[0]}.{key}?"
        return f"{path}: there is no such key; add it with +{word}"
    if key in names and any(re.match(rf"{re.escape(group)}=.*,", typed) for typed in words):
        return f"{path}: while {group} is swept over, Hydra looks for its keys in the default option; type ++{word}"
    close = nearest(key, names)
    hint = f"; did you mean {group + '.' if group else ''}{close[0]}?" if close else ""
    if not group:
        modes = [mode for mode in ("trace", "find_lr") if f"mode={mode}" in words]  # whose keys are meant first
        below = [f"{g}.{name}" for g in [*modes, *groups()] for name in keys_of(g, words)]
        below += [f"hydra.{kind}.{name}" for kind, option in OF_SWEEPS.items() for name in plugin_keys(kind, option)]
        exact = [name for name in below if name.rpartition(".")[2] in (key, f"max_{key}")]
        hint = f"; did you mean {exact[0]}?" if exact else hint
        return f"{key}: there is no such key or group; known: {', '.join(names)}{hint}"
    if group == "hydra.launcher":
        return f"{path}: the launcher has no {key!r}; it has {', '.join(names)}{hint}"
    if group == "hydra.sweeper":
        return f"{path}: the sweeper has no {key!r}; it has {', '.join(names)}{hint}"
    if group not in groups():
        more = f"; another argument of its own: +{word}" if group.startswith("logger.") else ""
        return f"{path}: {group} has no {key!r}; it has {', '.join(names)}{hint or more}"
    if group == "trainer" and key in REPLACED:
        return f"{path}: {REPLACED[key]}"
    option = option_of(group, words)
    more = f"; another argument of its class: +{word}" if group in ("optimizer", "trainer", "model") else ""
    return f"{path}: {group}={option} has no {key!r}; it takes {', '.join(names)}{hint or more}"


def of_another_choice(group: str, key: str, word: str, words: Sequence[str]) -> str | None:
    """For a key of the study beside a grid, or of a launcher with workers beside `hydra/launcher=basic`."""
    if group == "hydra.sweeper" and sweeper(words) == "grid" and key in plugin_keys("sweeper", "study"):
        return f"{word}: {key} is a setting of a study; type hydra/sweeper=study beside it"
    if group == "hydra.launcher" and "hydra/launcher=basic" in words and key in plugin_keys("launcher", "auto"):
        return f"{word}: hydra/launcher=basic trains one run after the other and has no {key}; leave it out for auto"
    return None


def plugin_keys(kind: str, name: str) -> list[str]:
    """The keys below `hydra.sweeper` or `hydra.launcher` with this option chosen."""
    return keys_of(f"hydra.{kind}", [f"hydra/{kind}={name}"])


def not_chosen(path: str, words: Sequence[str]) -> str | None:
    """For a key below an option that is not chosen, as `logger.mlflow.tracking_uri` without `logger=mlflow`."""
    group, option = [*path.split("."), ""][:2]
    if group not in ("logger", "callbacks") or option not in options(group):
        return None
    typed = [word.partition("=")[2] for word in words if word.startswith(f"{group}=")]
    chosen = typed[-1] if typed else option_of(group, words)
    if option in re.findall(r"\w+", chosen):
        return None
    both = f", or '{group}=[{chosen.strip('[]')},{option}]' for both" if group == "logger" and chosen != "none" else ""
    return f"{path}: {group}={chosen} has no {option}; type {group}={option}{both}"
