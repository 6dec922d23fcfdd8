"""What an upgrade of PyTorch may take away: each test says in words what breaks in a run where it fails."""

import os
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.distributed import _set_num_threads_if_needed
from torch import Tensor, nn
from torch.optim import Optimizer

from optlab.adapters import torch as adapter


def optimizer_of(cls: Any = torch.optim.Adam, **arguments: Any) -> tuple[nn.Parameter, Optimizer]:
    weight = nn.Parameter(torch.ones(2))
    weight.grad = torch.ones(2)
    optimizer: Optimizer = cls([weight], **arguments)
    return weight, optimizer


@pytest.mark.parametrize("tf32", [False, True])
def test_float32_means_one_thing(tf32: bool) -> None:
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    try:
        adapter.set_float32_precision(tf32)
        # Asked of what reads them: a name that torch no longer knows would be set and do nothing.
        found = torch.get_float32_matmul_precision() != "highest", torch._C._get_cudnn_allow_tf32()
        assert found == (tf32, tf32), "tf32=false computes in TF32 on a GPU, or tf32=true in float32"
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def test_threads_come_back() -> None:
    torch.set_num_threads(2)
    with adapter.on_threads(3):
        assert torch.get_num_threads() == 3
        assert os.environ["OMP_NUM_THREADS"] == "3", "processes of a distributed run compute on as many as they like"
    assert torch.get_num_threads() == 2, "what comes after a run computes on that run's threads"
    assert os.environ["OMP_NUM_THREADS"] == "1"
    with adapter.on_threads(None):
        assert torch.get_num_threads() == 2
        _set_num_threads_if_needed(num_processes=1)
        assert torch.get_num_threads() == 2, "a variable of the user's is not obeyed"
        del os.environ["OMP_NUM_THREADS"]
        _set_num_threads_if_needed(num_processes=64)
    assert torch.get_num_threads() == 2, "a distributed run leaves its number of threads to the next run"
    assert os.environ["OMP_NUM_THREADS"] == "1"


def test_a_process_that_has_torch_takes_another_number_of_threads() -> None:
    adapter.use_threads(2)
    assert torch.get_num_threads() == 2, "the workers of a sweep take all cores each"


CPU = torch.device("cpu")


def test_the_default_generator_is_put_back() -> None:
    with adapter.keeping_random_state():
        expected = torch.rand(2)
    with adapter.keeping_random_state():
        with adapter.seeded(3):
            drawn = torch.rand(2)
        assert torch.equal(torch.rand(2), expected), "a network's initial weights change what is drawn after them"
        adapter.seed_default(3, CPU)
        assert torch.equal(torch.rand(2), drawn), "an epoch's dropout is another one in a run that goes on"


def test_random_numbers_go_on_from_a_state() -> None:
    with adapter.keeping_random_state():
        before = adapter.random_state(CPU)
        drawn = torch.rand(2)
        adapter.set_random_state(before, CPU)
        assert torch.equal(torch.rand(2), drawn), "a run that goes on within an epoch drops out other units"


@pytest.mark.parametrize("cls", [torch.optim.Adam, torch.optim.RMSprop, torch.optim.NAdam, torch.optim.Adadelta])
def test_a_step_does_not_look_for_a_gpu(cls: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    for name in ("current_accelerator", "is_available"):
        monkeypatch.setattr(torch.accelerator, name, lambda *_, **__: asked.append("accelerator"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: asked.append("cuda"))
    _, optimizer = optimizer_of(cls)
    adapter.skip_graph_check(optimizer)
    optimizer.step()
    assert asked == [], "each step on a CPU loads the GPU's driver: Adam takes twice as long on a small network"


def test_gradients_are_forgotten_as_zero_grad_does() -> None:
    weight, optimizer = optimizer_of()
    adapter.forget_gradients(optimizer)
    assert weight.grad is None, "the gradients of all steps add up"


def test_an_optimizer_with_a_zero_grad_of_its_own_keeps_it() -> None:
    class Counts(torch.optim.SGD):
        calls = 0

        def zero_grad(self, set_to_none: bool = True) -> None:
            self.calls += 1

    _, optimizer = optimizer_of(Counts, lr=0.1)
    adapter.forget_gradients(optimizer)
    assert optimizer.calls == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("cls", [torch.optim.AdamW, torch.optim.Muon])
def test_a_rule_steps_over_what_another_optimizer_keeps(cls: Any) -> None:
    alone, lent = nn.Parameter(torch.eye(3)), nn.Parameter(torch.eye(3))
    own: Optimizer = cls([alone], lr=0.1)
    rule: Optimizer = cls([torch.zeros(1, 1)], lr=0.1)
    state: dict[Tensor, Any] = {lent: {}}
    for factor in (1.0, -2.0):
        alone.grad = lent.grad = torch.arange(9.0).view(3, 3) * factor
        own.step()
        adapter.step_over(rule, [{**rule.defaults, "params": [lent]}], state)
    assert torch.equal(lent, alone), "Muon and AdamW, stepped as one, no longer take their own steps"
    assert state[lent].keys() == own.state[alone].keys(), "checkpoints of MuonAdamW miss the state of its rules"
    assert not rule.param_groups
    assert not rule.state, "the rule keeps the gradients of its last step in memory"


def test_buffers_can_be_put_back_where_they_were() -> None:
    network = nn.Sequential(nn.BatchNorm1d(2))
    place = next(place for place in adapter.buffers_of(network) if "running_mean" in place)
    place["running_mean"] = torch.ones(2)
    found = dict(network.named_buffers())["0.running_mean"]
    assert found.tolist() == [1, 1], "a warm-up before a capture leaves its traces in batch norm's statistics"


def test_hooks_on_a_weight_are_found() -> None:
    weight = nn.Parameter(torch.ones(2))
    assert adapter.hooks_on(weight) == []
    weight.register_hook(abs)
    weight.register_post_accumulate_grad_hook(print)
    assert adapter.hooks_on(weight) == [abs, print], "a captured step goes on without a hook that is added later"


def test_layers_that_take_statistics_over_the_batch_are_known() -> None:
    assert adapter.normalises_batches(nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1))), (
        "a last batch of one sample ends a run at its last step instead of before its first"
    )
    assert not adapter.normalises_batches(nn.Sequential(nn.LayerNorm(1), nn.GroupNorm(1, 1)))


def test_layers_that_keep_statistics_are_known() -> None:
    assert adapter.keeps_statistics(nn.BatchNorm2d(1)), "norms in frozen parts move with the data"
    assert adapter.keeps_statistics(nn.InstanceNorm1d(1, track_running_stats=True))
    assert not adapter.keeps_statistics(nn.InstanceNorm1d(1))
    assert not adapter.keeps_statistics(nn.LayerNorm(1))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no NVIDIA GPU on this machine")
def test_random_numbers_can_be_drawn_behind_a_capture_that_failed() -> None:
    device = torch.device("cuda", 0)
    graph = torch.cuda.CUDAGraph()
    stream = torch.cuda.Stream(device)
    with pytest.raises(RuntimeError), torch.cuda.stream(stream), torch.cuda.graph(graph, stream=stream):
        torch.rand(2, device=device).sum().item()  # reading back cannot be captured
    adapter.leave_failed_capture(device)
    assert torch.rand(2, device=device).isfinite().all(), "dropout fails behind a capture that was given up"


def test_a_capture_that_failed_is_the_last_one_where_torch_has_the_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    class Cloned:
        def clone_state(self) -> "Cloned":
            return self

        def graphsafe_set_state(self, state: "Cloned") -> None: ...

    given: list[None] = []
    monkeypatch.setattr(adapter.Captures, "half_open", False)
    monkeypatch.setattr(torch.cuda, "default_generators", (Cloned(),))
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: given.append(None))
    for torch_version, fit in (("2.14.1+cu130", True), ("2.13.0", True), ("2.12.1", False)):
        monkeypatch.setattr(torch, "__version__", torch_version)
        adapter.leave_failed_capture(torch.device("cuda:0"))
        assert adapter.may_capture() is fit
    adapter.give_memory_back()
    assert not given, "the next run's memory is given back over a pool that is half open, and the sweep ends there"
    monkeypatch.setattr(adapter.Captures, "half_open", False)
    adapter.give_memory_back()
    assert given


def test_a_compiled_network_may_compute_as_it_is() -> None:
    compiled: list[int] = []

    def backend(graph: Any, inputs: Any) -> Any:
        compiled.append(len(inputs))
        return graph.forward

    network = nn.Linear(2, 2)
    network.compile(backend=backend, dynamic=False)
    network(torch.ones(3, 2))
    with adapter.uncompiled():
        network(torch.ones(4, 2))
    assert len(compiled) == 1, "a measured step compiles the network for each part of its batch, which takes minutes"
    network(torch.ones(4, 2))
    assert len(compiled) == 2


def test_norms_of_many_vectors_are_summed_in_double_precision() -> None:
    vectors = [torch.full((1000,), 1e30), torch.ones(3, 4)[:, 1], torch.zeros(2)]
    found = adapter.norms(vectors, torch.float64)
    expected = torch.stack([vector.double().norm() for vector in vectors])
    assert torch.allclose(found, expected, rtol=1e-12), "gradients that explode have no norm, which advice asks for"
