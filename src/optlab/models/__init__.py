"""The networks: each is `Model(input_shape, outputs, **options)`, the options being its yaml's keys."""

from optlab.models.cnn import CNN
from optlab.models.cnn_3c3d import CNN3C3D
from optlab.models.linear import Linear
from optlab.models.mlp import MLP
from optlab.models.resnet import ResNet18

__all__ = ["CNN", "CNN3C3D", "MLP", "Linear", "ResNet18"]
