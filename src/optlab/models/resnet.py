"""torchvision's ResNet-18 (He et al., 2016), with a stem that fits small images."""

from typing import Literal

from torch import Tensor, nn

from optlab.models.layers import image_shape

SMALL = 64  # pixels: above, the 7x7 stem of ImageNet leaves enough of the image for four stages


class ResNet18(nn.Module):
    """ResNet-18 from random weights.

    `stem="3x3"` is the usual change for 32x32 images: a 3x3 convolution with stride 1 and no max-pooling;
    `"7x7"` is torchvision's own, and `"auto"` takes the first up to 64 pixels in height and width.

    Input [batch, channels, height, width], output [batch, outputs]. Raises UserError for vectors.
    """

    def __init__(
        self, input_shape: tuple[int, ...], outputs: int, stem: Literal["auto", "3x3", "7x7"] = "auto"
    ) -> None:
        super().__init__()
        from torchvision.models import resnet18  # seconds to import, and only this network needs it

        channels, height, width = image_shape(input_shape, model="resnet18", smallest=1)
        network = resnet18(weights=None, num_classes=outputs)
        if stem == "3x3" or (stem == "auto" and max(height, width) <= SMALL):
            network.conv1 = nn.Conv2d(channels, 64, kernel_size=3, padding=1, bias=False)
            network.maxpool = nn.Identity()
        else:
            network.conv1 = nn.Conv2d(channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
        # torchvision's own initialisation of its convolutions
        nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        output: Tensor = self.network(images)
        return output
