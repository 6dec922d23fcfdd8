"""The kernels of convolutions beside PyTorch's operations in float64, on whole numbers, which need no rounding."""

import itertools
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from pooled_convolutions import accelerate, build, convolution
from pooled_convolutions.convolution import CompiledConv2d
from tests.pooled_convolutions.helpers import HALF, known

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, HALF], ids=str)


@pytest.fixture(autouse=True)
def _kernels(request: pytest.FixtureRequest) -> None:
    chosen = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    if not known(chosen.get("dtype", torch.float32)):
        pytest.skip("the kernels need Linux, a C++ compiler and AVX-512")


def whole_numbers(*shape: int, least: int = -2, most: int = 2, seed: int = 0) -> Tensor:
    return torch.randint(least, most + 1, shape, generator=torch.Generator().manual_seed(seed)).float()


def network(
    layer: nn.Conv2d, pooling: nn.MaxPool2d | None = None, *, relu: bool = True, last: bool = True
) -> nn.Sequential:
    """Of whole weights, so few that sums stay below 256, which bfloat16 holds exactly."""
    layers = nn.Sequential(layer, deepcopy(pooling or nn.MaxPool2d(2)), *([nn.ReLU()] if relu else []))
    few = 5000 / max(layer.weight[0].numel(), 50)  # of a hundred
    with torch.no_grad():
        for seed, parameter in enumerate(layers.parameters()):
            parameter.copy_(whole_numbers(*parameter.shape, least=-1, most=1, seed=seed))
        layer.weight.mul_(whole_numbers(*layer.weight.shape, least=0, most=99) < few)
    return layers.to(memory_format=torch.channels_last) if last else layers


def run(layers: nn.Module, images: Tensor, dtype: torch.dtype) -> Tensor:
    with torch.autocast("cpu", HALF, enabled=dtype is HALF):
        output: Tensor = layers(images)
    return output


def assert_same(layers: nn.Sequential, images: Tensor, dtype: torch.dtype, *, learns: bool) -> None:
    """Output and gradients are exact; those of images in bfloat16, which PyTorch computes, within its rounding."""
    exact = deepcopy(layers).double()
    assert accelerate(layers, dtype).layers == {"max-pooling": 1, "convolution": 1}
    if images.size(1) == 1:  # a network of this layer alone cannot tell
        layers[0].channels_last = True  # type: ignore[assignment]
    ours, theirs = images.clone(memory_format=torch.preserve_format), images.double()
    ours, theirs = ours.requires_grad_(learns), theirs.requires_grad_(learns)
    output, expected = run(layers, ours, dtype), exact(theirs)
    assert expected.detach().abs().max() <= 256
    assert output.dtype is dtype
    assert output.grad_fn.name() == "PooledConvolutionBackward"
    assert torch.equal(output.double(), expected)
    weights = whole_numbers(*output.shape, seed=9)
    found = torch.autograd.grad(output, [*layers.parameters(), *([ours] if learns else [])], weights.to(dtype))
    right = torch.autograd.grad(expected, [*exact.parameters(), *([theirs] if learns else [])], weights.double())
    for parameter, gradient, one in zip(layers.parameters(), found, right, strict=False):
        assert gradient.stride() == parameter.stride()
        assert torch.equal(gradient.double(), one)
    if learns:
        torch.testing.assert_close(found[-1].double(), right[-1], rtol=1e-2 if dtype is HALF else 0, atol=0)


CONVOLUTIONS = {
    "5x5": {"kernel_size": 5, "padding": 2},
    "5x5, not padded": {"kernel_size": 5},
    "3x3 without bias": {"kernel_size": 3, "padding": 1, "bias": False},
    "7x7": {"kernel_size": 7, "padding": 3},
    "1x5, padded more": {"kernel_size": (1, 5), "padding": (2, 4)},
    "4x3": {"kernel_size": (4, 3), "padding": (0, 1)},
}
POOLINGS = {
    "2x2": nn.MaxPool2d(2),
    "2x2, ceil": nn.MaxPool2d(2, ceil_mode=True),
    "2x2, padded": nn.MaxPool2d(2, padding=1),
    "2x2 in steps of 1": nn.MaxPool2d(2, 1),
    "2x2 in steps of 3 and 4": nn.MaxPool2d(2, (3, 4)),
    "3x3 in steps of 2": nn.MaxPool2d(3, 2),
    "3x3 in steps of 2, padded, ceil": nn.MaxPool2d(3, 2, padding=1, ceil_mode=True),
    "3x3 in steps of 3 and 2": nn.MaxPool2d(3, (3, 2), padding=(1, 0)),
}


@DTYPES
@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_every_kernel_and_number_of_channels(kind: str, dtype: torch.dtype) -> None:
    settings = CONVOLUTIONS[kind]
    for channels, outputs, relu in itertools.product((1, 3, 4, 5, 8, 32), (32, 64), (False, True)):
        layers = network(nn.Conv2d(channels, outputs, **settings), relu=relu)  # type: ignore[arg-type]
        for height, width in ((9, 12), (8, 17)):
            images = whole_numbers(3, channels, height, width).to(memory_format=torch.channels_last)
            assert_same(deepcopy(layers), images, dtype, learns=channels in (4, 8))


@DTYPES
@pytest.mark.parametrize("window", POOLINGS)
def test_every_window_of_the_pooling(window: str, dtype: torch.dtype) -> None:
    for channels, kernel, (height, width) in itertools.product((3, 8), (3, 5), ((9, 12), (10, 7))):
        layers = network(nn.Conv2d(channels, 32, kernel, padding=1), POOLINGS[window])
        images = whole_numbers(3, channels, height, width).to(memory_format=torch.channels_last)
        assert_same(layers, images, dtype, learns=channels == 8)


@DTYPES
def test_images_in_any_layout(dtype: torch.dtype) -> None:
    images = whole_numbers(4, 3, 19, 18)
    last = images.to(memory_format=torch.channels_last)
    for strided in (images, last, images[::2, :, 1:-2, 1:-1], images.mT):
        assert_same(network(nn.Conv2d(3, 32, 5, padding=2)), strided, dtype, learns=False)
    assert_same(network(nn.Conv2d(3, 32, 5, padding=2), last=False), last, dtype, learns=True)


@DTYPES
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_share_the_images(threads: int, dtype: torch.dtype) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for images, channels in ((5, 3), (1, 3), (5, 32)):
            pixels = whole_numbers(images, channels, 33, 31).to(memory_format=torch.channels_last)
            assert_same(network(nn.Conv2d(channels, 64, 5)), pixels, dtype, learns=channels == 32)
    finally:
        torch.set_num_threads(before)


def test_images_in_bfloat16_and_a_validation_without_gradients() -> None:
    if not known(HALF):
        pytest.skip("this processor has no kernels for bfloat16")
    layers = network(nn.Conv2d(3, 32, 5, padding=2))
    images = whole_numbers(4, 3, 16, 16).to(memory_format=torch.channels_last)
    expected = layers(images)
    accelerate(layers, HALF)
    with torch.no_grad():
        for given in (images, images.to(HALF)):
            output = run(layers, given, HALF)
            assert torch.equal(output.float(), expected)
            assert output.dtype is HALF
    assert run(layers, images.to(HALF), HALF).grad_fn.name() == "PooledConvolutionBackward"


@DTYPES
@pytest.mark.parametrize("padding", [0, 2])
@pytest.mark.parametrize("column", [0, 5, 6, 15])
def test_a_pixel_that_is_not_a_number_is_seen_by_those_that_saw_it(
    column: int, padding: int, dtype: torch.dtype
) -> None:
    layers = network(nn.Conv2d(3, 32, 5, padding=padding))
    images = whole_numbers(2, 3, 16, 16).to(memory_format=torch.channels_last)
    images[0, 1, 5, column] = float("nan")
    with torch.no_grad():
        layers[0].weight.fill_(1)
        expected = layers(images).isnan()
        accelerate(layers, dtype)
        assert torch.equal(run(layers, images, dtype).isnan(), expected)
        assert expected.any()
        assert not expected.all()


@DTYPES
@pytest.mark.parametrize(("channels", "learns"), [(4, False), (4, True), (5, False)])
def test_images_of_few_channels_that_want_no_gradient_are_convolved_by_the_kernels(
    channels: int, learns: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []
    monkeypatch.setattr(convolution, "run", lambda name, *given: (names.append(name), build.run(name, *given)))
    layers = network(nn.Conv2d(channels, 32, 5, padding=2))
    accelerate(layers, dtype)
    images = whole_numbers(2, channels, 16, 16).to(memory_format=torch.channels_last).requires_grad_(learns)
    run(layers, images, dtype).sum().backward()
    own = [] if learns or channels == 5 else ["convolve_pool"]
    assert names == [f"{name}_{convolution.NAMES[dtype]}" for name in (*own, "gradients")]


def test_the_same_numbers_each_time() -> None:
    layers = nn.Sequential(nn.Conv2d(3, 32, 5), nn.MaxPool2d(2), nn.ReLU()).to(memory_format=torch.channels_last)
    accelerate(layers, torch.float32)
    images = torch.randn(32, 3, 32, 32)
    first, *others = (
        torch.autograd.grad(layers(images).square().sum(), layers.get_parameter("0.weight"))[0] for _ in range(4)
    )
    assert all(torch.equal(first, other) for other in others)


# -- what stays PyTorch's


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(8, 32, 5, stride=2),
        nn.Conv2d(8, 32, 5, dilation=2),
        nn.Conv2d(8, 32, 5, groups=2),
        nn.Conv2d(8, 32, 5, padding="same"),
        nn.Conv2d(8, 32, 5, padding=-1),
        nn.Conv2d(8, 32, 5, padding=2, padding_mode="reflect"),
        nn.Conv2d(8, 32, (5, 2)),
        nn.Conv2d(8, 48, 5),
        nn.Conv2d(256, 128, 3),
        nn.utils.parametrizations.weight_norm(nn.Conv2d(8, 32, 5)),
    ],
    ids=[
        "stride",
        "dilation",
        "groups",
        "same",
        "negative",
        "reflect",
        "5x2",
        "48 outputs",
        "many weights",
        "weight_norm",
    ],
)
def test_other_convolutions_stay(layer: nn.Conv2d) -> None:
    layers = nn.Sequential(layer, nn.MaxPool2d(2), nn.ReLU())
    assert accelerate(layers, torch.float32).layers == {"max-pooling": 1}
    assert not isinstance(layer, CompiledConv2d)


@pytest.mark.parametrize("between", [nn.BatchNorm2d(32), nn.GELU(), nn.AvgPool2d(2)], ids=["norm", "gelu", "average"])
def test_a_convolution_without_a_pooling_next_stays(between: nn.Module) -> None:
    layers = nn.Sequential(nn.Conv2d(8, 32, 5), between, nn.MaxPool2d(2))
    assert accelerate(layers, torch.float32).layers == {"max-pooling": 1}


def test_images_weights_and_precisions_that_the_kernels_do_not_know_are_pytorchs() -> None:
    layers = network(nn.Conv2d(3, 32, 5, padding=2))
    expected = deepcopy(layers)
    accelerate(layers, torch.float32)
    images = whole_numbers(2, 3, 16, 16)
    assert torch.equal(layers(images[0]), expected(images[0]))
    with pytest.raises(RuntimeError, match=r"expected input.*to have 3 channels"):
        layers(images[:, :2])
    with pytest.raises(RuntimeError, match=r"[Kk]ernel size can't be greater|Output size is too small"):
        deepcopy(layers)(images[:, :, :0])
    with torch.autocast("cpu", torch.float16):
        assert layers(images).dtype is torch.float16
    assert torch.equal(deepcopy(layers).double()(images.double()), expected.double()(images.double()))
    layers[0].weight.requires_grad_(False)
    layers(images).sum().backward()
    assert layers[0].weight.grad is None
    assert layers[0].bias.grad is not None


@pytest.mark.parametrize("change", ["sliced", "expanded", "pruned", "bias", "stride", "window", "dtypes"])
def test_what_changes_after_compiling_is_pytorchs_again(change: str) -> None:
    layers = network(nn.Conv2d(3, 64, 5, padding=2))
    images = whole_numbers(2, 3, 16, 16).to(memory_format=torch.channels_last)
    accelerate(layers, torch.float32)
    first, pooling, _ = layers
    assert isinstance(first, nn.Conv2d)
    assert isinstance(pooling, nn.MaxPool2d)
    assert first.bias is not None
    if change == "sliced":
        first.weight = nn.Parameter(whole_numbers(64, 6, 5, 5)[:, :3])
    if change == "expanded":
        first.weight = nn.Parameter(whole_numbers(64, 1, 1, 5).expand(64, 3, 5, 5))
    if change == "pruned":
        first.weight, first.bias = nn.Parameter(first.weight[:40].detach()), nn.Parameter(first.bias[:40].detach())
    if change == "bias":
        first.bias = nn.Parameter(whole_numbers(128)[::2])
    if change == "stride":
        first.stride = (2, 2)
    if change == "window":
        pooling.kernel_size = 5
    expected = nn.functional.conv2d(images, first.weight, first.bias, first.stride, 2)
    expected = nn.functional.max_pool2d(expected, pooling.kernel_size, 2).relu()
    right = torch.autograd.grad(expected.sum(), [first.weight, first.bias])
    before = torch.get_default_dtype()
    try:
        if change == "dtypes":
            torch.set_default_dtype(torch.float64)
        output = layers(images)
        found = torch.autograd.grad(output.sum(), [first.weight, first.bias])
    finally:
        torch.set_default_dtype(before)
    torch.testing.assert_close(output, expected)
    for ours, theirs in zip(found, right, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_the_memory_layout_of_a_network_of_grey_images_stays() -> None:
    images = torch.randn(2, 1, 8, 8)
    for last in (False, True):
        layers = nn.Sequential(nn.Conv2d(1, 32, 3), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(32, 8, 1))
        if last:
            layers.to(memory_format=torch.channels_last)
        accelerate(layers, torch.float32)
        assert layers[:3](images).is_contiguous() is not last


def test_an_empty_batch_is_an_empty_output() -> None:
    layers = network(nn.Conv2d(3, 32, 5, padding=2))
    accelerate(layers, torch.float32)
    output = layers(torch.empty(0, 3, 16, 16))
    assert output.shape == (0, 32, 8, 8)
    output.sum().backward()
    assert not layers[0].weight.grad.any()


def test_layers_called_alone_or_listened_to_stay_themselves() -> None:
    layers = network(nn.Conv2d(3, 32, 5, padding=2))
    images = whole_numbers(2, 3, 16, 16).to(memory_format=torch.channels_last)
    convolved, expected = layers[0](images), layers(images)
    accelerate(layers, torch.float32)
    assert torch.equal(layers[0](images), convolved)
    heard: list[Tensor] = []
    for layer in layers[:2]:
        handle = layer.register_forward_hook(lambda layer, given, output: heard.append(output))
        assert torch.equal(layers(images), expected)
        handle.remove()
    assert torch.equal(heard[0], convolved)
    assert torch.equal(heard[1], nn.functional.max_pool2d(convolved, 2))


def test_a_second_derivative_and_a_second_backward_are_refused_not_wrong() -> None:
    layers = network(nn.Conv2d(3, 32, 5, padding=2))
    accelerate(layers, torch.float32)
    images = whole_numbers(2, 3, 16, 16)
    (gradient,) = torch.autograd.grad((layers(images) ** 2).sum(), layers.get_parameter("0.weight"), create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()
    output = layers(images).sum()
    output.backward()
    with pytest.raises(RuntimeError, match="second time"):
        output.backward()
