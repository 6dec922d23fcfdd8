"""Which layers of a network the kernels take, and that the network means what it meant."""

import pytest
import torch
from torch import Tensor, nn

from pooled_convolutions import Report, accelerate
from pooled_convolutions.max_pool import CompiledMaxPool2d
from tests.pooled_convolutions.helpers import images, needs_kernels


class Backwards(nn.Sequential):
    def forward(self, pixels: Tensor) -> Tensor:
        return self[0](self[1](pixels)) - self[0](pixels)  # type: ignore[no-any-return]


class Apart(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.pool, self.relu = nn.MaxPool2d(2), nn.ReLU()

    def forward(self, pixels: Tensor) -> Tensor:
        return self.pool(pixels) + self.pool(self.relu(pixels))  # type: ignore[no-any-return]


class ByIndex(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.MaxPool2d(2), nn.ReLU(), nn.MaxPool2d(2))

    def forward(self, pixels: Tensor) -> Tensor:
        return self.layers(pixels) + self.layers[2](self.layers[0](pixels)) + self.layers[:1](pixels).mean()  # type: ignore[no-any-return]


@needs_kernels
@pytest.mark.parametrize("kind", ["backwards", "apart", "by index", "twice", "nested", "itself", "relu6"])
def test_a_network_means_what_it_meant(kind: str) -> None:
    twice = nn.MaxPool2d(2)
    network = {
        "backwards": Backwards(nn.MaxPool2d(2), nn.ReLU()),
        "apart": Apart(),
        "by index": ByIndex(),
        "twice": nn.Sequential(twice, twice, nn.ReLU()),
        "nested": nn.Sequential(nn.Conv2d(32, 32, 1), nn.Sequential(nn.MaxPool2d(2)), nn.ReLU(), nn.ReLU()),
        "itself": nn.MaxPool2d(2),
        "relu6": nn.Sequential(nn.MaxPool2d(2), nn.ReLU6(), nn.ReLU()),
    }[kind]
    pixels = 4 * images(2, 32, 8, 8, dtype=torch.float32).detach()
    expected = network(pixels)
    assert accelerate(network, torch.float32).layers
    assert torch.equal(network(pixels), expected)


@needs_kernels
@pytest.mark.parametrize("listened", [0, 1, None], ids=["pooling", "ReLU", "all"])
def test_hooks_of_either_layer_are_called(listened: int | None) -> None:
    network = nn.Sequential(nn.MaxPool2d(2), nn.ReLU())
    pixels = images(2, 32, 8, 8, dtype=torch.float32).detach()
    accelerate(network, torch.float32)
    heard: dict[nn.Module, Tensor] = {}
    register = (
        nn.modules.module.register_module_forward_hook if listened is None else network[listened].register_forward_hook
    )
    with register(lambda layer, given, output: heard.__setitem__(layer, output.clone())):
        output = network(pixels)
    pooled = nn.functional.max_pool2d(pixels, 2)
    assert torch.equal(output, pooled.relu())
    if listened is not None:
        assert list(heard) == [network[listened]]
    for layer, right in ((network[0], pooled), (network[1], pooled.relu())):
        assert layer not in heard or torch.equal(heard[layer], right)
    assert len(heard) == (3 if listened is None else 1)


def test_other_poolings_stay() -> None:
    changed = nn.MaxPool2d(2)
    changed.forward = lambda pixels: pixels  # type: ignore[method-assign, assignment]
    others = [nn.MaxPool2d(2, dilation=2), nn.MaxPool2d(2, return_indices=True), nn.MaxPool2d(4), nn.MaxPool2d(3, 1)]
    for layer in (*others, nn.AvgPool2d(2), changed):
        assert not accelerate(nn.Sequential(layer, nn.ReLU()), torch.float32).layers
        assert not isinstance(layer, CompiledMaxPool2d)


def test_a_network_without_poolings_is_a_line() -> None:
    report = accelerate(nn.Sequential(nn.Conv2d(3, 32, 3), nn.ReLU()))
    assert report == Report(reason="the network has no max-pooling that the kernels know")
    assert str(report) == "not used: the network has no max-pooling that the kernels know"


@needs_kernels
def test_convolutions_in_other_types_and_on_other_processors_stay_and_a_line_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def convolutional() -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(3, 32, 3), nn.MaxPool2d(2), nn.ReLU())

    report = accelerate(convolutional(), None)
    assert report.layers == {"max-pooling": 1}
    assert report.reason == "convolutions stay PyTorch's: they are computed in another type than float32 and bfloat16"
    monkeypatch.setattr("pooled_convolutions.network.lacks", lambda dtype: "this processor has no AVX-512")
    line = str(accelerate(convolutional()))
    assert line.startswith("1 x max-pooling, with the ReLU behind a pooling, by kernels made for this processor; ")
    assert line.endswith("convolutions stay PyTorch's: this processor has no AVX-512")
    assert accelerate(nn.Sequential(nn.MaxPool2d(2))).reason is None  # there is no convolution to speak of
