"""From a command line to a plan, its file, and what is refused before anything runs."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from optlab.config import CONFIG_FOLDER, compose, resolve
from optlab.config.schema import Config
from optlab.errors import UserError
from optlab.rules.files import PLAN_FILE
from optlab.sweep.study import command
from optlab.sweep.study.options import Options
from optlab.sweep.study.protocol import Protocol, write
from tests.sweep.surfaces import protocol, settings

SGD_OR_ADAM = "optimizer=sgd,adam"
HALVING = {"stopping": "halving"}
CHOICES = {"optimizer": "adam", "lr": "constant", "model": "cnn", "dataset": "digits"}


def plan(*words: str, params: dict[str, str] | None = None, **changed: Any) -> Protocol:
    """The plan of `python train.py -m hydra/sweeper=study WORDS` with changed settings."""
    parser = OverridesParser.create()
    presets = [f"{key}={value}" for key, value in (params or {}).items()]
    typed = command.read(parser.parse_overrides(list(words)), parser.parse_overrides(presets))
    return command.build(
        typed, Options.parse(settings(**changed)), CHOICES, lambda line: Config.parse(resolve(compose(line)))
    )


def names(planned: Protocol) -> list[str]:
    return [arm.name for arm in planned.arms]


def test_optimizers_schedules_models_and_data_sets_are_crossed() -> None:
    assert names(plan(SGD_OR_ADAM)) == ["sgd", "adam"]
    assert names(plan(SGD_OR_ADAM, "lr=constant,cosine")) == [
        *("sgd, constant", "sgd, cosine", "adam, constant", "adam, cosine"),
    ]
    crossed = plan(SGD_OR_ADAM, "model=mlp,linear", "dataset=digits,fake", "batch_size=32")
    assert len(crossed.arms) == 8
    assert crossed.arms[0].words == ("dataset=digits", "model=mlp", "optimizer=sgd")
    assert crossed.overrides == ("batch_size=32",)
    assert len({arm.config_id for arm in crossed.arms}) == 8
    assert names(plan()) == ["adam"]


def test_classes_are_compared_by_their_names() -> None:
    classes = "torch.optim.SGD,torch.optim.Adamax"
    planned = plan("optimizer=custom", f"++optimizer._target_={classes}", "lr=constant,cosine")
    assert names(planned)[::2] == ["torch.optim.SGD, constant", "torch.optim.Adamax, constant"]
    assert planned.arms[0].words == ("optimizer=custom", "++optimizer._target_=torch.optim.SGD", "lr=constant")
    assert len({arm.config_id for arm in planned.arms}) == 4
    spaces = {"torch.optim.SGD": {"lr": 0.1}, "torch.optim.Adamax": {"lr": 0.01}}
    assert plan("optimizer=custom", f"++optimizer._target_={classes}", spaces=spaces).default_lr.keys() == spaces.keys()
    networks = plan(SGD_OR_ADAM, "model._target_=optlab.models.MLP,optlab.models.Linear", params={"model": "cnn,mlp"})
    assert names(networks)[0] == "optlab.models.MLP, sgd"
    assert networks.arms[0].words == ("model._target_=optlab.models.MLP", "optimizer=sgd")


def test_a_preset_names_what_is_compared_unless_the_command_line_does() -> None:
    preset = {"optimizer": "sgd,adam", "lr": "constant,cosine"}
    assert len(plan(params=preset).arms) == 4
    assert names(plan("optimizer=lbfgs", params=preset)) == ["lbfgs, constant", "lbfgs, cosine"]


def test_seeds_are_counted_on_from_tuning_or_listed() -> None:
    def seeds(**changed: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
        options = Options.parse(settings(**changed))
        return options.tuning_seeds, options.confirmation_seeds

    assert seeds() == ((0, 1), (2, 3, 4, 5, 6))
    assert seeds(tuning_seeds=[7, 3], confirmation_seeds=2) == ((7, 3), (8, 9))
    assert seeds(tuning_seeds=3, confirmation_seeds=[20, 10]) == ((0, 1, 2), (20, 10))


@pytest.mark.parametrize(
    ("words", "changed", "said"),
    [
        (
            ["optimizer=sgd,adam", "optimizer._target_=torch.optim.SGD,torch.optim.Adam"],
            {},
            "optimizer=sgd,adam is compared already; to compare a class with options give it a yaml file",
        ),
        ([], {"trials": 0}, "hydra.sweeper.trials=0: must be 1 or more"),
        ([], {"trials": 1}, "trials=1: a grid has both ends"),
        ([], {"trials": "many"}, "hydra.sweeper.trials=many: must be a whole number"),
        ([], {"sampler": "random"}, "hydra.sweeper.sampler=random: must be one of auto, grid, halton, sobol, tpe"),
        ([], {"metric": "test/f1"}, "hydra.sweeper.metric=test/f1: must be val/f1"),
        ([], {"extensions": -1}, "hydra.sweeper.extensions=-1: must be 0 or more"),
        ([], {"tuning_seeds": 0}, "hydra.sweeper.tuning_seeds=0: must be 1 or more"),
        ([], {"tuning_seeds": [1, 1]}, "a seed is named twice"),
        ([], {"confirmation_seeds": []}, r"confirmation_seeds=\[\]: type a number of seeds"),
        ([], {"confirmation_seeds": [1, 2]}, "confirmation_seeds: 1 is a tuning seed too; confirm on fresh seeds"),
        ([], {"track": "all"}, "track=all: conf/optimizer/adam.yaml has no such search space; it has lr_only, family"),
        (["~optimizer.search"], {}, "track=lr_only: conf/optimizer/adam.yaml has no such search space; it has none"),
        ([], {"spaces": {"adm": {"lr": 0.1}}}, "hydra.sweeper.spaces.adm: there is no such optimizer; known: adadelta"),
        ([], {"spaces": {"adam": {}}}, "hydra.sweeper.spaces.adam: the space is empty"),
        ([SGD_OR_ADAM], {"spaces": {"adam": {"lr": 0.1}}}, "leaves adam nothing to tune, and others are tuned"),
        ([], {"track": "family", "sampler": "grid"}, "sampler=grid is for one range, and this track has 4"),
        ([], {"trails": 5}, "hydra.sweeper.trails: a study has no such setting; it has trials, tuning_seeds"),
        ([], {"reference": "nobody"}, "reference=nobody: neither a file nor one of deepobs_cifar10_3c3d"),
        (["optimizer=adam,adam"], {}, "adam is named twice"),
        (["batch_size=32,64"], {}, "batch_size=32,64: a study compares dataset, model, optimizer, lr and holds batch"),
        (
            ["optimizer.lr=0.1,0.01"],
            {},
            "optimizer.lr=0.1,0.01: a study takes values from the optimizer's search space",
        ),
        (["optimizer.lr=0.01"], {}, "optimizer.lr=0.01: the study tunes lr"),
        (["optimizer.betas=[0.9,0.99]"], {"track": "family"}, r"optimizer.betas=\[0.9,0.99\]: the study tunes beta1"),
        (["seed=0,1"], {}, "seed=0,1: a study sets seed itself; type hydra.sweeper.tuning_seeds=2"),
        (["phase=tune"], {}, "phase=tune: a study sets phase itself"),
        ([], {"stopping": "median"}, "hydra.sweeper.stopping=median: must be halving"),
        ([], {"stopping_first": 3}, "stopping_first=3: nothing is stopped; type hydra.sweeper.stopping=halving too"),
        ([], {"stopping_reduction": 3}, "stopping_reduction=3: nothing is stopped"),
        ([], {**HALVING, "stopping_reduction": 1}, "hydra.sweeper.stopping_reduction=1: must be 2 or more"),
        ([], {**HALVING, "sampler": "tpe"}, "stopping=halving: hydra.sweeper.sampler=tpe proposes each trial from the"),
        ([], {**HALVING, "spaces": {"adam": {"lr": 0.1}}}, "stopping=halving: nothing is tuned here"),
        (["trainer.max_epochs=1"], HALVING, "stopping=halving stops none of 7 trials before epoch 1; type more trials"),
        ([], {**HALVING, "stopping_first": 30}, "stopping=halving stops none of 7 trials before epoch 30"),
        (["trainer.max_steps=100"], HALVING, "counts in epochs, and trainer.max_steps=100 does not; type"),
        (
            ["trainer.check_val_every_n_epoch=null", "+trainer.val_check_interval=5"],
            HALVING,
            "validates by steps; type",
        ),
        (["+trainer.min_epochs=3"], HALVING, "trainer.min_epochs keeps runs from ending"),
        (["callbacks=no_checkpoints"], HALVING, "go on from their checkpoints, and these callbacks write none; type"),
        (
            ["until=3"],
            {},
            "until=3: a study sets until itself; to stop trials that are behind type hydra.sweeper.stopp",
        ),
        (["metric=val/acc"], {"metric": "val/loss"}, "metric=val/acc and hydra.sweeper.metric=val/loss: type one"),
    ],
)
def test_what_no_study_can_do_is_refused_in_one_line(words: list[str], changed: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        plan(*words, **changed)
    assert "\n" not in str(caught.value)


def test_a_space_with_fewer_values_than_trials_is_refused() -> None:
    few = {"lbfgs": {"history_size": {"low": 4, "high": 6, "scale": "log"}}}
    with pytest.raises(UserError, match="trials=7: the space of lbfgs has only 3 different values"):
        plan("optimizer=lbfgs", spaces=few)


def test_the_shipped_experiments_are_studies_of_the_size_they_say() -> None:
    sizes = {"compare_digits": (76, 108), "compare_cifar10": (192, 256), "deepobs_3c3d": (30, 30)}
    for name, runs in sizes.items():
        given = OmegaConf.to_container(OmegaConf.load(CONFIG_FOLDER / "experiment" / f"{name}.yaml"))
        assert isinstance(given, dict)
        sweeper = dict(given["hydra"]["sweeper"])
        planned = plan(f"experiment={name}", params=sweeper.pop("params"), **sweeper)
        assert (planned.fewest_runs, planned.most_runs) == runs
    adam = planned.arms[2]
    assert (adam.optimizer["weight_decay"], adam.optimizer["decay_bias_and_norm"]) == (0.002, False)
    assert planned.plan()["arms"][1]["space"] == {"lr": 3.981e-4, "momentum": 0.99}


# -- its hash and its file


def test_the_hash_of_a_plan_on_disk_stays_what_it_was() -> None:
    lr = {"lr": {"low": 1e-4, "high": 1e-2, "scale": "log"}}
    family = lr | {"beta1": {"low": 0.5, "high": 0.99, "scale": "one_minus_log"}, "weight_decay": 0.01}
    changed: dict[str, Any] = {"trials": 9, "target": 0.9, "metric": "val/loss", "extensions": 1}
    assert protocol("adam", "sgd", space=lr).hash == "sha-6356b17f00f1"
    assert protocol("adam", space=family, sampler="halton", **changed).hash == "sha-2295f2bc2491"
    assert protocol("momentum", space={"lr": 0.1, "momentum": 0.9}, confirmation_seeds=3).hash == "sha-ed0809613331"


@pytest.mark.parametrize(
    ("words", "changed", "expected"),
    [
        ([SGD_OR_ADAM], {}, "sha-d5f90d296102"),
        (["optimizer=muon,adamw", "lr=constant,cosine"], {"track": "family", "trials": 8}, "sha-4ff55e041e8f"),
        (
            ["dataset=fake,digits", "trainer.max_epochs=5"],
            {"target": 0.9, "metric": "val/acc", "sampler": "sobol"},
            "sha-d0966a9a6903",
        ),
    ],
)
def test_the_hash_of_a_command_stays_what_it_was(words: list[str], changed: dict[str, Any], expected: str) -> None:
    assert plan(*words, **changed).hash == expected


def test_the_hash_changes_with_what_decides_the_outcome_and_with_nothing_else() -> None:
    same = plan(SGD_OR_ADAM).hash
    assert plan(SGD_OR_ADAM, "logger=none", "eval_batch_size=100", sampler="grid").hash == same
    changes: list[tuple[list[str], dict[str, Any]]] = [
        (["model=mlp"], {}),
        (["trainer.max_epochs=3"], {}),
        (["lr=cosine"], {}),
        (["metric=val/loss"], {}),
        ([], {"trials": 8}),
        ([], {"confirmation_seeds": 6}),
        ([], {"extensions": 1}),
        ([], {"target": 0.9}),
        ([], {"spaces": {"adam": {"lr": {"low": 1e-4, "high": 1e-2, "scale": "log"}}}}),
    ]
    others = [plan(SGD_OR_ADAM, *words, **changed).hash for words, changed in changes]
    assert len({same, *others}) == 1 + len(changes)


def test_the_plan_is_written_once_and_says_everything(tmp_path: Path) -> None:
    write(protocol("adam", "sgd", target=0.9), tmp_path / "new")
    path = tmp_path / "new" / PLAN_FILE
    content = OmegaConf.to_container(OmegaConf.load(path))
    assert isinstance(content, dict)
    assert content["hash"] == protocol("adam", "sgd", target=0.9).hash
    assert [arm["optimizer"] for arm in content["arms"]] == ["adam", "sgd"]
    assert [trial["lr"] for trial in content["arms"][1]["settings"]][:2] == [0.001, 0.00316]
    assert content["default_lr"] == {"adam": 0.001, "sgd": 0.1}
    assert (content["trials"], content["tuning_seeds"], content["target"]) == (7, [0, 1], 0.9)
    before = path.stat().st_mtime_ns
    write(protocol("adam", "sgd", target=0.9), tmp_path / "new")
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("names", "changed", "said"),
    [
        (["adam", "sgd"], {"trials": 9}, r"trials: 7 there, 9 here"),
        (["adam"], {}, r"compared: adam \| sgd there, adam here"),
        (["adam", "sgd"], {"space": {"lr": {"low": 1e-4, "high": 0.1}}}, r"the space of adam"),
        (["adam", "sgd"], {"confirmation_seeds": 2}, r"confirmation_seeds: \[2, 3, 4, 5, 6\] there, \[2, 3\] here"),
    ],
)
def test_a_changed_plan_is_refused_and_nothing_overwritten(
    names: list[str], changed: dict[str, Any], said: str, tmp_path: Path
) -> None:
    write(protocol("adam", "sgd"), tmp_path)
    before = (tmp_path / PLAN_FILE).read_bytes()
    with pytest.raises(UserError, match=said) as caught:
        write(protocol(*names, **changed), tmp_path)
    assert "sweep=another-name" in str(caught.value)
    assert (tmp_path / PLAN_FILE).read_bytes() == before


def test_a_plan_that_grows_keeps_what_it_was(tmp_path: Path) -> None:
    first = protocol("adam", "sgd")
    more = protocol("adam", "sgd", confirmation_seeds=7)
    all_three = protocol("adam", "rmsprop", "sgd", confirmation_seeds=7)
    for each in (first, more, all_three):
        write(each, tmp_path)
    content = yaml.safe_load((tmp_path / PLAN_FILE).read_text())
    assert content["hash"] == all_three.hash
    assert [version["hash"] for version in content["earlier"]] == [first.hash, more.hash]
    assert content["earlier"][0]["confirmation_seeds"] == [2, 3, 4, 5, 6]
    assert all("replaced" in version and "earlier" not in version for version in content["earlier"])
    write(all_three, tmp_path)
    assert yaml.safe_load((tmp_path / PLAN_FILE).read_text()) == content
    with pytest.raises(UserError, match="repeat the command that it was extended by"):
        write(first, tmp_path)
    with pytest.raises(UserError, match=r"trials: 7 there, 9 here.*a study may grow by confirmation seeds"):
        write(protocol("adam", "rmsprop", "sgd", confirmation_seeds=9, trials=9), tmp_path)


def test_a_folder_that_no_study_made_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "multirun.yaml").write_text("")
    (tmp_path / "sgd-lr0.1-seed0-1a2b3c4d").mkdir()
    with pytest.raises(UserError, match=r"holds sgd-lr0\.1-seed0-1a2b3c4d, which no study put there"):
        write(protocol("adam"), tmp_path)
    assert not (tmp_path / PLAN_FILE).exists()


def test_a_damaged_plan_is_named(tmp_path: Path) -> None:
    (tmp_path / PLAN_FILE).write_text("hash: [")
    with pytest.raises(UserError, match=f"{PLAN_FILE}: damaged"):
        write(protocol("adam"), tmp_path)
