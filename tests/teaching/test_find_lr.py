"""`mode=find_lr`: the range test is the run's own steps, and leaves nothing behind."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from optlab.config import compose, resolve
from optlab.config.schema import Config
from optlab.errors import UserError
from optlab.inputs import load_data
from optlab.teaching.finder import measured
from optlab.teaching.finder.measure import range_test
from tests.commandline import command
from tests.conftest import Train, words_of

SHORT = ("find_lr.steps=60", "find_lr.low=1e-5")


def config_of(*words: str) -> Config:
    return Config.parse(resolve(compose(words_of(*words))))


def test_a_command_suggests_an_lr_and_says_what_to_type() -> None:
    result = command(*words_of("mode=find_lr", "optimizer=adam", *SHORT))
    assert result.code == 0, result.err
    [folder] = Path("outputs/lr_tests").iterdir()
    assert {"find_lr.json", "find_lr.png", "find_lr.html"} <= {path.name for path in folder.iterdir()}
    found = json.loads((folder / "find_lr.json").read_text())
    assert 1e-4 < found["suggestion"]["lr"] < 0.1
    lr = f"{found['suggestion']['lr']:g}"
    assert f"lr {lr}, in the range" in result.out
    assert f"optimizer=adam optimizer.lr={lr}" in result.out
    page = (folder / "find_lr.html").read_text()
    assert "http://" not in page.split("<body>")[1].split("<script type")[0].replace("http://www.w3.org", "")
    assert not (folder / "checkpoints").exists()


def test_the_losses_are_those_of_the_run_with_that_lr_schedule() -> None:
    """Against a plain loop over the run's own batches."""
    from optlab.building import build_module
    from optlab.hardware import build_trainer
    from optlab.inputs import batches

    config = config_of("optimizer=momentum", *SHORT)
    data = load_data(config)
    found = range_test(config, data, 0)
    module = build_module(config, data)
    loader = batches(config, data.info, data.train, build_trainer(config, Path()), train=True)
    optimizer = module.run_state.build_optimizer()
    losses: list[float] = []
    step = 0
    while len(losses) <= len(found.losses):
        loader.begin_epoch(step // len(loader))
        for batch in loader:
            loss = module.loss(module.network(batch.inputs), batch.targets)
            losses.append(loss.item())
            optimizer.param_groups[0]["lr"] = np.geomspace(1e-5, 10, 60)[min(step, 59)]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
    assert found.start == pytest.approx(losses[0], rel=1e-6)
    assert found.losses == pytest.approx(losses[1 : len(found.losses) + 1], rel=1e-4)


def test_afterwards_random_streams_and_runs_are_as_without(train: Train) -> None:
    alone = train("optimizer=adam", folder="alone").metrics
    config = config_of("optimizer=adam", *SHORT)
    data = load_data(config)
    images = data.train.inputs.clone()
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()  # type: ignore[index]
    range_test(config, data, 3)
    after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()  # type: ignore[index]
    assert before[:2] == after[:2]
    assert torch.equal(before[2], after[2])
    assert torch.equal(images, data.train.inputs)
    assert train("optimizer=adam", folder="behind").metrics == alone


@pytest.mark.parametrize(
    "words",
    [
        ("optimizer=lbfgs", "optimizer.max_iter=2"),
        ("optimizer=muon", "model.hidden=[16,16,16]"),
        ("optimizer=adamw", "trainer.precision=bf16-mixed", "trainer.gradient_clip_val=1"),
        ("optimizer=sgd", "dataset=line", "loss=mse", "batch_size=3", "model=linear"),
        ("optimizer=sgd", "trainer.accumulate_grad_batches=2", "lr=onecycle"),
    ],
    ids=lambda words: words[0] + words[1].partition("=")[2],
)
def test_any_run_can_be_tested(words: tuple[str, ...]) -> None:
    found = measured(compose(words_of(*words, "find_lr.steps=50")))
    assert found.tests[0].lrs[0] == pytest.approx(1e-7)
    assert np.isfinite(found.tests[0].losses[:10]).all()
    assert found.lr is not None or found.said


def test_parameter_groups_keep_their_proportions() -> None:
    found = measured(compose(words_of("optimizer=muon", "model.hidden=[16,16,16]", *SHORT)))
    assert found.words is not None
    values = dict(word.split("=") for word in found.words if "lr=" in word)
    assert float(values["optimizer.lr"]) / float(values["optimizer.adamw_lr"]) == pytest.approx(20, rel=0.1)


def test_the_lr_of_rprop_is_that_of_its_first_step() -> None:
    found = measured(compose(words_of("optimizer=rprop", "find_lr.steps=50")))
    assert [each.kind for each in found.said] == ["find_lr_first_step"]
    assert found.lr is None


def test_a_checkpoint_is_where_the_test_starts(train: Train, tmp_path: Path) -> None:
    record = train("optimizer=adam", "callbacks=default", "callbacks.progress=null", folder="run")
    path = tmp_path / "run" / "checkpoints" / "last.ckpt"
    words = [f"ckpt={path}", "mode=find_lr", "logger=none", "trainer=cpu", *SHORT]
    result = command(*words, "hydra.run.dir=here")
    assert result.code == 0, result.err
    start = json.loads(Path("here/find_lr.json").read_text())["tests"][0]["start"]
    assert start < 2 * (record.metrics["train/loss"] or 0)
    result = command(*words, "model.hidden=[8]")
    assert result.code == 1
    assert "holds model=mlp" in result.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("find_lr.low=1", "find_lr.high=0.1"), "find_lr.low=1: must be below find_lr.high=0.1"),
        (("find_lr.steps=5",), "find_lr.steps=5"),
        (("find_lr.step=500",), "find_lr.step"),
        (("find_lr.low=0",), "find_lr.low=0"),
        (("optimizer.lr=0",), "optimizer.lr=0"),
    ],
)
def test_a_mistake_is_one_line(words: tuple[str, ...], said: str) -> None:
    result = command("mode=find_lr", *words)
    assert result.code == 1
    assert said in result.err
    assert len(result.err.strip().splitlines()) == 1
    assert not list(Path("outputs/lr_tests").iterdir() if Path("outputs/lr_tests").exists() else [])


def own(name: str) -> Any:
    return compose(words_of("module=custom", f"module._target_=tests.lit.{name}", "optimizer=own", *SHORT))


def test_a_module_that_takes_no_steps_does_not_keep_the_test_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optlab.teaching.finder.ramp.IDLE", 20)
    with pytest.raises(UserError, match="no optimizer took a step in 20 batches"):
        measured(own("LeavesItsSteps"))


def test_a_module_that_keeps_its_losses_is_answered() -> None:
    with pytest.raises(UserError, match="returns no loss"):
        measured(own("ByHand"))


@pytest.mark.parametrize("name", ["LitDigits", "Plateau"])
def test_a_module_of_ones_own_is_tested_with_its_own_optimizer(name: str) -> None:
    found = measured(own(name))
    assert found.lr is not None or found.said


def test_a_test_needs_an_lr_to_scale() -> None:
    with pytest.raises(UserError, match=r"optimizer\.lr=0\.01"):
        measured(compose(words_of("optimizer.lr=0")))


def test_a_program_gets_the_suggestion_the_curve_and_the_figure() -> None:
    import optlab

    quiet: dict[str, Any] = {"logger": "none", "trainer": "cpu", "model": "mlp", "batch_size": 64}
    found = optlab.find_lr(optimizer="adam", find_lr={"steps": 60, "low": 1e-5}, progress=False, **quiet)
    assert found.lr is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.lr < found.high
    assert list(found.curve.columns) == ["lr", "loss", "smooth", "low", "high"]
    assert len(found.curve) > 20
    assert found.figure().axes
    assert f"lr {found.lr:g}" in repr(found)
    assert not Path("outputs").exists()
