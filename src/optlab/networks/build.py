"""The network of a run: built from its options and what the data looks like."""

import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from optlab.create import create
from optlab.data.arrays import DataInfo
from optlab.errors import UserError
from optlab.networks.arguments import OWN, given

OURS = Path(__file__).parents[1]
LIBRARIES = "site-packages"  # the folder that other people's packages lie in


def build(options: Mapping[str, Any], info: DataInfo) -> nn.Module:
    """The network of a group's options, with initial weights from torch's default generator.

    Args:
        options: of the group `model`, as they were composed.
        info: gives input shape and outputs, where the signature takes them.

    Raises:
        UserError: there is no such class or function, it cannot be called so, or what it makes is no network.
    """
    try:
        return make(options, info)
    except UserError:
        raise
    except Exception as error:  # whatever a class of anyone's raises
        raise UserError(f"{named(options)} cannot be built: {what_failed(error)}") from error


def make(options: Mapping[str, Any], info: DataInfo) -> nn.Module:
    """As `build`, with the errors of the class or function as it raises them."""
    arguments = {key: value for key, value in options.items() if key not in OWN}
    network = create(arguments, **given(arguments, info))
    if not isinstance(network, nn.Module):
        raise UserError(
            f"model._target_={options['_target_']}: gives {type(network).__name__}, and a network is a torch.nn.Module"
        )
    return network


def named(options: Mapping[str, Any]) -> str:
    return f"model={options['name']}"


def what_failed(error: Exception) -> str:
    """`ValueError: too small (mynet.py, line 12)`: the error, and where in the user's own code it came about."""
    lines = str(error).strip().splitlines()
    said = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    own = [each for each in frames if OURS not in (path := Path(each.filename)).parents and LIBRARIES not in path.parts]
    return f"{said} ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else said
