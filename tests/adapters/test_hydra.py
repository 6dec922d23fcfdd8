"""What breaks when an upgrade of Hydra takes away what it never promised, in words."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import HydraContext, RunMode
from omegaconf import OmegaConf

from optlab.adapters import hydra as adapter
from optlab.adapters.hydra import FULL_ERROR, ConfigLoader, HydraConfig, JobReturn
from optlab.config import CONFIG_FOLDER
from optlab.errors import UserError
from tests.commandline import clean_logging, command


def test_flags_of_hydra_are_no_overrides_else_a_flag_is_taken_for_a_typing_mistake() -> None:
    words = ["--cfg", "job", "-m", "seed=1", "optimizer=sgd", "--package", "trainer"]
    assert adapter.overrides_among(words) == ["seed=1", "optimizer=sgd"]


def test_flags_are_told_from_overrides_else_hydra_prints_its_usage_for_a_flag_behind_one() -> None:
    words = ["seed=1", "-m", "optimizer=sgd", "--config-dir", "there", "~debug"]
    assert adapter.taken_apart(words) == (["-m", "--config-dir", "there"], ["seed=1", "optimizer=sgd", "~debug"])
    assert adapter.taken_apart(["seed=1", "--info"]) == (["--info=all"], ["seed=1"])  # else it takes what follows it
    with pytest.raises(UserError, match="type seed=1, without --"):
        adapter.taken_apart(["--seed=1"])


def test_overrides_can_be_changed_before_hydra_applies_them_else_a_key_without_a_yaml_is_refused() -> None:
    def new_keys(overrides: list[Any], cfg: Any) -> list[Any]:
        assert cfg.seed == 0
        return [adapter.forced(each) for each in overrides]

    with initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
        with adapter.overriding(new_keys):
            assert compose("train", overrides=["brand_new=3"]).brand_new == 3
        with pytest.raises(HydraException):
            compose("train", overrides=["brand_new=3"])


def test_hydras_flags_are_known_else_the_users_config_folders_are_not() -> None:
    flags = adapter.flags_among(["-cd", "there", "-m", "seed=1", "--config-name=mine"])
    assert (flags["config_dir"], flags["config_name"], flags["multirun"]) == ("there", "mine", True)


def test_a_package_is_a_folder_of_configs_else_its_options_are_unknown() -> None:
    import optlab.models

    assert adapter.folder_of_package("optlab/models") == Path(optlab.models.__file__).parent
    assert adapter.folder_of_package("no_such_package.conf") is None


def test_overrides_are_read_as_hydra_reads_them_else_mistakes_are_found_only_after_seconds() -> None:
    seed, rate, gone = adapter.parse(["seed=1,2", "+optimizer.lr='0.1'", "~logger"])
    assert (seed.key_or_group, seed.is_sweep_override(), seed.input_line) == ("seed", True, "seed=1,2")
    assert list(seed.sweep_string_iterator()) == ["1", "2"]
    assert (rate.key_or_group, rate.value()) == ("optimizer.lr", "0.1")
    assert gone.is_delete()
    with pytest.raises(HydraException):
        adapter.parse(["adam"])


def test_a_glob_chooses_among_names_else_a_sweep_over_nothing_calls_itself_done() -> None:
    several, one = adapter.parse(["optimizer=glob(ada*,exclude=adamw)", "seed=1"])
    assert adapter.matching(several, ["adam", "adamw", "sgd"]) == ["adam"]
    assert adapter.matching(one, ["adam"]) is None


def test_values_are_combined_as_hydra_combines_them_else_a_multirun_trains_other_runs_than_were_typed() -> None:
    with composing() as loader:
        words = ["optimizer=glob(sg*),adam", "seed=range(0,2)", "+x=a"]
        assert adapter.combinations(words[1:], loader) == [["seed=0", "+x=a"], ["seed=1", "+x=a"]]
        assert adapter.combinations(["optimizer=glob(sg*)"], loader) == [["optimizer=sgd"]]


def test_hydra_raises_its_errors_else_one_clear_line_becomes_many() -> None:
    assert FULL_ERROR not in os.environ
    with adapter.raising():
        assert adapter.wants_full_error()
        with adapter.as_the_user_set_it() as full_error:  # so that a job's other processes do not print tracebacks
            assert not full_error
            assert FULL_ERROR not in os.environ
        assert adapter.wants_full_error()
    assert FULL_ERROR not in os.environ
    result = command("batchsize=1")
    assert result.err.startswith("optlab: batchsize: there is no such key")
    assert result.err.count("\n") == 1


def test_who_asked_hydra_for_tracebacks_gets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FULL_ERROR, "1")
    with adapter.raising(), adapter.as_the_user_set_it() as full_error:
        assert full_error
    with pytest.raises(Exception, match="batchsize"):
        command("batchsize=1")


def test_the_error_of_a_job_is_read_without_raising_it_else_a_sweep_says_nothing_of_why_no_job_began() -> None:
    error = RuntimeError("no GPU")
    assert adapter.error_of(adapter.job_return(["seed=1"], error=error)) is error
    done = adapter.job_return(["seed=1"], 0.9)
    assert isinstance(done, JobReturn)
    assert adapter.error_of(done) is None
    assert done.return_value == 0.9


def test_a_job_runs_where_hydra_did_not_start_else_no_launcher_but_the_basic_one_works(tmp_path: Path) -> None:
    seen: list[Any] = []
    config, context = multirun_of(tmp_path)
    with clean_logging():
        result = adapter.run_one(adapter.context_of(context, config, lambda cfg: seen.append(told(cfg))), ["seed=7"], 3)
    assert adapter.error_of(result) is None
    assert seen == [(7, 3, str(tmp_path / "sweep" / "job"))]
    assert (tmp_path / "sweep" / "job" / ".hydra" / "overrides.yaml").read_text() == "- seed=7\n"


def told(cfg: Any) -> tuple[int, int, str]:
    hydra = HydraConfig.get()
    return cfg.seed, hydra.job.num, hydra.runtime.output_dir


def test_a_jobs_folder_is_that_of_a_single_run_else_a_distributed_job_writes_elsewhere(tmp_path: Path) -> None:
    def task(cfg: Any) -> str:
        adapter.pretend_single_run(tmp_path / "mine")
        return str(HydraConfig.get().run.dir)

    config, context = multirun_of(tmp_path)
    with clean_logging():
        result = adapter.run_one(adapter.context_of(context, config, task), ["seed=7"], 0)
    assert result.return_value == str(tmp_path / "mine")


def test_two_configs_are_composed_in_one_process_else_notebooks_can_compose_one() -> None:
    for _ in range(2):
        with composing() as loader:
            assert "adam" in loader.get_group_options("optimizer")


def test_what_was_typed_is_read_letter_for_letter_else_a_run_that_goes_on_loses_its_interpolations(
    tmp_path: Path,
) -> None:
    seen: list[Any] = []

    def task(cfg: Any) -> None:
        seen.append((cfg.batch_size, adapter.typed_overrides()))

    config, context = multirun_of(tmp_path)
    with clean_logging():
        result = adapter.run_one(adapter.context_of(context, config, task), ["seed=7", "batch_size=${seed}"], 0)
    assert adapter.error_of(result) is None
    assert seen == [(7, ["seed=7", "batch_size=${seed}"])]


def test_the_launcher_is_the_one_of_the_config_else_a_sweep_runs_its_jobs_somewhere_else(tmp_path: Path) -> None:
    config, context = multirun_of(tmp_path, "hydra/launcher=joblib", "hydra.launcher.n_jobs=3")
    launcher: Any = adapter.launcher_of(context, config, lambda cfg: None)
    assert (type(launcher).__name__, launcher.n_jobs) == ("JoblibLauncher", 3)


def test_hydras_own_launcher_runs_jobs_here_else_a_single_run_of_a_sweep_starts_a_process(tmp_path: Path) -> None:
    config, context = multirun_of(tmp_path)
    launcher = adapter.basic_launcher(context, config, told)
    with clean_logging():
        [result] = launcher.launch([["seed=7"]], initial_job_idx=3)
    assert result.return_value == (7, 3, str(tmp_path / "sweep" / "job"))


def test_a_launcher_says_how_many_jobs_it_runs_at_a_time_else_the_user_has_to_guess(tmp_path: Path) -> None:
    own: Any = SimpleNamespace(line=lambda jobs: f"{jobs} at a time" if jobs > 1 else None)
    assert (adapter.line_of(own, 2), adapter.line_of(own, 1)) == ("2 at a time", None)
    elsewhere: Any = SimpleNamespace(elsewhere=True)
    assert adapter.runs_elsewhere(elsewhere)
    assert not adapter.runs_elsewhere(own), "a launcher of somebody else's says nothing of it"
    config, context = multirun_of(tmp_path)
    assert adapter.line_of(adapter.basic_launcher(context, config, told), 2) is None


def test_a_launcher_may_look_at_configs_else_the_process_of_the_sweep_imports_torch(tmp_path: Path) -> None:
    own: Any = SimpleNamespace(check_configs=lambda configs: len(configs) > 1)
    assert (adapter.checked_by(own, [1, 2]), adapter.checked_by(own, [1]), adapter.checked_by(None, [1])) == (
        True,
        False,
        False,
    )
    config, context = multirun_of(tmp_path)
    basic = adapter.basic_launcher(context, config, told)
    assert not adapter.checked_by(basic, [1, 2])
    elsewhere: Any = SimpleNamespace(looks_elsewhere=True)
    assert (adapter.looks_elsewhere(elsewhere), adapter.looks_elsewhere(basic)) == (True, False)


def test_a_launcher_is_closed_where_it_can_be_else_its_processes_outlive_the_sweep(tmp_path: Path) -> None:
    closed: list[str] = []
    own: Any = SimpleNamespace(close=lambda: closed.append("here"))
    with pytest.raises(ZeroDivisionError), adapter.closing(own):
        _ = 1 / 0
    assert closed == ["here"]
    config, context = multirun_of(tmp_path)
    with adapter.closing(adapter.basic_launcher(context, config, told)) as hydras:
        assert not hasattr(hydras, "close")


def test_the_option_of_each_group_is_known_else_a_study_starts_as_a_single_run(tmp_path: Path) -> None:
    config, _ = multirun_of(tmp_path, "optimizer=sgd")
    found = adapter.choices(config)
    assert (found["optimizer"], found["hydra/sweeper"]) == ("sgd", config.hydra.runtime.choices["hydra/sweeper"])


def test_a_config_asks_functions_for_values_else_two_runs_share_a_folder() -> None:
    try:
        for value in ("first", "second"):  # of two commands in one process, the later counts
            adapter.give_values(of_this_test=lambda word, value=value: f"{value} {word}")
            assert OmegaConf.create({"key": "${of_this_test:a}"}).key == f"{value} a"
    finally:
        OmegaConf.clear_resolver("of_this_test")


# -- Hydra, started as its own launchers find it


@contextmanager
def composing() -> Iterator[ConfigLoader]:
    """Hydra's config loader, as a multirun has it."""
    adapter.forget()
    initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3")
    try:
        yield GlobalHydra.instance().config_loader()
    finally:
        adapter.forget()


def multirun_of(folder: Path, *more: str) -> tuple[Any, HydraContext]:
    with composing() as loader:
        words = [f"hydra.sweep.dir={folder}/sweep", "hydra.sweep.subdir=job", *more]
        config = loader.load_configuration("train", words, run_mode=RunMode.MULTIRUN)
        return config, HydraContext(config_loader=loader, callbacks=Callbacks(config))


def test_an_offered_option_is_found_like_a_file_else_an_object_has_no_name_to_be_typed() -> None:
    node = {"name": "offered_here", "_target_": "a.B"}

    def composed() -> Any:
        adapter.forget()
        with initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
            return compose("train", overrides=["model=offered_here"])

    with adapter.offering({"model": {"offered_here": node}}):
        assert composed().model == node
    with pytest.raises(HydraException):
        composed()


def test_a_multirun_needs_no_command_line_else_a_notebook_has_to_start_a_process() -> None:
    seen: list[int] = []
    words = ["hydra/sweeper=basic", "hydra/launcher=basic", "seed=4,5"]
    words += ["hydra.sweep.dir=s", "hydra.sweep.subdir=${hydra.job.num}"]
    adapter.give_values(run_folder=lambda *_: "r", job_folder=lambda: "j")
    with clean_logging():
        adapter.multirun(CONFIG_FOLDER, words, lambda cfg: seen.append(cfg.seed), "train", "train")
    assert seen == [4, 5]
