"""The stand-in for a CUDA graph freezes what a graph freezes, and refuses what a capture refuses."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tests.engine.recorded import NOT_PERMITTED, Recorded

CPU = torch.device("cpu")


def recorded(step: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> Recorded:
    monkeypatch.setattr(Recorded, "made", [], raising=False)
    made = Recorded(CPU)
    made.capture(step)
    return made


def test_what_python_does_is_frozen_and_what_tensors_hold_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    total, factor, number = torch.zeros(2), torch.ones(()), [2.0]

    def step() -> None:
        total.add_(factor * number[0] if number[0] > 1 else factor)

    graph = recorded(step, monkeypatch)
    assert total.tolist() == [0, 0]  # it is recorded, and not taken
    number[0] = 5.0
    graph.replay()
    assert total.tolist() == [2, 2]
    factor.fill_(10.0)
    graph.replay()
    assert total.tolist() == [22, 22]


def test_a_replay_works_on_the_memory_of_the_recorded_step(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = nn.Parameter(torch.ones(2))
    kept: list[Tensor] = []

    def step() -> None:
        weight.grad = None
        torch.autograd.backward(weight.square().view(2, 1).sum() * 0.5)
        kept.append(gradient_of(weight))
        with torch.no_grad():
            weight[1:].sub_(kept[-1][1:], alpha=0.5)

    graph = recorded(step, monkeypatch)
    assert kept[0].isnan().all()  # nothing was computed
    graph.replay()
    assert (weight.tolist(), kept[0].tolist()) == ([1.0, 0.5], [1.0, 1.0])
    before = weight.data
    weight.data = torch.full((2,), 7.0)
    graph.replay()
    assert (weight.tolist(), before.tolist(), kept[0].tolist()) == ([7.0, 7.0], [1.0, 0.25], [1.0, 0.5])


def gradient_of(weight: nn.Parameter) -> Tensor:
    assert weight.grad is not None
    return weight.grad


def test_each_replay_draws_numbers_that_are_new(monkeypatch: pytest.MonkeyPatch) -> None:
    dropped, ones = torch.zeros(64), torch.ones(64)

    def step() -> Tensor:
        return dropped.copy_(nn.functional.dropout(ones))

    torch.manual_seed(0)
    wanted = [step().clone() for _ in range(2)]
    torch.manual_seed(0)
    graph = recorded(step, monkeypatch)
    for each in wanted:
        graph.replay()
        assert torch.equal(dropped, each)


FLAGS = torch.tensor([True, False])
REFUSED: dict[str, Callable[[Tensor], object]] = {
    "item": lambda x: x.sum().item(),
    "branch": lambda x: 1 if x.sum() > 0 else 2,
    "list": lambda x: x.tolist(),
    "numpy": lambda x: x.numpy(),
    "nonzero": lambda x: x.nonzero(),
    "chosen": lambda x: x[FLAGS],
    "equal": lambda x: torch.equal(x, x),
    "unique": lambda x: x.unique(),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_reads_back_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.ones(2)
    with pytest.raises(RuntimeError, match=NOT_PERMITTED):
        recorded(lambda: REFUSED[name](x.mul_(2)), monkeypatch)
    assert x.tolist() == [1, 1]


def test_a_generator_of_its_own_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    own = torch.Generator().manual_seed(0)
    with pytest.raises(RuntimeError, match="Offset increment outside graph capture"):
        recorded(lambda: torch.rand(2, generator=own), monkeypatch)
    recorded(lambda: torch.rand(2)[torch.tensor([1, 0])], monkeypatch)
