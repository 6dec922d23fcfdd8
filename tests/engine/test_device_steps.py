"""What a GPU needs of an optimizer: flags, learning rates in tensors, and checkpoints that do not know the device."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from optlab import optimizers
from optlab.config import compose, resolve
from optlab.config.schema import Config, Optimizer
from optlab.rates import DeviceRates
from tests.conftest import Train
from tests.test_resume import weights, without_time

CPU = torch.device("cpu")


def settings(*words: str) -> Optimizer:
    return Config.parse(resolve(compose(words))).optimizer


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        (["optimizer=adam"], {"fused": True}),
        (["optimizer=sgd"], {}),
        (["optimizer=rmsprop"], {}),
        (["optimizer=adam", "+optimizer.foreach=true"], {}),
        (["optimizer=adam", "+optimizer.fused=false"], {}),
    ],
)
def test_a_cpu_takes_the_fused_steps_that_are_faster_there(words: list[str], flags: dict[str, bool]) -> None:
    assert optimizers.device_flags(settings(*words), CPU) == flags


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        (["optimizer=sgd"], {"fused": True}),
        (["optimizer=adam"], {"fused": True, "capturable": True}),
        (["optimizer=adam", "+optimizer.foreach=true"], {}),  # fused and foreach exclude each other
        (["optimizer=adam", "+optimizer.fused=false"], {}),  # the user's word counts
        (["optimizer=adam", "+optimizer.capturable=false"], {"fused": True}),
        (["optimizer=sgd", "+optimizer.fused=true"], {"fused": True}),
        (["optimizer=rmsprop"], {}),  # its steps are capturable, but not on a CPU
        (["optimizer=muon"], {}),
        (["optimizer=lbfgs"], {}),
    ],
)
def test_flags_are_those_with_which_a_step_works(words: list[str], flags: dict[str, bool]) -> None:
    assert optimizers._working_flags(settings(*words), CPU) == flags


def test_all_flags_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizers, "_steps_with_device_rate", lambda cls, given, device: True)
    assert optimizers._working_flags(settings("optimizer=adamw"), CPU) == {"fused": True, "capturable": True}
    assert optimizers._working_flags(settings("optimizer=rmsprop"), CPU) == {"capturable": True}
    assert optimizers._working_flags(settings("optimizer=adamw", "+optimizer.fused=false"), CPU) == {"capturable": True}


class Reading(torch.optim.SGD):
    """Keeps the lr that its steps read."""

    read: Any = None

    def step(self, closure: Any = None) -> Any:
        self.read = self.param_groups[0]["lr"]
        return super().step(closure)


def one_weight(lr: float) -> tuple[nn.Parameter, Reading, DeviceRates]:
    weight = nn.Parameter(torch.ones(2))
    weight.grad = torch.ones(2)
    optimizer = Reading([weight], lr=lr, fused=True)
    return weight, optimizer, DeviceRates(optimizer, CPU)


def test_a_step_reads_the_lr_from_a_tensor_and_everybody_else_finds_a_float() -> None:
    weight, optimizer, rates = one_weight(0.25)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    for lr, value in [(0.25, 0.75), (0.125, 0.625)]:
        assert optimizer.param_groups[0]["lr"] == lr
        optimizer.step()
        assert optimizer.read is rates.tensors[0]
        assert optimizer.read.item() == lr
        assert type(optimizer.param_groups[0]["lr"]) is float
        assert weight.tolist() == [value, value]
        schedule.step()
    assert type(optimizer.state_dict()["param_groups"][0]["lr"]) is float


def test_a_step_that_raises_does_not_lose_the_lr() -> None:
    weight, optimizer, rates = one_weight(0.25)
    grad, weight.grad = weight.grad, torch.ones(2).to_sparse()  # fused steps refuse it
    with pytest.raises(RuntimeError, match="sparse"):
        optimizer.step()
    weight.grad = grad
    optimizer.step()
    assert optimizer.param_groups[0]["lr"] == 0.25
    assert rates.tensors[0].item() == 0.25


def test_between_replays_the_tensor_follows_the_float() -> None:
    _, optimizer, rates = one_weight(0.25)
    tensor = rates.tensors[0]
    rates.refresh()
    optimizer.param_groups[0]["lr"] = 0.5
    rates.refresh()
    assert rates.tensors[0] is tensor
    assert tensor.item() == 0.5
    version = tensor._version
    rates.refresh()  # as within a capture, where a write would be repeated by each replay
    assert tensor._version == version


def test_gradients_get_the_strides_of_their_parameters() -> None:
    weight = nn.Parameter(torch.ones(4, 1, 3, 3))  # one channel: contiguous in both formats
    optimizer = torch.optim.SGD([weight], lr=1.0)
    optimizers.align_gradients(optimizer)
    values = torch.arange(36.0).view(4, 1, 3, 3)
    weight.grad = torch.empty_strided((4, 1, 3, 3), (9, 1, 3, 1)).copy_(values)
    optimizer.step()
    assert weight.grad.stride() == weight.stride() == (9, 9, 3, 1)
    assert torch.equal(weight.grad, values)


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "nadam", "adadelta"])
def test_a_step_on_a_cpu_does_not_look_for_a_gpu(optimizer: str, train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    ask = torch.accelerator.current_accelerator
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda **words: asked.append(words) or ask(**words))
    record = train(f"optimizer={optimizer}", "trainer.max_epochs=1")
    assert len(asked) < 10 < record.steps  # what is tried before the run takes a few


def test_fused_steps_may_be_clipped_in_mixed_precision(train: Train) -> None:
    words = ("optimizer=adam", "+optimizer.fused=true", "trainer.precision=bf16-mixed", "trainer.max_epochs=1")
    assert train(*words, "trainer.gradient_clip_val=0.1").status == "finished"


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop", "asgd", "nadam"])
def test_a_checkpoint_of_a_gpu_goes_on_on_a_cpu(optimizer: str, train: Train) -> None:
    words = (f"optimizer={optimizer}", "lr=cosine")
    whole = train(*words, "trainer.max_epochs=3", folder="whole")
    stopped = ("+callbacks.stop._target_=tests.test_resume.StopAfter", "+callbacks.stop.steps=30")
    train(*words, "trainer.max_epochs=3", *stopped, folder="first")
    path = Path("first/checkpoints/last.ckpt")
    content = torch.load(path, weights_only=True)
    for group in content["optimizer_states"][0]["param_groups"]:
        group.update({key: True for key in optimizers.ACCELERATED if key in group})
    torch.save(content, path)
    continued = train(*words, "trainer.max_epochs=3", f"ckpt={path}", folder="second")
    assert continued.metrics == whole.metrics
    assert without_time(Path("second")) == without_time(Path("whole"))
    expected, actual = weights(Path("whole")), weights(Path("second"))
    assert all(torch.equal(actual[name], expected[name]) for name in expected)


def test_a_checkpoint_of_a_cpu_gets_the_flags_of_a_gpu() -> None:
    def made(**flags: bool) -> torch.optim.Adam:
        weight = nn.Parameter(torch.ones(2))
        weight.grad = torch.ones(2)
        optimizer = torch.optim.Adam([weight], **flags)  # type: ignore[arg-type]
        optimizers.keep_flags(optimizer)
        return optimizer

    plain, fused = made(), made(fused=True)
    plain.step()
    fused.load_state_dict(plain.state_dict())
    assert fused.param_groups[0]["fused"] is True
    fused.step()
    (state,) = fused.state.values()
    assert state["step"].item() == 2
