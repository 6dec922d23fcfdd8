"""What a network's class or function is given of the data: input shape and outputs, by the names that it has for them.

What a user types for such a name counts instead. What the signature does not take is left out.
"""

import inspect
import math
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import nn

from optlab.config.node import fields
from optlab.config.schema import Model, Option
from optlab.config.signature import check_call, locate
from optlab.data.arrays import DataInfo
from optlab.errors import UserError
from optlab.rules.nearest import nearest

OWN = fields(Model).keys() - fields(Option).keys()  # keys of the group that are no arguments of the network

# The usual names, by what they stand for.
OUTPUTS = ("outputs", "num_classes", "n_classes", "num_outputs", "n_outputs", "out_features", "output_dim", "out_dim")
CHANNELS = ("in_channels", "in_chans", "input_channels", "n_channels", "num_channels")
FEATURES = ("in_features", "input_dim", "in_dim", "num_inputs", "n_inputs")
SIZES = ("img_size", "image_size")
SHAPES = ("input_shape",)
# Names that stand for other things too, or for widths within: given only where there is no default.
OUTPUTS_OR_ELSE = ("output_size", "out_channels", "classes", "num_labels", "n_out")
FEATURES_OR_ELSE = ("input_size", "num_features", "n_features", "n_in")

Parameters = dict[str, inspect.Parameter]


def given(options: Mapping[str, Any], info: DataInfo) -> dict[str, Any]:
    """The arguments that the data gives, for the class or function that `_target_` names.

    Args:
        options: of a group; what stands there is not given again.

    Raises:
        UserError: there is no such class or function.
    """
    names = {
        name: parameter
        for name, parameter in parameters_of(locate("model", options.get("_target_")), options).items()
        if is_asked_for(name, parameter) and name not in options
    }
    return {name: value for name in names if (value := value_of(name, info)) is not None}


def value_of(name: str, info: DataInfo) -> Any:
    """What an argument of this name is on the data; None where the data has no such thing, as channels of vectors."""
    shape = tuple(info.input_shape)
    if name in SHAPES:
        return shape
    if name in (*OUTPUTS, *OUTPUTS_OR_ELSE):
        return info.outputs
    if name in CHANNELS:
        return shape[0] if len(shape) > 1 else None
    if name in (*FEATURES, *FEATURES_OR_ELSE):
        return math.prod(shape)
    if name in SIZES and len(shape) == 3:
        return shape[1] if shape[1] == shape[2] else shape[1:]
    return None


def is_asked_for(name: str, parameter: inspect.Parameter) -> bool:
    if name in (*SHAPES, *OUTPUTS, *CHANNELS, *FEATURES, *SIZES):
        return True
    return name in (*OUTPUTS_OR_ELSE, *FEATURES_OR_ELSE) and parameter.default is parameter.empty


def name_of_outputs(options: Mapping[str, Any]) -> str | None:
    """What the network's class or function calls the number of its outputs; None where it takes none."""
    names = parameters_of(locate("model", options.get("_target_")), options)
    return next((name for name in (*OUTPUTS, *OUTPUTS_OR_ELSE) if name in names), None)


def described(options: Mapping[str, Any], info: DataInfo) -> str | None:
    """`Net(num_classes=10, in_channels=1)`: what the data gave; None for optlab's own networks, which all take it."""
    if str(options["_target_"]).startswith("optlab."):
        return None
    arguments = ", ".join(f"{name}={value}" for name, value in given(options, info).items())
    return f"{options['_target_'].rpartition('.')[2]}({arguments})"


def check(model: Model) -> None:
    """Raise UserError for options that the network's class or function does not take, before the data is known."""
    options = {key: value for key, value in model.plain.items() if key not in OWN}
    target = locate("model", model.target)
    if isinstance(target, nn.Module):
        raise UserError(
            f"model._target_={model.target}: is a network already, which every run would train on; "
            "name its class, or a function that makes it"
        )
    builder_of(target, options)
    check_call("model", options, given=from_data(target, options))


def from_data(target: Any, options: Mapping[str, Any]) -> set[str]:
    """The names of arguments of a class or function that `given` gives it, or may: the data is not known yet."""
    return {name for name, each in signature_of(target).items() if is_asked_for(name, each) and name not in options}


# -- signatures


def parameters_of(target: Callable[..., Any], options: Mapping[str, Any]) -> Parameters:
    """What a class or function takes by name, with what its `**kwargs` stand for.

    For a function those are what the class takes that its annotation says it returns (torchvision's and timm's builders
    pass them on to it), for a class what its base classes take.
    """
    found: Parameters = {}
    for each in passing_on(target, options):
        parameters = signature_of(each)
        for name, parameter in parameters.items():
            if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
                found.setdefault(name, parameter)
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
            break
    return found


def passing_on(target: Callable[..., Any], options: Mapping[str, Any]) -> Iterator[Any]:
    """The callable, and in turn those to which it passes its `**kwargs`."""
    yield target
    if not inspect.isclass(target):
        if (builder := builder_of(target, options)) is not None:
            yield builder
            target = builder
        try:
            target = typing.get_type_hints(target).get("return")  # type: ignore[assignment]
        except (NameError, TypeError):  # annotations that cannot be read say nothing
            return
    if inspect.isclass(target) and issubclass(target, nn.Module):
        yield from (base for base in target.__mro__ if "__init__" in vars(base) and base not in (nn.Module, object))


def builder_of(target: Any, options: Mapping[str, Any]) -> Any:
    """The function of timm that its `create_model` calls by name; None for any other function.

    Raises:
        UserError: timm has no such network.
    """
    if getattr(target, "__name__", None) != "create_model" or not target.__module__.startswith("timm."):
        return None
    from timm.models import is_model, list_models, model_entrypoint

    name = str(options.get("model_name")).partition(".")[0]  # behind the point stands which weights of it
    if ":" in name or "/" in name:  # from a hub or a folder, which says itself what it is
        return None
    if not is_model(name):
        close = nearest(name, list_models(), n=3)
        hint = f"did you mean {', '.join(close)}?" if close else "timm.list_models() lists them"
        raise UserError(f"model.model_name={name}: timm has no such network; {hint}")
    return model_entrypoint(name)


def signature_of(target: Any) -> Parameters:
    """The parameters of a callable; {} for one that shows none."""
    try:
        return dict(inspect.signature(target).parameters)
    except (TypeError, ValueError):  # a compiled or oddly made callable
        return {}
