"""The network of DeepOBS' test problem `cifar10_3c3d` (Schneider et al., 2019, arXiv:1903.05499)."""

from torch import Tensor, nn

from optlab.models.layers import image_shape


def same_max_pool(height: int, width: int) -> tuple[nn.MaxPool2d, int, int]:
    """3x3 max-pooling with stride 2 and TensorFlow's "same" padding, and the height and width behind it.

    TensorFlow pads an even side by one at the end only and an odd side by one at both ends. The first is what
    `ceil_mode` does; after the second, `ceil_mode` has nothing left to round.
    """
    pool = nn.MaxPool2d(kernel_size=3, stride=2, padding=(height % 2, width % 2), ceil_mode=True)
    return pool, (height + 1) // 2, (width + 1) // 2


class CNN3C3D(nn.Module):
    """Three convolutions (5x5-64, 3x3-96, 3x3-128), each with 3/2 max-pooling, and Linear 512, 256,
    `outputs`; ReLU.

    895,210 parameters for 3x32x32 images and 10 classes. Glorot weights (normal for convolutions, uniform for
    linear layers, as in DeepOBS' source) and zero biases. Images may be of any size from 9x9.

    Input [batch, channels, height, width], output [batch, outputs]. Raises UserError for vectors and smaller
    images.
    """

    def __init__(self, input_shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        channels, height, width = image_shape(input_shape, model="cnn_3c3d", smallest=9)
        pool1, height, width = same_max_pool(height - 4, width - 4)  # 28 -> 14 at 32x32
        pool2, height, width = same_max_pool(height - 2, width - 2)  # 12 -> 6
        pool3, height, width = same_max_pool(height, width)  # 6 -> 3
        self.layers = nn.Sequential(  # ReLU is monotonic: behind the pooling it gives the same and costs less
            *(nn.Conv2d(channels, 64, kernel_size=5), pool1, nn.ReLU()),
            *(nn.Conv2d(64, 96, kernel_size=3), pool2, nn.ReLU()),
            *(nn.Conv2d(96, 128, kernel_size=3, padding=1), pool3, nn.ReLU()),
            nn.Flatten(),
            *(nn.Linear(128 * height * width, 512), nn.ReLU()),
            *(nn.Linear(512, 256), nn.ReLU()),
            nn.Linear(256, outputs),
        )
        self.apply(_glorot)

    def forward(self, images: Tensor) -> Tensor:
        output: Tensor = self.layers(images)
        return output


def _glorot(module: nn.Module) -> None:
    if not isinstance(module, nn.Conv2d | nn.Linear):
        return
    if isinstance(module, nn.Conv2d):
        # Keras' glorot_normal cuts the normal at two deviations and widens it by 1 / 0.8796 to keep the
        # variance.
        fan_in, fan_out = module.weight[0].numel(), module.weight[:, 0].numel()
        std = (2.0 / (fan_in + fan_out)) ** 0.5 / 0.87962566103423978
        nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std)
    else:
        nn.init.xavier_uniform_(module.weight)
    if module.bias is not None:
        nn.init.zeros_(module.bias)
