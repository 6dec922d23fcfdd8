"""A network of one's own: any nn.Module. What it calls its sizes is up to it."""

from torch import Tensor, nn


class Net(nn.Module):
    """Two convolutions, and a linear layer on their means."""

    def __init__(self, in_channels: int, num_classes: int, width: int = 16) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
        )
        self.head = nn.Linear(width, num_classes)

    def forward(self, images: Tensor) -> Tensor:  # [n, channels, height, width] -> [n, classes]
        outputs: Tensor = self.head(self.features(images).mean((2, 3)))
        return outputs


def perceptron(in_features: int, num_classes: int, hidden: int = 32) -> nn.Module:
    """A function does as well."""
    return nn.Sequential(nn.Flatten(), nn.Linear(in_features, hidden), nn.ReLU(), nn.Linear(hidden, num_classes))
