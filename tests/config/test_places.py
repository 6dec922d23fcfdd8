"""The user's folders of config files: found, listed, suggested, used and recorded like optlab's own."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra import compose as hydra_compose
from hydra import initialize_config_dir

from optlab.config import CONFIG_FOLDER, compose, places
from optlab.config.overrides import places_of
from optlab.errors import UserError
from optlab.record import RunRecord
from tests.commandline import command
from tests.conftest import QUICK

NET = """from torch import nn


class Net(nn.Module):
    def __init__(self, input_shape, outputs, width=4):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.LazyLinear(width), nn.Linear(width, outputs))
        self.layers[1](__import__("torch").zeros(1, __import__("math").prod(input_shape)))

    def forward(self, inputs):
        return self.layers(inputs)
"""


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    """What `compose` puts in force stays for the process, as Hydra's own state does."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    places.use(None)
    sys.path[:] = path
    for name in sys.modules.keys() - modules:
        if name.startswith("mynet"):
            del sys.modules[name]


def write(file: str, text: str) -> Path:
    path = Path(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def own_folder(folder: str = "conf") -> None:
    """A model of the user's in `conf`, and its module beside that."""
    write(f"{folder}/model/mine.yaml", "name: mine\n_target_: mynet.Net\nwidth: 5\n")
    write(f"{Path(folder).parent}/mynet.py", NET)


def only_run(folder: str = "outputs/runs") -> RunRecord:
    [path] = Path(folder).glob("*/run.json")
    return RunRecord.read(path.parent)


def test_optlabs_own_folder_is_that_of_the_checkout() -> None:
    assert (CONFIG_FOLDER / "train.yaml").is_file()
    assert places.folders() == (CONFIG_FOLDER,)
    assert {"model", "optimizer", "dataset"} <= set(places.groups())
    assert "hydra" not in places.groups()
    assert places.file_of("model", "cnn") == CONFIG_FOLDER / "model" / "cnn.yaml"
    assert places.file_of("model", "../model/cnn") is None
    assert places.file_of("", "train") == CONFIG_FOLDER / "train.yaml"


@pytest.mark.parametrize("flags", [(), ("--config-dir=there/conf",), ("-cd", "there/conf")])
def test_a_model_of_ones_own_trains_from_its_folder(flags: tuple[str, ...]) -> None:
    own_folder("there/conf" if flags else "conf")
    result = command(*flags, "model=mine", "trainer.max_epochs=1", *QUICK[:3], "batch_size=256")
    assert result.code == 0, result.err
    record = only_run()
    assert record.config["model"] == {"name": "mine", "_target_": "mynet.Net", "width": 5}
    assert record.overrides[: len(flags) and 1] == (["--config-dir=there/conf"] if flags else [])
    assert places.chosen() is None
    assert str(Path("there").absolute()) not in sys.path


def test_hydras_search_path_counts_in_the_command_line_and_in_a_config() -> None:
    own_folder("there/conf")
    found = places_of(["hydra.searchpath=[there/conf]", "model=mine"])
    assert found.users == (Path("there/conf").absolute(),)
    assert found.words == ("hydra.searchpath=[there/conf]",)
    assert str(Path("there").absolute()) in found.import_paths
    own = "defaults: [train, _self_]\nhydra: {searchpath: ['file://there/conf']}\n"
    write("conf/first.yaml", own)
    assert places_of(["--config-name=first"]).users == (Path("conf").absolute(), Path("there/conf").absolute())
    assert "name: mine" in command("--cfg", "job", "--config-name=first", "model=mine").out
    assert places_of(["hydra.searchpath=[pkg://optlab.models]"]).users[0].name == "models"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--config-dir=nowhere"], "--config-dir=nowhere: there is no such folder"),
        (["--config-dir=file.txt"], "--config-dir=file.txt: not a folder"),
        (["hydra.searchpath=[nowhere]"], "hydra.searchpath=[nowhere]: there is no such folder"),
        (["hydra.searchpath=nowhere"], "type a list of folders"),
        (["model=mien"], "did you mean model=mine?"),
        (["model=mine", "model.widht=3"], "model=mine has no 'widht'; it takes width"),
        (["--config-name=nothing"], "nothing"),
    ],
)
def test_a_mistake_is_one_line_that_knows_the_users_options(words: list[str], said: str) -> None:
    own_folder()
    write("file.txt", "")
    result = command(*words)
    assert result.code == 1
    assert said in result.err
    assert len(result.err.splitlines()) == 1


def test_the_users_options_are_listed_and_inherit() -> None:
    own_folder()
    write("conf/model/wide.yaml", "defaults: [mine]\nname: wide\nwidth: 50\n")
    assert {"mine", "wide", "cnn"} <= set(places.options("model"))
    assert places.whole("model", "wide") == {"name": "wide", "_target_": "mynet.Net", "width": 50}
    assert "cnn, cnn_3c3d, linear, mine, mlp, resnet18, wide" in command("--help").out
    assert compose(["model=wide"]).model.width == 50


def test_an_option_with_the_name_of_one_of_optlabs_does_not_count_and_that_is_said() -> None:
    write("conf/model/mlp.yaml", "name: mlp\n_target_: mynet.Net\n")
    result = command("--cfg", "job", "model=mlp")
    assert "_target_: optlab.models.MLP" in result.out
    assert result.err == "optlab: conf/model/mlp.yaml is not used: model=mlp is optlab's own; give yours another name\n"
    assert command("--cfg", "job").err == ""


def test_another_program_that_uses_hydra_sees_none_of_it(tmp_path: Path) -> None:
    own_folder()
    write("theirs/config.yaml", "a: 1\n")
    with initialize_config_dir(str(tmp_path / "theirs"), version_base="1.3"):
        assert hydra_compose("config", overrides=["+model=mine"]).model == "mine"  # a value, and no group's option


def test_compose_takes_a_folder_and_stays_there_for_the_run(tmp_path: Path) -> None:
    own_folder("there/conf")
    assert compose(["model=mine"], config_dir="there/conf").model.width == 5
    assert "mine" in places.options("model")
    assert str(tmp_path / "there") in sys.path
    compose()
    assert "mine" not in places.options("model")
    with pytest.raises(UserError, match="no such folder"):
        compose(config_dir="nowhere")


def test_a_sweep_of_the_users_options_can_be_typed_again() -> None:
    own_folder("there/conf")
    words = ["model=mine,mlp", *QUICK[:3], "trainer.max_epochs=1", "batch_size=512", "sweep=a"]
    result = command("-m", "--config-dir", "there/conf", *words)
    assert result.code == 0, result.err
    typed = Path("outputs/sweeps/a/multirun.yaml").read_text().splitlines()[1]
    assert typed.startswith("- python train.py -m --config-dir=there/conf hydra/launcher=basic model=mine,mlp")
    runs = [json.loads(path.read_text()) for path in Path("outputs/sweeps/a").glob("*/run.json")]
    assert {run["model"] for run in runs} == {"mine", "mlp"}
    assert all(run["overrides"][0] == "--config-dir=there/conf" for run in runs)


def test_a_config_of_ones_own_is_tested_and_continued_from_its_checkpoint() -> None:
    write("conf/first.yaml", "defaults: [train, _self_, override model: mlp]\nbatch_size: 256\n")
    quick = [*QUICK[:3], "trainer.max_epochs=1"]
    assert command("--config-name", "first", *quick).code == 0
    record = only_run()
    assert (record.model, record.config["batch_size"], record.overrides[0]) == ("mlp", 256, "--config-name=first")
    [run] = Path("outputs/runs").iterdir()
    for words in (["mode=test"], ["trainer.max_epochs=2"]):
        result = command(f"ckpt={run}", *words)
        assert result.code == 0, result.err
        assert "other settings" not in result.err
    refused = command(f"ckpt={run}", "mode=test", "--config-name=train")
    assert "holds model=mlp" in refused.err
    Path("conf/first.yaml").unlink()
    assert "a run that started from first.yaml" in command(f"ckpt={run}", "mode=test").err
