import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from optlab.errors import UserError
from optlab.models import CNN, CNN3C3D, MLP, Linear, ResNet18


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_parameter_counts() -> None:
    assert parameters(CNN((3, 32, 32), 10)) == 145_578
    assert parameters(CNN3C3D((3, 32, 32), 10)) == 895_210
    assert parameters(Linear((1, 8, 8), 10)) == 650
    assert parameters(MLP((1, 8, 8), 10, hidden=[256, 128])) == 64 * 256 + 256 + 256 * 128 + 128 + 128 * 10 + 10


@pytest.mark.parametrize("shape", [(1, 9, 9), (3, 32, 32), (4, 28, 20), (2, 11, 9)])
@pytest.mark.parametrize("model", [CNN, CNN3C3D, MLP, Linear, ResNet18])
def test_fits_any_image(model: Callable[..., nn.Module], shape: tuple[int, ...]) -> None:
    assert model(shape, 7)(torch.zeros(2, *shape)).shape == (2, 7)


def test_cnn_fits_the_smallest_images() -> None:
    assert CNN((1, 8, 8), 10)(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


@pytest.mark.parametrize("model", [MLP, Linear])
def test_fits_vectors(model: Callable[..., nn.Module]) -> None:
    assert model((5,), 1)(torch.zeros(3, 5)).shape == (3, 1)


def test_cnn_is_the_network_of_the_notes() -> None:
    model = CNN((3, 32, 32), 10, activation=None)
    layers = [type(layer) for layer in model.layers]
    assert layers == [nn.Conv2d, nn.MaxPool2d] * 3 + [nn.Flatten, nn.Linear, nn.Linear]
    assert [tuple(p.shape) for p in model.parameters() if p.ndim > 1] == [
        (32, 3, 5, 5),
        (32, 32, 5, 5),
        (64, 32, 5, 5),
        (64, 1024),
        (10, 64),
    ]


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "tanh", "sigmoid", "elu", "softplus", "gelu", "silu"])
def test_activation_behind_the_pooling_gives_what_it_gives_before(activation: str) -> None:
    model = CNN((1, 8, 8), 3, activation=activation)  # type: ignore[arg-type]
    images = torch.randn(4, 1, 8, 8)
    function = getattr(nn.functional, activation)
    if activation in ("tanh", "sigmoid"):
        function = getattr(torch, activation)
    x = images
    for conv in (layer for layer in model.layers if isinstance(layer, nn.Conv2d)):
        x = nn.functional.max_pool2d(function(conv(x)), 2)
    first, head = (layer for layer in model.layers if isinstance(layer, nn.Linear))
    torch.testing.assert_close(model(images), head(function(first(x.flatten(1)))), rtol=1e-5, atol=1e-6)


def test_3c3d_pools_as_tensorflow_pads() -> None:
    """Padding "same": (out - 1) * stride + kernel - in zeros in all, the smaller half first; -inf for a maximum."""

    def tensorflow_max_pool(x: Tensor) -> Tensor:
        for dim in (2, 3):
            size = x.shape[dim]
            total = max((-(-size // 2) - 1) * 2 + 3 - size, 0)
            pad = [0, 0, total // 2, total - total // 2] if dim == 2 else [total // 2, total - total // 2, 0, 0]
            x = nn.functional.pad(x, pad, value=-torch.inf)
        return nn.functional.max_pool2d(x, 3, 2)

    for size in (32, 33, 27, 9):
        model = CNN3C3D((1, size, size + 1), 2)
        x = images = torch.randn(2, 1, size, size + 1)
        for conv in (layer for layer in model.layers if isinstance(layer, nn.Conv2d)):
            x = tensorflow_max_pool(torch.relu(conv(x)))
        first, second, head = (layer for layer in model.layers if isinstance(layer, nn.Linear))
        expected = head(torch.relu(second(torch.relu(first(x.flatten(1))))))
        torch.testing.assert_close(model(images), expected)


def test_3c3d_is_deepobs_network_at_32_pixels() -> None:
    model = CNN3C3D((3, 32, 32), 10)
    assert [tuple(p.shape) for p in model.parameters() if p.ndim > 1] == [
        (64, 3, 5, 5),
        (96, 64, 3, 3),
        (128, 96, 3, 3),
        (512, 3 * 3 * 128),
        (256, 512),
        (10, 256),
    ]


def test_3c3d_weights_are_glorot_and_biases_zero() -> None:
    torch.manual_seed(0)
    model = CNN3C3D((3, 32, 32), 10)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            receptive = layer.weight[0, 0].numel()
            fans = (layer.weight.shape[0] + layer.weight.shape[1]) * receptive
            assert layer.weight.std().item() == pytest.approx((2 / fans) ** 0.5, rel=0.05)
            assert layer.bias.count_nonzero() == 0
            widest = layer.weight.abs().max().item() * fans**0.5
            # uniform ends at sqrt(6 / fans); the normal is cut at 2 / 0.8796 deviations
            assert widest <= (6**0.5 if isinstance(layer, nn.Linear) else 2 * 2**0.5 / 0.8796) + 1e-3
            assert layer.weight.abs().max() > 0.9 * (6 / fans) ** 0.5


def test_resnet18_stem_follows_the_image_size() -> None:
    small, large = ResNet18((1, 32, 32), 10), ResNet18((3, 96, 96), 10)
    assert small.network.conv1.kernel_size == (3, 3)
    assert isinstance(small.network.maxpool, nn.Identity)
    assert small.network.conv1.in_channels == 1
    assert large.network.conv1.kernel_size == (7, 7)
    assert isinstance(large.network.maxpool, nn.MaxPool2d)
    assert ResNet18((3, 32, 32), 10, stem="7x7").network.conv1.kernel_size == (7, 7)
    assert parameters(large) == 11_181_642  # torchvision's, with 10 classes


@pytest.mark.parametrize(
    ("model", "shape", "words"),
    [
        (CNN, (1, 7, 32), ["8x8", "7x32", "model=mlp"]),
        (CNN3C3D, (1, 8, 8), ["9x9", "8x8", "model=cnn"]),
        (CNN, (13,), ["vectors of 13 features", "model=mlp"]),
        (CNN3C3D, (13,), ["vectors", "model=linear"]),
        (ResNet18, (13,), ["vectors", "model=mlp"]),
    ],
)
def test_input_that_does_not_fit_says_what_to_use(
    model: Callable[..., nn.Module], shape: tuple[int, ...], words: list[str]
) -> None:
    with pytest.raises(UserError) as error:
        model(shape, 10)
    assert all(word in str(error.value) for word in words)


def test_unknown_activation_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"model.activation=swish: choose one of relu, .*gelu.*null"):
        CNN((1, 8, 8), 10, activation="swish")  # type: ignore[arg-type]


def test_models_import_no_torchvision() -> None:
    code = "import optlab.models, sys; sys.exit('torchvision' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
