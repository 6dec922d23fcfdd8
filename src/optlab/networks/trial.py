"""Whether a network fits the data, found out by one small batch before anything is written."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from optlab.adapters.torch import keeping_random_state
from optlab.data.arrays import DataInfo
from optlab.errors import UserError
from optlab.networks.arguments import name_of_outputs
from optlab.networks.build import named, what_failed

SAMPLES = 2  # batch norm takes no fewer


def try_out(network: nn.Module, options: Mapping[str, Any], info: DataInfo, wanted: Sequence[int]) -> None:
    """One forward pass over zeros by a copy of the network, as in training.

    Args:
        options: of the group `model`, to say what to type.
        wanted: the shape that the outputs for one sample must have.

    Raises:
        UserError: the network cannot take such inputs, or gives outputs of another shape.
    """
    try:
        copy = deepcopy(network)
    except Exception:  # some networks cannot be copied; what is wrong with them shows at the first step
        return
    inputs = info.zeros(SAMPLES)
    try:
        with torch.no_grad(), keeping_random_state():
            outputs = copy(inputs)
    except UserError:
        raise
    except Exception as error:  # whatever a network raises at inputs that it cannot take
        raise UserError(
            f"{named(options)} cannot take inputs of the shape {sizes(info.input_shape)}, as {info.name} has: "
            f"{what_failed(error)}{channels_hint(copy, info)}"
        ) from error
    check_outputs(outputs, options, info, wanted)


def check_outputs(outputs: Any, options: Mapping[str, Any], info: DataInfo, wanted: Sequence[int]) -> None:
    needed = sizes([SAMPLES, *wanted])
    if not isinstance(outputs, Tensor):
        raise UserError(
            f"{named(options)} gives {type(outputs).__name__} in training, and one tensor {needed} is needed; "
            "let its forward return that"
        )
    if list(outputs.shape) == [SAMPLES, *wanted]:
        return
    got = sizes(outputs.shape)
    what = f"{info.outputs} classes" if info.classes else f"{info.outputs} outputs"
    name = name_of_outputs(options)
    fits = list(outputs.shape[:1]) == [SAMPLES] and outputs.ndim == 1 + len(wanted)
    hint = f"type model.{name}={info.outputs}" if name and fits else "let its class take `outputs` and give as many"
    raise UserError(f"{named(options)} gives {got} for {SAMPLES} inputs, and {what} need {needed}; {hint}")


def sizes(shape: Sequence[int]) -> str:
    return f"[{', '.join(map(str, shape))}]"


def channels_hint(network: nn.Module, info: DataInfo) -> str:
    """What to type where the first convolution wants another number of channels."""
    first = next((layer for layer in network.modules() if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d)), None)
    if first is None or not info.is_image or first.in_channels == info.input_shape[0]:
        return ""
    return (
        f"; it wants {first.in_channels} channels and the images have {info.input_shape[0]}: choose a network that "
        "takes in_channels or in_chans, such as timm's, or model=resnet18"
    )
