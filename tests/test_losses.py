import math

import pytest
import torch
from torch import nn, tensor

from optlab.errors import UserError
from optlab.losses import L1, MSE, CrossEntropy, Huber

OUTPUT = tensor([[1.0], [2.0], [5.0]])
TARGET = tensor([[1.0], [2.0], [3.0]])


def test_the_notes_values() -> None:
    assert L1()(OUTPUT, TARGET).item() == pytest.approx(0.6667, abs=5e-5)
    assert MSE()(OUTPUT, TARGET).item() == pytest.approx(1.3333, abs=5e-5)


def test_huber_by_hand() -> None:
    # differences 0, 0, 2: beyond delta it is delta * (|d| - delta / 2), within it d^2 / 2
    assert Huber(delta=1.0)(OUTPUT, TARGET).item() == pytest.approx(1.5 / 3)
    assert Huber(delta=0.5)(OUTPUT, TARGET).item() == pytest.approx(0.5 * 1.75 / 3)
    assert Huber(delta=4.0)(OUTPUT, TARGET).item() == pytest.approx(2.0 / 3)


@pytest.mark.parametrize(
    ("loss", "expected"),
    # differences from the one-hot rows (0, 1, 0) and (1, 0, 0): (1, 1, 0) and (-1, 3, 2)
    [(MSE(), (2 + 14) / 6), (L1(), (2 + 6) / 6), (Huber(), (0.5 + 0.5 + 0.5 + 2.5 + 1.5) / 6)],
)
def test_classes_are_compared_as_one_hot(loss: nn.Module, expected: float) -> None:
    output = tensor([[1.0, 2.0, 0.0], [0.0, 3.0, 2.0]])
    assert loss(output, tensor([1, 0])).item() == pytest.approx(expected)


@pytest.mark.parametrize("loss", [MSE(), L1(), Huber(), CrossEntropy(label_smoothing=0.1)])
def test_is_the_mean_over_samples(loss: nn.Module) -> None:
    output, target = torch.randn(6, 4), tensor([0, 1, 2, 3, 0, 1])
    single = [loss(output[i : i + 1], target[i : i + 1]) for i in range(6)]
    torch.testing.assert_close(loss(output, target), torch.stack(single).mean())


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_cross_entropy_against_the_formula(smoothing: float) -> None:
    logits = [2.0, -1.0, 1.5]
    log_sum = math.log(sum(map(math.exp, logits)))
    target = [(1 - smoothing) * (k == 2) + smoothing / 3 for k in range(3)]
    expected = -sum(t * (x - log_sum) for t, x in zip(target, logits, strict=True))
    loss = CrossEntropy(label_smoothing=smoothing)(tensor([logits]), tensor([2]))
    assert loss.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("loss", [MSE(), L1(), Huber()])
def test_shapes_are_not_broadcast(loss: nn.Module) -> None:
    with pytest.raises(UserError, match=r"\[3, 1\].*\[3\]"):
        loss(OUTPUT, TARGET.squeeze(1))
    with pytest.raises(UserError, match=r"\[3, 1\].*\[3, 2\]"):
        loss(OUTPUT, TARGET.expand(3, 2))


def test_cross_entropy_refuses_numbers() -> None:
    with pytest.raises(UserError, match="loss=mse"):
        CrossEntropy()(OUTPUT, TARGET)


@pytest.mark.parametrize("loss", [MSE(), CrossEntropy()])
def test_label_outside_the_classes_is_an_error_that_names_both(loss: nn.Module) -> None:
    with pytest.raises(UserError, match=r"label 3 is outside the 3 classes of the outputs \(allowed: 0 to 2\)"):
        loss(torch.zeros(2, 3), tensor([0, 3]))
    with pytest.raises(UserError, match="label -1 is outside the 3 classes"):
        loss(torch.zeros(2, 3), tensor([0, -1]))


def test_an_error_of_another_kind_stays_what_it_is() -> None:
    with pytest.raises(RuntimeError, match="index"):
        MSE()(torch.zeros(2, 3), tensor([0, 2, 1]))


def test_a_loss_passes_its_gradient_on() -> None:
    output = OUTPUT.clone().requires_grad_()
    MSE()(output, TARGET).backward()
    assert output.grad.flatten().tolist() == pytest.approx([0, 0, 4 / 3])


def test_classes_that_weigh_nothing_have_the_loss_0_and_not_a_quotient_of_zeros() -> None:
    loss = CrossEntropy(weight=[0.0, 2.0, 0.0])
    outputs = torch.zeros(3, 3, requires_grad=True)
    alone = loss(outputs, tensor([0, 2, 0]))
    alone.backward()
    assert alone.item() == 0
    assert outputs.grad is not None
    assert not outputs.grad.any()
    assert loss(outputs, tensor([0, 1, 0])).item() == pytest.approx(math.log(3))
