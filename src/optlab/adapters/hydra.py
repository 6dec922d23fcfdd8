"""What Hydra does not promise: its command line parser, how it reports errors, and what a job needs in another process.

Written against Hydra 1.3. `tests/adapters/test_hydra.py` says what each function keeps from breaking. Light at import:
what is imported here, `import hydra` imports anyway.
"""

import os
from argparse import ArgumentError, Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from hydra import initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.utils import get_args_parser
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override, OverrideType
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from optlab.errors import UserError

__all__ = ["ConfigLoader", "ConfigSearchPath", "HydraConfig", "JobReturn", "Override"]

FULL_ERROR = "HYDRA_FULL_ERROR"
_users_full_error: ContextVar[str | None] = ContextVar(FULL_ERROR)  # within `raising`: what the variable was outside


# -- what was typed


def taken_apart(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Hydra's flags with their values, and the overrides, in any order as they were typed.

    Hydra itself stops at a flag behind an override and exits in many lines.

    Raises:
        UserError: a flag or a value of one that Hydra does not have.
    """
    overrides = _known(arguments).overrides
    flags, left = [], list(overrides)
    for argument in arguments:
        if left and argument == left[0]:
            left.pop(0)
        else:
            flags.append("--info=all" if argument in ("--info", "-i") and argument == arguments[-1] else argument)
    return flags, list(overrides)


def overrides_among(arguments: Sequence[str]) -> list[str]:
    """The arguments of the command line that are overrides, and neither Hydra's flags nor their values."""
    return list(_known(arguments).overrides)


def flags_among(arguments: Sequence[str]) -> dict[str, Any]:
    """Hydra's own flags on a command line, by their long names: `config_dir`, `config_name`, `multirun`, `cfg` ..."""
    return vars(_known(arguments))


def _known(arguments: Sequence[str]) -> Namespace:
    parser = get_args_parser()
    parser.exit_on_error = False
    try:
        known, unknown = parser.parse_known_intermixed_args(list(arguments))
    except ArgumentError as error:
        raise UserError(f"{error}; type --hydra-help for the flags") from error
    if unknown:
        key, _, value = unknown[0].lstrip("-").partition("=")
        hint = (
            f"type {key}={value or 'VALUE'}, without --" if unknown[0].startswith("--") else "--hydra-help lists them"
        )
        raise UserError(f"{unknown[0]}: there is no such flag; {hint}")
    return known


def folder_of_package(name: str) -> Path | None:
    """Where `pkg://NAME` of a search path lies, where it is a folder; its packages are imported, as Hydra does."""
    try:
        folder = Path(str(files(name.replace("/", "."))))
    except (ImportError, TypeError, ValueError):
        return None
    return folder if folder.is_dir() else None


def parse(words: Sequence[str], loader: ConfigLoader | None = None) -> list[Override]:
    """Overrides by Hydra's own grammar, which no public function reads; the loader is for a sweep's `glob`.

    Raises:
        HydraException: a word that is no override.
    """
    return list(OverridesParser.create(config_loader=loader).parse_overrides(list(words)))


def matching(override: Override, names: Sequence[str]) -> list[str] | None:
    """The names that an override's `glob(...)` chooses; None for an override without one.

    Hydra's own answer needs a loader, which does not exist yet while the command line is read.
    """
    value: object = override.value()
    return value.filter(list(names)) if isinstance(value, Glob) else None


def combinations(words: Sequence[str], loader: ConfigLoader) -> list[list[str]]:
    """Every combination of a multirun's values, as override lists: expanded by Hydra's own sweeper."""
    [jobs] = BasicSweeper.split_arguments(parse(words, loader), max_batch_size=None)
    return [list(job) for job in jobs]


def typed_overrides() -> list[str]:
    """The overrides of the job that runs, letter for letter: as values of a config `${...}` would be filled in."""
    words = OmegaConf.to_container(HydraConfig.get().overrides.task, resolve=False)
    assert isinstance(words, list)
    return [str(word) for word in words]


@contextmanager
def overriding(change: Callable[[list[Override], DictConfig], list[Override]]) -> Iterator[None]:
    """Within the block let a function have the overrides, and the config that they are for, before Hydra applies them.

    Hydra asks nobody between composing the options and applying single values, and refuses a key that no yaml holds.
    """
    loader: Any = ConfigLoaderImpl
    before = loader._apply_overrides_to_config

    def apply(overrides: list[Override], cfg: DictConfig) -> None:
        before(change(overrides, cfg), cfg)

    loader._apply_overrides_to_config = staticmethod(apply)
    try:
        yield
    finally:
        loader._apply_overrides_to_config = staticmethod(before)


def forced(override: Override) -> Override:
    """The override as if `++` were typed: its key may be new."""
    return replace(override, type=OverrideType.FORCE_ADD)


# -- starting


def give_values(**functions: Callable[..., str]) -> None:
    """Let `${name:...}` in any config of this process be what the function of that name returns.

    OmegaConf keeps one register a process.
    """
    for name, function in functions.items():
        OmegaConf.register_new_resolver(name, function, replace=True)


@contextmanager
def offering(options: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Iterator[None]:
    """Let these be options beside the files within the block, by group and name; Hydra keeps one store a process.

    Where there is a file of the name, that counts.
    """
    store = ConfigStore.instance()
    for group, named in options.items():
        for name, node in named.items():
            store.store(group=group, name=name, node=dict(node), provider="optlab")
    try:
        yield
    finally:  # not the whole store as it was: Hydra's plugins put theirs there when they are first needed
        for group, named in options.items():
            for name in named:
                store.repo[group].pop(f"{name}.yaml", None)
            if not store.repo[group]:
                del store.repo[group]


def multirun(folder: Path, words: Sequence[str], task: TaskFunction, config_name: str, job_name: str) -> None:
    """What `python train.py -m WORDS` does, without a command line: Hydra has no public function for it.

    Args:
        folder: of the config.
        task: what each job does with its config.

    Raises:
        Exception: as the sweeper does.
    """
    forget()
    with initialize_config_dir(str(folder), job_name=job_name, version_base="1.3"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        hydra.multirun(config_name=config_name, task_function=task, overrides=[*words, "hydra.mode=MULTIRUN"])


def forget() -> None:
    """Let a config be composed anew in this process: Hydra keeps one application a process."""
    GlobalHydra.instance().clear()


def launcher_of(hydra_context: HydraContext, config: DictConfig, task_function: TaskFunction) -> Launcher:
    """The launcher that a multirun's config names; Hydra leaves finding it to each sweeper."""
    return Plugins.instance().instantiate_launcher(
        hydra_context=hydra_context, task_function=task_function, config=config
    )


def basic_launcher(hydra_context: HydraContext, config: DictConfig, task_function: TaskFunction) -> Launcher:
    """Hydra's own, which runs one job after the other in this process; it lies among its private modules."""
    launcher = BasicLauncher()
    launcher.setup(hydra_context=hydra_context, task_function=task_function, config=config)
    return launcher


def checked_by(launcher: Launcher | None, configs: Sequence[Any]) -> bool:
    """Whether a launcher has looked at these configs in a process of its own; Hydra's own do not."""
    look = getattr(launcher, "check_configs", None)
    return look is not None and bool(look(configs))


def looks_elsewhere(launcher: Launcher) -> bool:
    """Whether `checked_by` is answered by another process, while this one only waits."""
    return bool(getattr(launcher, "looks_elsewhere", False))


def line_of(launcher: Launcher, jobs: int) -> str | None:
    """What a launcher has to say before it runs so many jobs; Hydra's own have nothing."""
    say = getattr(launcher, "line", None)
    return None if say is None else str(line) if (line := say(jobs)) is not None else None


def runs_elsewhere(launcher: Launcher) -> bool:
    """Whether a launcher runs jobs in other processes, while this one waits; Hydra's own are not asked."""
    return getattr(launcher, "elsewhere", False) is True


@contextmanager
def closing(launcher: Launcher) -> Iterator[Launcher]:
    """Let go of a launcher's processes behind the block; Hydra knows no end of a launcher, and its own need none."""
    try:
        yield launcher
    finally:
        if (close := getattr(launcher, "close", None)) is not None:
            close()


# -- errors


@contextmanager
def raising() -> Iterator[None]:
    """Let Hydra raise errors, where it would print them in many lines and exit: only this variable changes that."""
    before = os.environ.get(FULL_ERROR)
    token = _users_full_error.set(before)
    os.environ[FULL_ERROR] = "1"
    try:
        yield
    finally:
        _users_full_error.reset(token)
        _set(FULL_ERROR, before)


@contextmanager
def as_the_user_set_it() -> Iterator[bool]:
    """The variable of `raising` as it was outside, for the processes that a job starts; yields whether it was set."""
    during = os.environ.get(FULL_ERROR)
    outside = _users_full_error.get(during)
    _set(FULL_ERROR, outside)
    try:
        yield outside == "1"
    finally:
        _set(FULL_ERROR, during)


def wants_full_error() -> bool:
    """Whether the user asked Hydra for tracebacks."""
    return os.environ.get(FULL_ERROR) == "1"


def _set(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


# -- jobs


def job_return(overrides: Sequence[str], value: Any = None, error: Exception | None = None) -> JobReturn:
    """What a launcher gives back for a job; Hydra itself fills its private field."""
    result = JobReturn(overrides=list(overrides))
    result.return_value = value if error is None else error
    result.status = JobStatus.COMPLETED if error is None else JobStatus.FAILED
    return result


def error_of(result: JobReturn) -> Exception | None:
    """The exception of a failed job: its public property would print a line and raise it."""
    return result._return_value if result.status == JobStatus.FAILED else None


def context_of(hydra_context: HydraContext, config: DictConfig, task_function: TaskFunction) -> tuple[Any, ...]:
    """All that another process needs to run jobs of this application, to be pickled for `run_one`."""
    return hydra_context, config, task_function, Singleton.get_state()


def run_one(context: tuple[Any, ...], overrides: Sequence[str], number: int) -> JobReturn:
    """Run a job in a process where Hydra did not start: what its launchers do, by way of its global objects.

    Args:
        context: from `context_of`.
        overrides: of the job.
        number: `hydra.job.num`.
    """
    hydra_context, config, task_function, singletons = context
    setup_globals()
    Singleton.set_state(singletons)
    job_config = hydra_context.config_loader.load_sweep_config(config, list(overrides))
    with open_dict(job_config):
        job_config.hydra.job.id = str(number)
        job_config.hydra.job.num = number
    return run_job(
        hydra_context=hydra_context,
        task_function=task_function,
        config=job_config,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )


def pretend_single_run(folder: Path) -> None:
    """Let `hydra.run.dir` name the folder of this job of a multirun.

    Lightning starts the other processes of a distributed run with this folder. Hydra shows its config read-only.
    """
    config: Any = HydraConfig.instance().cfg
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.run.dir = str(folder)


def choices(config: DictConfig) -> Mapping[str, Any]:
    """The option that each group got."""
    return {str(group): option for group, option in config.hydra.runtime.choices.items()}
