"""A small convolutional network: three 5x5 convolutions with max-pooling and two linear layers."""

from torch import Tensor, nn

from optlab.models.layers import Activation, activation_layers, image_shape

# For a non-decreasing f, f(max(x)) = max(f(x)), bit for bit, so the activation may follow the pooling and
# touch a quarter of the elements. GELU and SiLU are not monotonic: they stay before it.
NOT_MONOTONIC = frozenset({"gelu", "silu"})


class CNN(nn.Module):
    """Conv 32-32-64, each 5x5 with padding 2 and 2x2 max-pooling, then Linear 64 and Linear `outputs`.

    145,578 parameters for 3x32x32 images and 10 classes. Images may be of any size from 8x8 and of any number
    of channels; the first linear layer adapts. `activation=None` leaves the network without non-linearities
    other than max-pooling.

    Input [batch, channels, height, width], output [batch, outputs]. Raises UserError for vectors and smaller
    images.
    """

    def __init__(self, input_shape: tuple[int, ...], outputs: int, activation: Activation | None = "relu") -> None:
        super().__init__()
        channels, height, width = image_shape(input_shape, model="cnn", smallest=8)
        layers: list[nn.Module] = []
        for n_in, n_out in [(channels, 32), (32, 32), (32, 64)]:
            layers.append(nn.Conv2d(n_in, n_out, kernel_size=5, padding=2))
            if activation in NOT_MONOTONIC:
                layers += [*activation_layers(activation), nn.MaxPool2d(2)]
            else:
                layers += [nn.MaxPool2d(2), *activation_layers(activation)]
        features = 64 * (height // 8) * (width // 8)  # 1024 at 32x32
        layers += [
            nn.Flatten(),
            nn.Linear(features, 64),
            *activation_layers(activation),
            nn.Linear(64, outputs),
        ]
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        output: Tensor = self.layers(images)
        return output
