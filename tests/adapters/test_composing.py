"""What breaks, or is slow again, when an upgrade of Hydra takes away what it never promised."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import OmegaConf

from optlab.adapters import composing as adapter
from optlab.config import CONFIG_FOLDER, places
from tests.commandline import command


def test_the_flag_alone_says_whether_it_is_a_multirun_else_every_command_composes_its_config_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    composed: list[RunMode] = []
    load = ConfigLoaderImpl.load_configuration

    def noted(self: ConfigLoaderImpl, **settings: Any) -> Any:
        composed.append(settings["run_mode"])
        return load(self, **settings)

    with initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"), adapter.mode_as_flagged():
        hydra: Any = GlobalHydra.instance().hydra
        assert hydra.get_mode(config_name="train", overrides=[]) is None

    monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", noted)
    assert command("seed=no").code == 1
    assert composed == [RunMode.RUN]
    assert command("-m", "seed=no").code == 1
    assert composed[1] == RunMode.MULTIRUN
    # No yaml of optlab's own sets the mode, so none is overlooked; a user's is asked for.
    assert not [path for path in CONFIG_FOLDER.rglob("*.yaml") if "mode" in (places.read(path).get("hydra") or {})]
    Path("conf").mkdir()
    Path("conf/mine.yaml").write_text("defaults: [train, _self_]\nhydra: {mode: MULTIRUN}\n")
    composed.clear()
    command("--config-name=mine", "seed=no")
    assert composed[:2] == [RunMode.MULTIRUN, RunMode.MULTIRUN]


def test_a_yaml_is_read_again_only_where_it_changed_else_every_job_of_a_sweep_reads_thirty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "c.yaml"
    loaded: list[str] = []
    load = OmegaConf.load

    def noted(source: Any) -> Any:
        loaded.append(source.name)
        return load(source)

    monkeypatch.setattr(OmegaConf, "load", noted)

    def value(changes: Sequence[str] = ()) -> Any:
        loaded.clear()
        with initialize_config_dir(str(tmp_path), version_base="1.3"), adapter.reading_once(tmp_path):
            return compose("c", overrides=list(changes)).a

    file.write_text("a: 1\n")
    assert (value(), loaded.count(str(file))) == (1, 1)
    assert (value(["a=5"]), loaded) == (5, [])
    assert (value(), loaded) == (1, [])  # what was composed is a copy of what was read
    file.write_text("a: 22\n")
    assert (value(), loaded) == (22, [str(file)])
    file.unlink()
    with pytest.raises(HydraException, match="'c'"):
        value()


def test_the_same_options_are_merged_once_else_a_sweep_merges_them_for_each_of_its_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    merged: list[int] = []
    merge = ConfigLoaderImpl._compose_config_from_defaults_list

    def noted(self: Any, **settings: Any) -> Any:
        merged.append(1)
        return merge(self, **settings)

    monkeypatch.setattr(ConfigLoaderImpl, "_compose_config_from_defaults_list", noted)
    (tmp_path / "group").mkdir()
    for option in ("first", "second"):
        (tmp_path / "group" / f"{option}.yaml").write_text(f"name: {option}\nlist: [1, 2]\n")
    (tmp_path / "c.yaml").write_text("defaults: [group: first, _self_]\na: 1\nb: ${a}\n")

    def composed(*words: str) -> Any:
        merged.clear()
        return OmegaConf.to_container(compose("c", overrides=list(words), return_hydra_config=True))

    lists = [(), ("a=2",), ("group=second",), ("a=3", "+new=1", "group.list=[3]"), ("group=second", "~b"), ("+n=1",)]
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        alone = [composed(*words) for words in lists]
        with adapter.merging_once():
            together = [(composed(*words), len(merged)) for words in lists]
            with pytest.raises(HydraException, match="nothing"):
                composed("nothing=1")
            with pytest.raises(HydraException, match="no_such"):
                composed("group=no_such")
        assert [config for config, _ in together] == alone
        assert [times for _, times in together] == [1, 0, 1, 0, 0, 0]
        (tmp_path / "c.yaml").write_text("a: 9\n")
        with adapter.merging_once():
            assert composed()["a"] == 9


def test_what_one_job_chose_is_not_in_the_next_one_that_chose_something_else(tmp_path: Path) -> None:
    (tmp_path / "group").mkdir()
    (tmp_path / "group" / "first.yaml").write_text("name: first\nonly: 1\n")
    (tmp_path / "group" / "second.yaml").write_text("name: second\n")
    (tmp_path / "mode").mkdir()
    (tmp_path / "mode" / "fast.yaml").write_text("# @package _global_\nnode: {fast: 2}\n")
    (tmp_path / "mode" / "slow.yaml").write_text("# @package _global_\nnode: {slow: 3}\n")
    (tmp_path / "c.yaml").write_text("defaults: [_self_, group: first, mode: fast]\ngroup: {a: 0}\nnode: {b: 0}\n")
    lists: list[list[str]] = [[], ["group=second", "mode=slow"], ["mode=slow"], ["group=second"], []]
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        alone = [compose("c", overrides=words) for words in lists]
        with adapter.reading_once(tmp_path), adapter.merging_once():
            assert [compose("c", overrides=words) for words in lists] == alone


def test_places_are_looked_for_once_and_a_typed_search_path_is_that_jobs_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    make = CachingConfigRepository.__init__

    def noted(self: Any, delegate: Any) -> None:
        made.append(1)
        make(self, delegate)

    monkeypatch.setattr(CachingConfigRepository, "__init__", noted)
    for folder, option in (("here", "first"), ("there", "second")):
        (tmp_path / folder / "group").mkdir(parents=True)
        (tmp_path / folder / "group" / f"{option}.yaml").write_text(f"name: {option}\n")
    (tmp_path / "here" / "c.yaml").write_text("defaults: [group: first]\n")
    there = f"hydra.searchpath=[{tmp_path / 'there'}]"
    with initialize_config_dir(str(tmp_path / "here"), version_base="1.3"), adapter.merging_once():
        assert compose("c").group.name == "first"
        assert compose("c", overrides=["group=second", there]).group.name == "second"
        with pytest.raises(HydraException, match="second"):
            compose("c", overrides=["group=second"])
        assert compose("c", overrides=["group=second", there]).group.name == "second"
        assert len(made) == 2


def test_a_copy_of_a_config_is_that_config_with_its_flags_and_types_and_no_other_than_itself() -> None:
    @dataclass
    class Own:  # cannot be pickled
        number: int = 1

    for kept in (OmegaConf.create({"a": {"b": [1, "${c}"]}, "c": 2}), OmegaConf.structured(Own)):
        OmegaConf.set_struct(kept, True)
        copies = adapter.copying(kept)
        first, second = copies(), copies()
        assert first == kept
        assert OmegaConf.is_struct(first)
        assert OmegaConf.get_type(first) == OmegaConf.get_type(kept)
        first.update({next(iter(first)): 5})
        assert second == kept
