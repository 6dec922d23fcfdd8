"""`optlab.run`: one run from a program, with objects where one has them."""

import importlib
import inspect
import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from lightning import Callback, LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

import optlab
import optlab.run
from optlab import notebook, objects
from optlab.api.contents import digest
from optlab.api.words import words_of, written
from optlab.config import compose, resolve
from optlab.config.schema import Config
from optlab.data import digits
from optlab.errors import Stopped, UserError
from optlab.inputs import describe_data, load_data
from optlab.record import run_id
from optlab.run import run as run_config
from tests.commandline import command
from tests.conftest import words_of as quick_words

QUICK: dict[str, Any] = {"logger": "none", "trainer": {"accelerator": "cpu", "max_epochs": 2}, "batch_size": 64}
MLP = {"name": "mlp", "hidden": [16, 16]}


class Net(nn.Module):
    def __init__(self, input_shape: tuple[int, ...], outputs: int, width: int = 4) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(input_shape[0], width), nn.ReLU(), nn.Linear(width, outputs))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return out


class Wide(nn.Module):
    def __init__(self, input_shape: tuple[int, ...], outputs: int, width: int = 4) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, outputs))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return out


class Plain(torch.optim.SGD):
    """An optimizer of one's own."""


class Interrupting(Callback):
    every_batch = True

    def on_train_epoch_start(self, *_: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)


def vectors(n: int = 100) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    x = np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(int)


def test_keywords_train_the_run_that_the_same_words_do(tmp_path: Path) -> None:
    run = optlab.run(optimizer="sgd", lr="cosine", model=MLP, seed=3, **QUICK | {"optimizer.lr": 0.1})
    words = quick_words("optimizer=sgd", "optimizer.lr=0.1", "lr=cosine", "seed=3", "callbacks=default")
    record = run_config(compose(words), tmp_path / "same", overrides=words)
    assert run.id == record.id
    assert run.metrics == record.metrics
    assert run.folder.parent == Path("outputs/runs")
    assert run.record.overrides[:2] == ["optimizer=sgd", "lr=cosine"]
    again = optlab.run(compose(run.record.overrides), tmp_path / "again", overrides=run.record.overrides)
    assert again.id == run.id


def test_a_run_shows_its_metrics_curves_and_network(tmp_path: Path) -> None:
    run = optlab.run(folder=tmp_path / "r", optimizer="sgd", model=MLP, **QUICK)
    assert run.status == "finished"
    assert run.curves.query("metric == 'val/acc'").epoch.tolist() == [1, 2]
    network = run.network()
    assert not network.training
    assert network(torch.zeros(1, 1, 8, 8)).shape == (1, 10)
    assert torch.equal(next(network.parameters()), next(optlab.Run.read(tmp_path / "r").network().parameters()))
    assert "test accuracy" in str(run)
    assert "<table>" in run._repr_html_()
    with pytest.raises(UserError, match="holds a run already"):
        optlab.run(folder=tmp_path / "r", optimizer="sgd", model=MLP, **QUICK)


def test_a_run_goes_on_from_its_folder(tmp_path: Path) -> None:
    run = optlab.run(folder=tmp_path / "r", optimizer="sgd", model=MLP, progress=False, **QUICK)
    more = optlab.run(ckpt=run.folder, **{"trainer.max_epochs": 3}, progress=False)  # type: ignore[arg-type]
    assert (more.record.epochs, more.record.optimizer) == (3, "sgd")


def test_room_and_function_share_a_name() -> None:
    room: Any = importlib.import_module("optlab.run")
    assert room.run is run_config
    assert room is optlab.run
    assert "settings" in inspect.signature(optlab.run).parameters


def test_what_can_be_imported_stands_in_the_config_by_its_path_and_is_opened_by_the_command(tmp_path: Path) -> None:
    data = {"_target_": digits, "val_size": 0.2}
    model = {"_target_": Wide, "width": 5}
    run = optlab.run(folder=tmp_path / "r", model=model, dataset=data, optimizer=Plain, progress=False, **QUICK)
    assert run.config["model"] == {"name": "Wide", "_target_": "tests.api.test_run.Wide", "width": 5}
    assert "model._target_=tests.api.test_run.Wide" in run.record.overrides
    assert run.network()(torch.zeros(1, 1, 8, 8)).shape == (1, 10)
    tested = command("mode=test", "ckpt=r", "model._target_=tests.api.test_run.Wide", "trust=true")
    assert tested.code == 0, tested.err


@pytest.mark.parametrize(
    ("group", "thing"),
    [("model", Net), ("optimizer", Plain), ("loss", nn.CrossEntropyLoss), ("module", LightningModule)],
)
def test_an_object_alone_and_among_others_is_the_same_run(group: str, thing: Any) -> None:
    alone, among = words_of({group: thing}), words_of({group: [thing]}, several=True)
    assert alone != among
    assert run_id(resolve(compose(alone))) == run_id(resolve(compose(among)))


def test_what_cannot_is_kept_by_its_content_and_known_to_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    def made(width: int) -> Any:
        class Local(nn.Module):
            def __init__(self, input_shape: tuple[int, ...], outputs: int) -> None:
                super().__init__()
                self.layer = nn.Linear(input_shape[0], outputs)

            def forward(self, x: Tensor) -> Tensor:
                out: Tensor = self.layer(x) * width
                return out

        return Local

    x, y = vectors()
    ids = [optlab.run(model=made(n), dataset=(x, y), progress=False, **QUICK).id for n in (1, 1, 2)]
    assert ids[0] == ids[1] != ids[2]
    other = optlab.run(model=made(1), dataset=(x + 1, y), progress=False, **QUICK)
    assert other.id != ids[0]
    assert other.network()(torch.zeros(1, 3)).shape == (1, 2)
    monkeypatch.setattr(objects, "_objects", {})  # another process
    with pytest.raises(UserError, match=r"Local lies in no module .*; give its class as network\(model=...\)"):
        other.network()
    with pytest.raises(UserError, match="another one than this run's"):
        other.network(model=made(3))
    assert other.network(model=made(1))(torch.zeros(1, 3)).shape == (1, 2)


class Lit(LightningModule):
    def __init__(self, width: int = 2) -> None:
        super().__init__()
        self.layer = nn.Linear(3, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layer(x)
        return out

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        x, y = batch
        return nn.functional.cross_entropy(self(x), y)


def test_the_network_of_a_module_is_the_module(tmp_path: Path) -> None:
    run = optlab.run(folder=tmp_path / "r", module=Lit, dataset=vectors(), optimizer="sgd", progress=False, **QUICK)
    module = run.network()
    assert type(module) is Lit
    assert module(torch.zeros(1, 3)).shape == (1, 2)
    read = optlab.Run.read(tmp_path / "r")
    with pytest.raises(UserError, match=r"could run the code of .*; give its class as network\(model=...\)"):
        read.network()
    for known in (read.network(model=Lit), read.network(trust=True)):
        assert torch.equal(next(known.parameters()), next(module.parameters()))


def test_a_checkpoint_that_was_read_names_no_class_of_its_own_choice(tmp_path: Path) -> None:
    run = optlab.run(folder=tmp_path / "r", optimizer="sgd", model=MLP, progress=False, **QUICK)
    path = tmp_path / "r" / "checkpoints" / "last.ckpt"
    content = torch.load(path, weights_only=True)
    facts = json.loads(content["optlab"]["run"])
    facts["config"]["model"] = {"name": "x", "_target_": "shutil.rmtree", "path": str(tmp_path / "victim")}
    content["optlab"]["run"] = json.dumps(facts)
    torch.save(content, path)
    (tmp_path / "victim").mkdir()
    for given in (None, Net):
        with pytest.raises(UserError, match=r"shutil.rmtree, which is no network"):
            optlab.Run.read(run.folder).network(model=given)
    assert (tmp_path / "victim").exists()


def test_optlabs_own_option_stands_for_a_class_of_torch() -> None:
    assert words_of({"optimizer": torch.optim.Adam}) == ["optimizer=adam"]
    assert words_of({"optimizer": torch.optim.SGD}) == ["optimizer=sgd"]


@pytest.mark.parametrize(
    "loss",
    [
        nn.CrossEntropyLoss(label_smoothing=0.1),
        nn.CrossEntropyLoss,
        lambda output, target: nn.functional.cross_entropy(output, target),
    ],
)
def test_a_loss_is_an_object_a_class_or_a_function(loss: Any) -> None:
    run = optlab.run(model=MLP, loss=loss, progress=False, **QUICK)
    assert run.status == "finished"


class Pairs(Dataset[tuple[Tensor, int]]):
    def __len__(self) -> int:
        return 50

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return torch.full((3,), float(index)), index % 2


PROGRAM = """
import torch
from torch.utils.data import TensorDataset

WIDTH = {n}

def helper(x):
    return x * WIDTH if x in {{'a', 'b'}} else None

class Net(torch.nn.Module):
    kinds = {{'c', 'd'}}

    def forward(self, x):
        return helper(x), Net

things = [
    Net,
    torch.nn.CrossEntropyLoss(weight=torch.tensor([1.0, {n}])),
    lambda x: helper(x),
    TensorDataset(torch.ones(3)),
]
"""


def digests(n: int) -> list[str]:
    notebook: dict[str, Any] = {"__name__": "__main__"}
    exec(PROGRAM.format(n=n), notebook)
    return [digest(each) for each in notebook["things"]]


def test_an_object_of_a_notebook_is_known_by_its_content_and_what_it_uses() -> None:
    first = digests(2)
    assert digests(2) == first
    assert [a == b for a, b in zip(first, digests(3), strict=True)] == [False, False, False, True]


class Opened(Pairs):
    """What it holds cannot be written down."""

    def __init__(self, offset: int) -> None:
        self.lock, self.offset = threading.Lock(), offset

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return torch.full((3,), float(index + self.offset)), index % 2


def data_of(dataset: Any) -> dict[str, Any]:
    """What run.json says of a data set that is handed over."""
    return describe_data(load_data(Config.parse(resolve(compose(words_of({"dataset": dataset}))))))


def test_data_sets_go_the_way_of_the_command_line() -> None:
    x, y = vectors(40)
    yes_no = {"_target_": (x, y.astype(np.float32)), "task": "binary", "test_size": 10}
    labels = (x, (x > 0).astype(np.float32))
    mixed = pd.DataFrame({"a": x[:, 0], "kind": ["u", "v"] * 20, "price": 10 * x[:, 1]})
    streamed = {"_target_": DataLoader(Opened(0), batch_size=4), "memory": False, "workers": 0}
    for dataset, task, sizes in (
        (yes_no, "binary", (27, 3, 10)),
        (labels, "multilabel", (29, 3, 8)),
        ((mixed, "price"), "regression", (29, 3, 8)),
        ((mixed, mixed["price"]), "regression", (29, 3, 8)),  # which is no input then
        ((mixed[["a", "kind"]], mixed[["price"]]), "regression", (29, 3, 8)),
        ((x, np.array(["no", "yes"] * 20)), "classification", (29, 3, 8)),
        ((Pairs(), Pairs(), Pairs()), "classification", (50, 50, 50)),
        (LightningDataModule.from_datasets(Pairs(), test_dataset=Pairs()), "classification",
         (45, 5, 50)),
        (streamed, "classification", (36, 4, 10)),
    ):  # fmt: skip
        found = data_of(dataset)
        assert (found["task"], found["input_shape"]) == (task, [3])
        assert (found["train"], found["val"], found["test"]) == sizes
    assert found["streamed"]
    assert words_of({"dataset": Opened(0)}) == words_of({"dataset": Opened(0)}) != words_of({"dataset": Opened(1)})


@pytest.mark.parametrize(
    ("data", "task", "sizes"),
    [
        (vectors(), "classification", (72, 8, 20)),
        ((vectors()[0], vectors()[0][:, 0]), "regression", (72, 8, 20)),
        ((vectors(60), vectors(40)), "classification", (54, 6, 40)),
        ((pd.DataFrame(vectors()[0], columns=list("abc")), "a"), "regression", (72, 8, 20)),
        ((pd.DataFrame(vectors()[0]), pd.Series(["no", "yes"] * 50)), "classification", (72, 8, 20)),
        (Pairs(), "classification", (36, 4, 10)),
        ((TensorDataset(torch.ones(20, 2), torch.arange(20) % 2), TensorDataset(torch.ones(9, 2), torch.arange(9) % 2)),
         "classification", (18, 2, 9)),
    ],
)  # fmt: skip
def test_data_are_arrays_tables_or_datasets(data: Any, task: str, sizes: tuple[int, ...]) -> None:
    found = data_of(data)
    assert (found["task"], (found["train"], found["val"], found["test"])) == (task, sizes)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"optimizer": "adm"}, "optimizer=adm: there is no such optimizer.* did you mean optimizer=adam"),
        ({"modle": "mlp"}, "modle: there is no such key or group.* did you mean mod"),
        ({"optimizer": {"name": "sgd", "momentun": 1}}, "did you mean optimizer.momentum"),
        ({"lr": 0.1}, "type optimizer.lr=0.1"),
        ({"model": Net((3,), 2)}, "hand over the class, model=Net"),
        ({"optimizer": Net}, "Net is no optimizer's class"),
        ({"seed": object()}, "seed: object cannot stand in a config"),
        ({"dataset": (np.zeros((3, 2)), np.zeros(2))}, "train has 3 inputs and 2 targets"),
        ({"dataset": (np.array([[np.nan]]), np.zeros(1))}, "hold NaN"),
        ({"dataset": (np.array([["a"]]), np.zeros(1))}, "must be numbers"),
        ({"dataset": (pd.DataFrame({"a": [1]}), "b")}, "has no column 'b'; it has a"),
        ({"dataset": (pd.DataFrame({"a": [1, 2]}), [1])}, "2 inputs with 1 targets"),
        ({"dataset": (np.zeros((4, 2)),) * 4}, "a tuple of 4 things is no data set"),
        ({"dataset": (TensorDataset(torch.ones(3, 1)), np.zeros(3))}, "a tuple of 2 things is no data set"),
        ({"dataset": np.zeros(3)}, "a ndarray is no data set"),
        ({"mode": "test"}, "optlab.run trains"),
    ],
)
def test_a_bad_word_is_one_line_in_a_notebook_too(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        optlab.run(**settings, progress=False)
    assert caught.value._render_traceback_() == [f"UserError: {caught.value}"]
    assert not Path("outputs").exists()


def test_a_name_without_its_key_is_one_line() -> None:
    wrong: Any = "adam"
    with pytest.raises(UserError, match=r"run\('adam'\): the first argument is a composed config"):
        optlab.run(wrong)
    with pytest.raises(UserError, match=r"read\(None\): is no folder"):
        optlab.read(*[None])  # type: ignore[arg-type]


def test_composing_a_bad_word_is_one_line() -> None:
    for words, said in ((["optimizer=adm"], "no such optimizer"), (["sede=1"], "did you mean seed"), (["adam"], "did")):
        with pytest.raises(UserError, match=said):
            optlab.compose(words)


def test_values_are_written_as_hydra_reads_them() -> None:
    texts = ["it's", "a b", "\\", "x\\'", "", "ä", "1,2", "plain.path/x-y"]
    for text in texts:
        assert compose([f"+a={written('a', text)}"]).a == text
    values = {"a": [1, (2.5, None)], "b": {"c": True, "d": 1e-10}, "e": np.float32(0.5), "f": np.int64(3)}
    composed = compose([f"+{word}" for word in words_of(values)])
    assert composed == {**composed, "a": [1, [2.5, None]], "b": {"c": True, "d": 1e-10}, "e": 0.5, "f": 3}
    assert words_of({"seed": [0, 1], "optimizer": ["sgd", "adam"]}, several=True) == ["seed=0,1", "optimizer=sgd,adam"]


def test_ctrl_c_is_one_line_and_keeps_what_was_done() -> None:
    interrupting = {"_target_": "tests.api.test_run.Interrupting"}
    with pytest.raises(Stopped, match=r"interrupted after 0 epochs, kept in outputs/runs/.*") as caught:
        optlab.run(model=MLP, **QUICK, overrides=[f"+callbacks.stop._target_={interrupting['_target_']}"])
    assert isinstance(caught.value, KeyboardInterrupt)
    assert caught.value._render_traceback_() == [f"KeyboardInterrupt: {caught.value}"]
    assert optlab.read("outputs/runs").runs.status.tolist() == ["interrupted"]


def test_progress_is_printed_only_where_it_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    optlab.run(model=MLP, progress=False, **QUICK)
    assert capsys.readouterr().out == ""
    optlab.run(model=MLP, **QUICK)
    assert "epoch" in capsys.readouterr().out


def test_a_notebooks_bar_counts_and_escapes() -> None:
    assert not notebook.is_here()
    bar = notebook.NotebookBar()
    task = bar.add_task("<epoch>", total=10, running="")
    bar.update(task, completed=4, running="loss 0.1")
    assert bar.html() == "<div>&lt;epoch&gt; <progress value='4' max='10'></progress> loss 0.1</div>"
