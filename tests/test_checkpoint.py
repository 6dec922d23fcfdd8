"""A damaged or altered checkpoint costs one clear line, whichever piece is missing or wrong."""

import itertools
import math
import zipfile
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from optlab import checkpoint
from optlab.callbacks import Interruption
from optlab.config import compose, resolve
from optlab.config.schema import Config
from optlab.errors import UserError
from optlab.evaluate import evaluate, predict
from optlab.models import MLP
from optlab.resume import check_callbacks
from optlab.run import Prepared, check_state, continue_from, prepare
from tests.altered import WORDS, Change, changed, drop, made_checkpoint, picture, places, put, save

INSTEAD: tuple[Any, ...] = (None, True, -1, 10**400, math.nan, "x", [], {}, [[]], {"x": {}})
Content = dict[str, Any]


@dataclass
class Made:
    """A small run's checkpoint, and the run that would go on from it."""

    content: Content
    config: dict[str, Any]
    run: Prepared

    def read(self, content: Content) -> checkpoint.Checkpoint:
        return checkpoint.read(save(content, Path("x.ckpt")))

    def go_on(self, content: Content, **changes: Any) -> None:
        """All that is checked before a run goes on."""
        save(content, Path("x.ckpt"))
        config = Config.parse(deepcopy(self.config) | changes)
        saved = continue_from(config, self.run.data)
        assert saved is not None
        check_state(saved, config, self.run.data, self.run.trainer, self.run.module)

    def predict(self, content: Content) -> list[dict[str, Any]]:
        save(content, Path("x.ckpt"))
        return predict(deepcopy(self.config) | {"input": str(picture())}, Path("out"))

    def test(self, content: Content) -> float | None:
        save(content, Path("x.ckpt"))
        return evaluate(deepcopy(self.config), Path("out"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("made")
    content = made_checkpoint(folder / "run")
    config = resolve(compose([*WORDS, "trainer.max_epochs=3"]))
    run = prepare(Config.parse(config), folder / "more", [], None, Interruption())
    return Made(content, config | {"ckpt": "x.ckpt"}, run)


def line_of(action: Callable[[], Any]) -> str | None:
    """The one line that the user reads, or None; anything but a UserError fails the test."""
    try:
        action()
    except UserError as error:
        line = str(error)
        assert "\n" not in line
        assert len(line) < 500
        return line
    return None


def alterations(content: Content, pieces: list[tuple[Any, ...]], every: int) -> Iterator[tuple[str, Content]]:
    """Each piece dropped, or with something else in its place; one of `every` such."""
    changes: list[tuple[str, Change]] = [("drop", drop), *((repr(value)[:20], put(value)) for value in INSTEAD)]
    for path, (name, change) in itertools.islice(itertools.product(pieces, changes), 0, None, every):
        yield f"{path}: {name}", changed(content, path, change)


def test_no_piece_of_what_a_run_says_of_itself_ends_in_an_exception(made: Made) -> None:
    pieces = [path for path in places(made.content) if path[0] == "run"]
    altered = [each for _, each in alterations(made.content, pieces, every=17)]
    lines = [line_of(lambda each=each: made.read(each).network()) for each in altered]  # type: ignore[misc]
    assert len(lines) > 60
    assert sum(line is not None for line in lines) > 10


def test_no_piece_of_its_progress_ends_in_an_exception(made: Made) -> None:
    pieces = [path for path in places(made.content) if path[0] not in ("run", "loops") and path != ("optlab", "run")]
    altered = dict(alterations(made.content, pieces, every=13))
    lines = {what: line_of(lambda each=each: made.go_on(each)) for what, each in altered.items()}  # type: ignore[misc]
    assert len(lines) > 70
    taken = [what for what, line in lines.items() if line is None]
    assert len(taken) < len(lines) / 10, taken  # flags of how a step is computed, numbers of the same kind


# A piece, what is done to it, and what the line says.
DAMAGES: dict[str, tuple[tuple[Any, ...], Change, str]] = {
    "no_config": (("run", "config"), drop, "config: Field required"),
    "config_is_text": (("run", "config"), put("mlp"), "config: "),
    "no_model": (("run", "config", "model"), drop, "config.model: Field required"),
    "target_is_a_list": (("run", "config", "model", "_target_"), put(["x"]), "config.model._target_: "),
    "unknown_augmentation": (("run", "config", "dataset", "augment"), put("x"), "augment is one of none, crop_flip"),
    "seed_is_text": (("run", "config", "seed"), put("3"), "config.seed: "),
    "no_data": (("run", "data"), drop, "data: Field required"),
    "more_data": (("run", "data", "more"), put(1), "data.more: "),
    "negative_shape": (("run", "data", "input_shape"), put([1, -8, 8]), "data.input_shape.1: "),
    "enormous_shape": (("run", "data", "input_shape"), put([1, 10**7, 10**7]), "too large for a sample"),
    "classes_missing": (("run", "data", "classes"), put(["0", "1"]), "2 classes for 10 outputs"),
    "class_twice": (("run", "data", "classes", 3), put("4"), "a class stands there twice"),
    "mean_of_other_channels": (("run", "data", "mean"), put([0.1, 0.2]), "2 values of mean for 1 channels"),
    "std_of_zero": (("run", "data", "std"), put([0.0]), "data.std.0: "),
    "pixels_of_nothing": (("run", "data", "pixel_max"), put(math.inf), "data.pixel_max: "),
    "overrides_are_a_text": (("run", "overrides"), put("seed=3"), "overrides: "),
    "override_is_a_number": (("run", "overrides", 1), put(3), "overrides.1: "),
    "fingerprint_is_none": (("run", "fingerprint"), put("none"), "fingerprint: "),
    "no_weights": (("state_dict",), drop, "it has no weights"),
    "weight_is_a_list": (("state_dict", "network.layers.1.bias"), put([1.0]), "network.layers.1.bias"),
    "weight_missing": (("state_dict", "network.layers.1.bias"), drop, "model=mlp has layers.1.bias"),
    "weight_too_many": (("state_dict", "network.more"), put(torch.zeros(2)), "it holds weights more"),
    "weight_of_another_shape": (
        ("state_dict", "network.layers.1.bias"),
        put(torch.zeros(4)),
        "its layers.1.bias has the shape [4], and model=mlp has [16]",
    ),
    "weight_of_whole_numbers": (
        ("state_dict", "network.layers.1.bias"),
        put(torch.zeros(16, dtype=torch.int64)),
        "its layers.1.bias is torch.int64",
    ),
    "tensor_larger_than_the_file": (
        ("state_dict", "network.layers.1.bias"),
        put(torch.zeros(1).expand(10**13)),
        "is larger than what the file holds",
    ),
    "forty_terabytes": (
        ("run", "config", "model", "hidden"),
        put([10**7, 10**6]),
        "is beyond the 1,482 that its weights allow",
    ),
    "other_widths": (
        ("run", "config", "model", "hidden"),
        put([17, 16]),
        "its layers.1.weight has the shape [16, 64], and model=mlp has [17, 64]",
    ),
    "argument_of_another_type": (("run", "config", "model", "activation"), put("x"), "choose one of"),
    "no_weights_of_a_network": (("state_dict",), put({"x": torch.zeros(1)}), "it has no weights of a network"),
    "too_many_of_something": (("run", "config", "model", "x"), put(10**9), "model.x=1000000000 is beyond the 1,"),
    "no_classes_come_out": (
        ("run", "config", "model"),
        put({"name": "mlp", "_target_": "torch.nn.Identity"}),
        "it holds weights layers.1.weight",
    ),
    "deviation_of_nearly_nothing": (("run", "data", "std"), put([5e-324]), "data.std is [5e-324], and config.dataset"),
    "unknown_argument": (("run", "config", "model", "x"), put(1), "cannot be built (TypeError: "),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_predict_says_what_is_damaged(name: str, made: Made) -> None:
    path, change, said = DAMAGES[name]
    line = line_of(lambda: made.predict(changed(made.content, path, change)))
    assert line is not None
    assert line.startswith("ckpt=x.ckpt is damaged or was altered: ")
    assert said in line
    assert not Path("out").exists()


PROGRESS: dict[str, tuple[tuple[Any, ...], Change, str]] = {
    "no_history": (("callbacks", "Recorder"), drop, "history"),
    "row_is_no_json": (("callbacks", "Recorder", "rows", 0), put("{"), "row 1 of its history is no JSON"),
    "no_optimizer": (("optimizer_states",), put([]), "optimizer_states should hold one state"),
    "empty_optimizer": (("optimizer_states", 0, "state"), put({}), "optimizer_states.state is empty"),
    "moment_missing": (("optimizer_states", 0, "state", 0, "exp_avg"), drop, "state.0.exp_avg is missing"),
    "moment_of_another_shape": (
        ("optimizer_states", 0, "state", 0, "exp_avg"),
        put(torch.zeros(2)),
        "state.0.exp_avg is a tensor [2], and should be a tensor [16, 64]",
    ),
    "other_betas": (("optimizer_states", 0, "param_groups", 0, "eps"), put(0.1), "param_groups[0].eps is 0.1"),
    "rate_is_text": (("optimizer_states", 0, "param_groups", 0, "lr"), put("x"), "param_groups[0].lr is 'x'"),
    "no_schedule": (("lr_schedulers",), drop, "lr_schedulers should hold one state"),
    "schedule_of_another_rate": (("lr_schedulers", 0, "base_lrs"), put([3.0]), "base_lrs is [3.0], and was [0.001]"),
    "method_of_a_schedule": (("lr_schedulers", 0, "step"), put(1), "lr_schedulers.step is not known"),
    "no_loops": (("loops",), drop, "loops is missing"),
    "no_count_of_epochs": (("loops", "fit_loop", "epoch_progress", "current"), drop, "progress.current is missing"),
    "other_count_of_epochs": (
        ("loops", "fit_loop", "epoch_progress", "current", "processed"),
        put(7),
        "loops.fit_loop counts 7 epochs, and its history 1",
    ),
    "count_is_negative": (("global_step",), put(-1), "global_step is -1"),
    "version_is_none": (("pytorch-lightning_version",), put("x"), "not of a version"),
    "random_state": (("optlab", "within_epoch", "rng"), put(torch.zeros(3)), "rng is no state"),
    "seen": (("optlab", "within_epoch", "seen"), put("x"), "seen should be a count"),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRESS)
def test_a_run_does_not_go_on_from_damaged_progress(name: str, made: Made) -> None:
    path, change, said = PROGRESS[name]
    line = line_of(lambda: made.go_on(changed(made.content, path, change)))
    assert line is not None
    assert line.startswith("ckpt=x.ckpt is damaged or was altered: ")
    assert said in line


STOPS = {"_target_": "lightning.pytorch.callbacks.EarlyStopping", "monitor": "val/loss"}
STOPS_KEY = "EarlyStopping{'monitor': 'val/loss', 'mode': 'min'}"


def test_a_callback_does_not_go_on_from_the_state_of_another(made: Made) -> None:
    config = made.config | {"callbacks": {"stop": STOPS}, "ckpt": None}
    trainer = prepare(Config.parse(config), Path("out"), [], None, Interruption()).trainer
    for state, said in (({"x": 1}, "wait_count is missing"), ({"wait_count": "x"}, "wait_count is 'x'")):
        content = changed(
            made.content, ("callbacks", "EarlyStopping{'monitor': 'val/loss', 'mode': 'min'}"), put(state)
        )
        saved = made.read(content)
        assert said in str(line_of(lambda saved=saved: check_callbacks(saved, trainer)))  # type: ignore[misc]


class Wide(MLP):
    """Gives [n, classes, 1]."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).unsqueeze(-1)


def test_predict_takes_no_classes_from_what_are_no_probabilities(made: Made) -> None:
    wide = changed(made.content, ("run", "config", "model", "_target_"), put("tests.test_checkpoint.Wide"))
    content = changed(wide, ("run", "config", "model", "name"), put("m" * 10**5))
    save(content, Path("x.ckpt"))
    typed = made.config | {"input": str(picture()), "trust": True}
    line = str(line_of(lambda: predict(typed, Path("out"))))
    assert "gives [1, 10, 1] for images, and should give [1, 10]" in line
    scaled = changed(made.content, ("run", "config", "dataset", "std"), drop)
    scaled["run"]["data"] |= {"std": [5e-324], "mean": [1e308]}
    scaled["run"]["config"]["dataset"].pop("mean")
    assert "probabilities that are NaN" in str(line_of(lambda: made.predict(scaled)))
    assert not Path("out").exists()


def test_inputs_on_another_scale_are_other_data(made: Made) -> None:
    altered = changed(made.content, ("run", "data", "pixel_max"), put(1e-300))
    for action in (made.go_on, made.test):
        assert "with pixel_max=1e-300, and digits has pixel_max=16" in str(line_of(lambda a=action: a(altered)))  # type: ignore[misc]


def test_a_name_of_any_length_is_shown_in_short(made: Made) -> None:
    content = changed(made.content, ("run", "config", "model", "name"), put("m" * 10**5))
    assert "is asked for" in str(line_of(lambda: made.test(content)))


def test_what_is_whole_is_taken(made: Made) -> None:
    made.go_on(made.content)
    assert made.predict(made.content)[0]["class"] in made.content["run"]["data"]["classes"]
    assert made.test(made.content) is not None


# -- what could be taken in silence


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_no_numbers_predict_nothing(value: float, made: Made) -> None:
    content = deepcopy(made.content)
    content["state_dict"]["network.layers.5.bias"][3] = value
    for action in (made.predict, made.test):
        line = line_of(lambda action=action: action(content))  # type: ignore[misc]
        assert line is not None
        assert "network.layers.5.bias are NaN or infinite" in line
        assert "best.ckpt" in line


def test_test_says_what_was_altered(made: Made, caplog: pytest.LogCaptureFixture) -> None:
    made.test(changed(made.content, ("run", "fingerprint"), put("0123456789abcdef")))
    assert "digits is not the data that x.ckpt was trained with" in caplog.text
    made.test(changed(made.content, ("run", "config", "seed"), put(4)))
    assert "tested with other settings than x.ckpt was trained with: seed=3 (was 4)" in caplog.text
    line = line_of(lambda: made.test(changed(made.content, ("run", "data", "classes", 9), put("ten"))))
    assert line is not None
    assert "8, ten, and digits has" in line


def test_a_run_goes_on_with_its_own_data_and_seed_only(made: Made) -> None:
    line = line_of(lambda: made.go_on(changed(made.content, ("run", "fingerprint"), put("0123456789abcdef"))))
    assert "belongs to a run on other data" in str(line)
    line = line_of(lambda: made.go_on(changed(made.content, ("run", "config", "seed"), put(4))))
    assert "seed=3 (was 4)" in str(line)


def test_the_best_checkpoint_beside_is_looked_at_before_the_run(made: Made) -> None:
    save(changed(made.content, ("state_dict", "network.layers.1.bias"), drop), Path("best.ckpt"))
    line = line_of(lambda: made.go_on(made.content, test_weights="best"))
    assert str(line).startswith("ckpt=best.ckpt is damaged")


# -- the file


def test_a_small_file_does_not_unpack_to_all_memory(made: Made) -> None:
    save(made.content, Path("whole.ckpt"))
    with zipfile.ZipFile("whole.ckpt") as whole, zipfile.ZipFile("x.ckpt", "w", zipfile.ZIP_DEFLATED) as packed:
        for name in whole.namelist():
            packed.writestr(name, whole.read(name))
    assert "its content is compressed" in str(line_of(lambda: checkpoint.read("x.ckpt")))


def test_a_file_that_is_cut_short_or_changed_is_not_readable(made: Made) -> None:
    content = save(made.content, Path("whole.ckpt")).read_bytes()
    broken = {"empty": b"", "half": content[: len(content) // 2], "other": b"PK\x03\x04" + b"x" * 1000}
    for number in range(0, len(content), len(content) // 40):
        broken[f"byte {number}"] = content[:number] + bytes([content[number] ^ 255]) + content[number + 1 :]
    for name, data in broken.items():
        Path("x.ckpt").write_bytes(data)
        line = line_of(lambda: checkpoint.read("x.ckpt"))
        assert line is None or line.startswith("ckpt=x.ckpt"), name
        assert line is not None or name.startswith("byte"), name


def test_a_folder_or_a_device_is_no_checkpoint() -> None:
    Path("folder").mkdir()
    for path in ("folder", "/dev/null"):
        assert "not a file" in str(line_of(lambda path=path: checkpoint.read(path)))  # type: ignore[misc]
