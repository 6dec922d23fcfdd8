"""What composing a config costs: for each job of a sweep Hydra reads and merges some thirty files, however alike.

Written against Hydra 1.3. `tests/adapters/test_composing.py` says what each function keeps from breaking. Light at
import.
"""

import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy, deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hydra._internal import config_loader_impl
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.defaults_list import DefaultsList, Overrides
from hydra._internal.hydra import Hydra
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig

SEARCH_PATH = "hydra.searchpath"


@contextmanager
def mode_as_flagged() -> Iterator[None]:
    """Within the block let `-m` alone decide between run and multirun.

    Hydra composes the whole config a first time only to see whether something in it sets `hydra.mode`.
    """
    application: Any = Hydra
    before = application.get_mode
    application.get_mode = lambda *_, **__: None  # what Hydra's own finds where nothing sets it
    try:
        yield
    finally:
        application.get_mode = before


@contextmanager
def reading_once(folder: Path) -> Iterator[None]:
    """Within the block read a yaml of this folder again only where it changed, and Hydra's own once.

    A sweep composes for each of its jobs, of some thirty files. What was read stays for later blocks of this process.
    """
    Plugins.instance()  # which makes these classes, anew even where they were imported before
    files: Any = SourcesRegistry.instance().resolve("file")
    packages: Any = SourcesRegistry.instance().resolve("pkg")
    of_files, of_packages = files.load_config, packages.load_config

    def file(self: Any, config_path: str) -> ConfigResult:
        try:
            status = Path(self.path, self._normalize_file_name(config_path)).stat()
        except OSError:  # for Hydra to report
            return of_files(self, config_path)  # type: ignore[no-any-return]
        changed = (status.st_mtime_ns, status.st_size) if Path(self.path) == folder else None
        return read(self, config_path, of_files, changed)

    def package(self: Any, config_path: str) -> ConfigResult:
        return read(self, config_path, of_packages, () if self.path == "hydra.conf" else None)

    def read(self: Any, config_path: str, load: Any, changed: tuple[int, ...] | None) -> ConfigResult:
        if changed is None:
            return load(self, config_path)  # type: ignore[no-any-return]
        key = (self.provider, self.path, config_path)
        if key not in _read or _read[key][0] != changed:
            _read[key] = changed, load(self, config_path)
        return deepcopy(_read[key][1])  # Hydra adds to what it is given

    files.load_config, packages.load_config = file, package
    try:
        yield
    finally:
        files.load_config, packages.load_config = of_files, of_packages


_read: dict[tuple[str, ...], tuple[tuple[int, ...], ConfigResult]] = {}


@contextmanager
def merging_once(known: "Known | None" = None) -> Iterator[None]:
    """Within the block merge the same options once: jobs of a sweep that differ in single values start from a copy.

    Which files a config is made of, and what they come to, depends on the options that are chosen and on nothing else.

    Args:
        known: what earlier blocks have merged, to go on with; else yaml that is edited meanwhile counts from the next
            block on.
    """
    known = {} if known is None else known
    module: Any = config_loader_impl
    loader: Any = ConfigLoaderImpl
    list_before, merge_before = module.create_defaults_list, loader._compose_config_from_defaults_list
    parse_before = loader._parse_overrides_and_create_caching_repo
    repos: dict[tuple[Any, ...], Any] = {}

    def parse(self: Any, config_name: str | None, words: list[str]) -> tuple[list[Override], Any]:
        key = (self, config_name, *(word for word in words if SEARCH_PATH in word))
        if key not in repos:
            parsed, repos[key] = parse_before(self, config_name, words)
            return parsed, repos[key]
        repo = copy(repos[key])
        repo.cache = {}  # merging changes what was read: later options would merge into what earlier ones made of it
        return OverridesParser.create().parse_overrides(words), repo

    def create_list(repo: Any, config_name: str | None, overrides_list: Sequence[Override], **how: bool) -> Any:
        typed = Overrides(repo=repo, overrides_list=list(overrides_list))
        values = {id(override) for override in typed.config_overrides}
        options = tuple(each.input_line for each in overrides_list if id(each) not in values)
        places = tuple((source.provider, source.path) for source in repo.get_sources())
        key = (config_name, options, places, *how.items())
        if key not in known:
            known[key] = Merged(list_before(repo, config_name, overrides_list, **how))
        before = known[key].defaults
        typed.known_choices = dict(before.overrides.known_choices)
        return DefaultsList(before.defaults, before.defaults_tree, typed.config_overrides, typed)

    def merge(self: Any, defaults: Any, repo: Any) -> DictConfig:
        [merged] = (each for each in known.values() if each.defaults.defaults is defaults)
        if merged.config is None:
            merged.config = copying(merge_before(self, defaults=defaults, repo=repo))
        return merged.config()

    module.create_defaults_list, loader._compose_config_from_defaults_list = create_list, merge
    loader._parse_overrides_and_create_caching_repo = parse
    try:
        yield
    finally:
        module.create_defaults_list, loader._compose_config_from_defaults_list = list_before, merge_before
        loader._parse_overrides_and_create_caching_repo = parse_before


@dataclass
class Merged:
    """The files of some options, in their order, and what they come to."""

    defaults: DefaultsList
    config: Callable[[], DictConfig] | None = None  # a copy of it


def copying(config: DictConfig) -> Callable[[], DictConfig]:
    """Gives copies of a config: from its pickle, in a third of the time of a deepcopy, where it has one."""
    try:
        return partial(pickle.loads, pickle.dumps(config))
    except (pickle.PicklingError, AttributeError, TypeError):  # of a user's class within a function
        return partial(deepcopy, deepcopy(config))


Known = dict[tuple[Any, ...], Merged]
