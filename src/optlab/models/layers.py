"""What several networks share: activations by name, and the check of the input's shape."""

from typing import Literal

from torch import nn

from optlab.errors import UserError

Activation = Literal["relu", "leaky_relu", "tanh", "sigmoid", "elu", "softplus", "gelu", "silu"]

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "elu": nn.ELU,
    "softplus": nn.Softplus,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}


def activation_layers(activation: str | None) -> list[nn.Module]:
    """One new activation layer, or none for None.

    Raises UserError for a name that is not in ACTIVATIONS.
    """
    if activation is None:
        return []
    if activation not in ACTIVATIONS:
        raise UserError(f"model.activation={activation}: choose one of {', '.join(ACTIVATIONS)}, or null for none")
    # What comes before, a convolution, a pooling or a linear layer, does not need its output again.
    return [nn.ReLU(inplace=True) if activation == "relu" else ACTIVATIONS[activation]()]


def image_shape(input_shape: tuple[int, ...], *, model: str, smallest: int) -> tuple[int, int, int]:
    """(channels, height, width) of the input.

    Raises UserError for vectors and for images of fewer than `smallest` pixels in height or width.
    """
    if len(input_shape) != 3:
        raise UserError(
            f"model={model} needs images, and this data set has vectors of {input_shape[0]} features: "
            "use model=mlp or model=linear"
        )
    channels, height, width = input_shape
    if min(height, width) < smallest:
        smaller = "model=cnn, " if min(height, width) >= 8 else ""
        raise UserError(
            f"model={model} needs images of at least {smallest}x{smallest} pixels, and this data set's are "
            f"{height}x{width}: use {smaller}model=mlp or model=linear"
        )
    return channels, height, width
