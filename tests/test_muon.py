import copy
import io
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from optlab.errors import UserError
from optlab.models import CNN, MLP, Linear, ResNet18
from optlab.muon import MuonAdamW

RULE: dict[str, Any] = {"lr": 0.02, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1, "ns_steps": 5}


def build(model: nn.Module, settings: Mapping[str, Any] | None = None, **arguments: Any) -> MuonAdamW:
    return MuonAdamW(MuonAdamW.parameter_groups(model, settings or {}), **arguments)


def weight(model: CNN, place: int) -> nn.Parameter:
    found = model.layers[place].weight
    assert isinstance(found, nn.Parameter)
    return found


def names(optimizer: MuonAdamW, use_muon: bool) -> list[str]:
    return [name for group in optimizer.param_groups if group["use_muon"] == use_muon for name in group["names"]]


def gradients(model: nn.Module, seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(p.shape, generator=generator) for p in model.parameters()]


def step(model: nn.Module, optimizer: MuonAdamW, seed: int) -> None:
    for p, g in zip(model.parameters(), gradients(model, seed), strict=True):
        p.grad = torch.empty_like(p).copy_(g)  # in the memory format of p, as autograd has it
    optimizer.step()


def test_split_of_the_cnn() -> None:
    optimizer = build(CNN((3, 32, 32), 10))
    assert names(optimizer, True) == ["layers.3.weight", "layers.6.weight", "layers.10.weight"]
    assert len(names(optimizer, False)) == 7
    assert optimizer.describe() == (
        "Muon: 3 tensors, 142,336 parameters (layers.3.weight, layers.6.weight, layers.10.weight); "
        "AdamW: 7 tensors, 3,242 parameters (layers.0.weight, layers.0.bias, layers.3.bias, and 4 more)"
    )


def test_split_of_a_residual_network() -> None:
    model = ResNet18((3, 32, 32), 10)
    optimizer = build(model)
    hidden = names(optimizer, True)
    convolutions = [n for n, m in model.named_modules() if isinstance(m, nn.Conv2d)]
    assert hidden == [f"{name}.weight" for name in convolutions if name != "network.conv1"]
    rest = names(optimizer, False)
    assert "network.fc.weight" in rest
    assert "network.bn1.weight" in rest
    assert len(hidden) + len(rest) == len(list(model.parameters()))


@pytest.mark.parametrize("model", [Linear((1, 8, 8), 10), MLP((1, 8, 8), 10, hidden=[32])])
def test_model_without_hidden_layer_is_refused(model: nn.Module) -> None:
    with pytest.raises(UserError, match=r"needs a hidden layer.*optimizer=adamw"):
        MuonAdamW.parameter_groups(model, {})


def test_freezing_the_first_layer_does_not_make_the_second_one_first() -> None:
    model = CNN((3, 32, 32), 10)
    weight(model, 0).requires_grad_(False)
    assert names(build(model), True) == ["layers.3.weight", "layers.6.weight", "layers.10.weight"]


@pytest.mark.parametrize("nesterov", [True, False])
def test_agrees_with_torch_on_matrices(nesterov: bool) -> None:
    torch.manual_seed(0)
    model = MLP((12,), 3, hidden=[16, 8, 8])
    reference = copy.deepcopy(model)
    rule = {**RULE, "nesterov": nesterov}
    optimizer = build(model, **rule, adamw_lr=0.003, adamw_betas=(0.8, 0.99), adamw_eps=1e-6, adamw_weight_decay=0.2)
    linear = [layer for layer in reference.layers if isinstance(layer, nn.Linear)]
    hidden = [layer.weight for layer in linear[1:-1]]
    rest = [p for p in reference.parameters() if all(p is not weight for weight in hidden)]
    muon = torch.optim.Muon(hidden, **rule)
    adamw = torch.optim.AdamW(rest, lr=0.003, betas=(0.8, 0.99), eps=1e-6, weight_decay=0.2)
    for seed in range(5):
        step(model, optimizer, seed)
        for p, g in zip(reference.parameters(), gradients(reference, seed), strict=True):
            p.grad = g
        muon.step()
        adamw.step()
    for p, expected in zip(model.parameters(), reference.parameters(), strict=True):
        assert torch.equal(p, expected)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_a_convolution_is_the_matrix_out_by_the_rest(memory_format: torch.memory_format) -> None:
    torch.manual_seed(0)
    model = CNN((3, 8, 8), 10).to(memory_format=memory_format)
    conv = weight(model, 3)
    matrix = nn.Parameter(conv.detach().flatten(1).clone())
    optimizer = build(model, **RULE)
    muon = torch.optim.Muon([matrix], **RULE)
    for seed in range(5):
        step(model, optimizer, seed)
        matrix.grad = conv.grad.flatten(1).clone()
        muon.step()
    assert conv.is_contiguous(memory_format=memory_format)
    # Another order of the columns rounds differently in the bfloat16 of the orthogonalisation.
    tolerance = 0.0 if memory_format == torch.contiguous_format else 5e-3
    torch.testing.assert_close(conv.flatten(1), matrix, rtol=tolerance, atol=tolerance)
    assert (conv.flatten(1) - matrix).norm() <= 0.02 * matrix.norm()


def test_columns_of_gradient_weight_and_momentum_match_in_any_memory_format() -> None:
    """A gradient or a saved momentum in another format than the weight gives the same step."""
    results = []
    for saved_format in (torch.contiguous_format, torch.channels_last):
        torch.manual_seed(0)
        model = CNN((3, 8, 8), 10).to(memory_format=torch.channels_last)
        optimizer = build(model, **RULE)
        step(model, optimizer, 0)
        for state in optimizer.state.values():
            if "momentum_buffer" in state and state["momentum_buffer"].ndim == 4:
                state["momentum_buffer"] = state["momentum_buffer"].contiguous(memory_format=saved_format)
        for p, g in zip(model.parameters(), gradients(model, 1), strict=True):
            p.grad = g.contiguous(memory_format=saved_format) if g.ndim == 4 else g
        optimizer.step()
        step(model, optimizer, 2)
        results.append([p.detach().clone() for p in model.parameters()])
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_continues_from_a_checkpoint_bit_for_bit(memory_format: torch.memory_format) -> None:
    torch.manual_seed(0)
    model = CNN((3, 8, 8), 10).to(memory_format=memory_format)
    optimizer = build(model, {"decay_bias_and_norm": False}, **RULE)
    for seed in range(3):
        step(model, optimizer, seed)
    saved = io.BytesIO()
    torch.save([model.state_dict(), optimizer.state_dict()], saved)
    saved.seek(0)
    model_state, optimizer_state = torch.load(saved, weights_only=True)
    continued = CNN((3, 8, 8), 10).to(memory_format=memory_format)
    restored = build(continued, {"decay_bias_and_norm": False})
    continued.load_state_dict(model_state)
    restored.load_state_dict(optimizer_state)
    for seed in range(3, 6):
        step(model, optimizer, seed)
        step(continued, restored, seed)
    for p, expected in zip(continued.parameters(), model.parameters(), strict=True):
        assert torch.equal(p, expected)


def test_state_is_of_the_models_own_parameters() -> None:
    model = CNN((1, 8, 8), 10)
    optimizer = build(model)
    step(model, optimizer, 0)
    assert {id(p) for p in optimizer.state} == {id(p) for p in model.parameters()}
    assert all(t.shape in (p.shape, torch.Size([])) for p, state in optimizer.state.items() for t in state.values())


def test_a_schedule_moves_both_rules() -> None:
    model = CNN((1, 8, 8), 10)
    optimizer = build(model, lr=0.02, adamw_lr=0.001)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0 if step == 0 else 0.0)
    assert [group["lr"] for group in optimizer.param_groups] == [0.02, 0.001]
    step(model, optimizer, 0)
    schedule.step()
    before = [p.detach().clone() for p in model.parameters()]
    step(model, optimizer, 1)
    for p, old in zip(model.parameters(), before, strict=True):
        assert torch.equal(p, old)


def test_step_returns_the_closures_loss_with_gradients_on() -> None:
    model = CNN((1, 8, 8), 10)
    optimizer = build(model)
    before = [p.detach().clone() for p in model.parameters()]

    def closure() -> float:
        optimizer.zero_grad()
        loss: Tensor = model(torch.ones(2, 1, 8, 8)).square().mean()
        loss.backward()
        return loss.item()

    assert optimizer.step(closure) > 0
    assert any(not torch.equal(p, old) for p, old in zip(model.parameters(), before, strict=True))
    optimizer.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_gradients_are_freed_by_zero_grad() -> None:
    model = CNN((1, 8, 8), 10)
    optimizer = build(model)
    step(model, optimizer, 0)
    memory = weight(model, 3).grad.untyped_storage()._weak_ref()
    optimizer.zero_grad()
    assert torch.UntypedStorage._expired(memory)


def test_a_parameter_without_gradient_stays() -> None:
    model = CNN((1, 8, 8), 10)
    optimizer = build(model)
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    weight(model, 3).grad = None
    before = weight(model, 3).detach().clone()
    optimizer.step()
    assert torch.equal(weight(model, 3), before)


def test_a_copy_steps_like_the_original() -> None:
    model = CNN((1, 8, 8), 10)
    optimizer = build(model)
    step(model, optimizer, 0)
    twin, twin_optimizer = copy.deepcopy((model, optimizer))
    step(model, optimizer, 1)
    step(twin, twin_optimizer, 1)
    for p, expected in zip(twin.parameters(), model.parameters(), strict=True):
        assert torch.equal(p, expected)


def test_plain_parameters_are_refused() -> None:
    with pytest.raises(ValueError, match="parameter_groups"):
        MuonAdamW(CNN((1, 8, 8), 10).parameters())  # type: ignore[arg-type]
