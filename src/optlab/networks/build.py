"""The network of a run: built from its options and what the data looks like."""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from optlab.config.signature import locate
from optlab.create import create
from optlab.data.arrays import DataInfo
from optlab.errors import UserError, own_line
from optlab.networks.arguments import OWN, given, parameters_of
from optlab.networks.frozen import freeze, names_of
from optlab.trust import DOWNLOADS


def build(options: Mapping[str, Any], info: DataInfo) -> nn.Module:
    """The network of a group's options, with initial weights from torch's default generator and its frozen parts.

    No weights are read or fetched here, as a checkpoint brings its own: `optlab.networks.load` does that.

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
    arguments = {key: value for key, value in options.items() if key not in (*OWN, *DOWNLOADS)}
    nothing = {key: False if value is True else None for key, value in fetched(options).items() if takes(options, key)}
    network = create(arguments, **given(arguments, info), **nothing)
    if not isinstance(network, nn.Module):
        raise UserError(
            f"model._target_={options['_target_']}: gives {type(network).__name__}, and a network is a torch.nn.Module"
        )
    if any(is_lazy(parameter) for parameter in network.parameters()):
        with torch.no_grad():
            network.eval()(info.zeros(2))  # which gives lazy layers their sizes
        network.train()
    freeze(network, names_of(options))
    return network


def fetched(options: Mapping[str, Any]) -> dict[str, Any]:
    """The weights that a class or function comes with, asked by the usual names for that or by default."""
    parameters = parameters_of(locate("model", options.get("_target_")), options)
    defaults = {key: parameters[key].default for key in DOWNLOADS if key in parameters}
    asked = {key: value for key, value in defaults.items() if value is not inspect.Parameter.empty}
    asked |= {key: options[key] for key in DOWNLOADS if key in options and key not in OWN}
    return {key: value for key, value in asked.items() if value not in (None, False)}


def takes(options: Mapping[str, Any], key: str) -> bool:
    return key in parameters_of(locate("model", options.get("_target_")), options)


def named(options: Mapping[str, Any]) -> str:
    return f"model={options['name']}"


def what_failed(error: Exception) -> str:
    """`ValueError: too small (mynet.py, line 12)`: the error, and where in the user's own code it came about."""
    lines = str(error).strip().splitlines()
    said = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return f"{said} ({where})" if (where := own_line(error)) else said
