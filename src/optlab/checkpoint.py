"""Reading checkpoints: what they hold besides weights, whether it is whole, and the network that they are of.

A checkpoint may come from anywhere: everything in it is looked at before it is used, and nothing in it is run. Whether
a run may go on from one stands in `optlab.resume`.
"""

import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from optlab import networks, trust
from optlab.config.schema import Config
from optlab.data.arrays import DataInfo
from optlab.errors import UserError, piece
from optlab.facts import damaged, one_line, read_facts, same
from optlab.seeds import default_stream

NETWORK = "network."  # before the names of its weights among those of the LightningModule
SMALL_COUNT = 1024  # which an option of a network may always be
SHOWN = 3  # names in one line


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds, checked to be whole and of the right types."""

    path: str
    config: dict[str, Any]  # of the run that wrote it
    data: DataInfo  # what that run's data set looked like
    overrides: list[str]  # the command line that composed the config
    fingerprint: str  # of the data
    state_dict: dict[str, Any]  # the weights, by their names in the LightningModule
    content: dict[str, Any]  # everything, as Lightning reads it
    weights: dict[str, Any]  # what the network's first weights came from, for the record

    def damaged(self, what: str) -> UserError:
        return damaged(self.path, what)

    @property
    def network_state(self) -> dict[str, Any]:
        """The weights by their names in the network."""
        return {
            name.removeprefix(NETWORK): value for name, value in self.state_dict.items() if name.startswith(NETWORK)
        }

    def check_weights(self, model: Mapping[str, Any], info: DataInfo) -> None:
        """Raise UserError for weights of other names or shapes than this model's on this data.

        The model is built without memory for that, so that sizes that were altered cost nothing; numbers beyond what
        the weights can be of are refused before, as they may be counts of layers.
        """
        ours = trust.is_known("model", model["_target_"])
        if ours:
            self.check_counts(model)
        try:
            with torch.device("meta"), default_stream(0, "weights"):
                expected = networks.make(model, info).state_dict()
        except Exception as error:
            if ours:
                raise self.not_built(model, error) from error
            return  # a network of a user's own may need real tensors; building it in earnest says what is wrong
        self.check_names_and_shapes(self.network_state, expected, model)

    def check_counts(self, model: Mapping[str, Any]) -> None:
        """Raise UserError for no weights of the network, or numbers among its options that are larger than theirs."""
        if not self.network_state:
            raise self.damaged(f"it has no weights of a network ({NETWORK}...)")
        most = max(SMALL_COUNT, sum(value.numel() for value in self.network_state.values() if is_plain(value)))
        for path, _, value in trust.leaves(model, "model"):
            if isinstance(value, int) and abs(value) > most:
                raise self.damaged(f"{piece(f'{path}={value}')} is beyond the {most:,} that its weights allow")

    def not_built(self, model: Mapping[str, Any], error: Exception) -> UserError:
        return self.damaged(f"{named(model)}{options(model)} cannot be built ({one_line(error)})")

    def check_state(self, module: nn.Module, model: Mapping[str, Any]) -> None:
        """Raise UserError for weights of other names or shapes than the module's: network, and what the loss holds."""
        self.check_names_and_shapes(self.state_dict, module.state_dict(), model)

    def check_names_and_shapes(
        self, theirs: Mapping[str, Any], ours: Mapping[str, Any], model: Mapping[str, Any]
    ) -> None:
        name = named(model)
        if missing := [key for key in ours if key not in theirs]:
            raise self.damaged(f"{name} has {some(missing)}, and the file has no such weights")
        if unknown := [key for key in theirs if key not in ours]:
            raise self.damaged(f"it holds weights {some(unknown)}, which {name} does not have")
        for key, value in ours.items():
            if not isinstance(value, Tensor):
                continue
            if value.shape != theirs[key].shape:
                raise self.damaged(
                    f"its {key} has the shape {list(theirs[key].shape)}, and {name} has {list(value.shape)}"
                )
            if value.is_floating_point() != theirs[key].is_floating_point():
                raise self.damaged(f"its {key} is {theirs[key].dtype}, and {name} has {value.dtype}")

    def check_finite(self) -> None:
        """Raise UserError for weights that are NaN or infinite: the run diverged, and such a network says nothing."""
        wrong = [name for name, value in self.state_dict.items() if not is_finite(value)]
        if wrong:
            raise UserError(
                f"ckpt={self.path}: its weights {some(wrong)} are NaN or infinite, so the network has "
                "nothing to say; the run had diverged: use a checkpoint from before, such as best.ckpt"
            )

    def network(self) -> nn.Module:
        """The network with its weights, on the CPU.

        Raises:
            UserError: it cannot be built, or the weights are not its own.
        """
        model = self.config["model"]
        self.check_weights(model, self.data)
        try:
            with default_stream(0, "weights"):
                network = networks.make(model, self.data)
        except Exception as error:  # whatever a network says to arguments that were altered
            raise self.not_built(model, error) from error
        self.check_names_and_shapes(self.network_state, network.state_dict(), model)
        network.load_state_dict(self.network_state)
        return network


# -- reading


def read(path: str | Path) -> Checkpoint:
    """The content of a checkpoint, on the CPU, loaded with `weights_only=True`.

    Raises:
        UserError: there is no such file, it is damaged, another program wrote it, or it holds more than data.
    """
    content = load(Path(path))
    if not isinstance(content, dict) or not isinstance(content.get("optlab"), dict) or "run" not in content["optlab"]:
        raise UserError(
            f"ckpt={path}: not a checkpoint of this version of optlab, which also holds the config and the data "
            "set's shape"
        )
    state = content.get("state_dict")
    if not isinstance(state, dict) or not state:
        raise damaged(path, "it has no weights (state_dict)")
    for name, value in state.items():
        if not isinstance(name, str) or not (is_plain(value) or name.endswith("_extra_state")):
            raise damaged(path, f"{name} among its weights is no tensor")
    check_sizes(path, content)
    facts = read_facts(path, content["optlab"]["run"])
    return Checkpoint(
        path=str(path),
        config=facts["config"],
        data=DataInfo.from_dict(facts["data"]),
        overrides=list(facts.get("overrides", ())),
        fingerprint=facts["fingerprint"],
        state_dict=dict(state),
        content=content,
        weights=facts.get("weights", {}),
    )


def load(path: Path) -> Any:
    """What `torch.load` reads from the file, if it is one of torch's own archives and holds data only."""
    if not path.is_file():
        what = "not a file" if path.exists() else "no such file"
        raise UserError(f"ckpt={path}: {what}; a run keeps last.ckpt and best.ckpt under its checkpoints folder")
    unreadable = f"ckpt={path}: not a readable checkpoint; a run keeps last.ckpt and best.ckpt"
    try:
        with zipfile.ZipFile(path) as archive:
            packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise UserError(unreadable) from error
    if packed:  # torch stores its tensors as they are; a small file could unpack to all memory
        raise damaged(path, "its content is compressed, which optlab never does")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise damaged(
            path, "it holds objects that are no weights, which could run the code of whoever wrote it; nothing was run"
        ) from error
    except Exception as error:  # torch raises several types for a damaged file
        raise UserError(unreadable) from error


def check_sizes(path: str | Path, content: Any) -> None:
    """Raise UserError for a tensor that claims more values than the file holds for it."""
    stack = [content]
    while stack:
        value = stack.pop()
        if isinstance(value, Tensor) and value.layout == torch.strided and value.device.type == "cpu":
            if value.numel() * value.element_size() > value.untyped_storage().nbytes():
                raise damaged(path, f"a tensor of the shape {list(value.shape)} is larger than what the file holds")
        elif isinstance(value, Mapping):
            stack += value.values()
        elif isinstance(value, (list, tuple)):
            stack += value


def is_plain(value: Any) -> bool:
    """Whether this is a tensor with values of its own in ordinary memory."""
    return (
        isinstance(value, Tensor)
        and value.device.type == "cpu"
        and value.layout == torch.strided
        and not value.is_quantized
    )


def is_finite(value: Any) -> bool:
    inexact = isinstance(value, Tensor) and (value.is_floating_point() or value.is_complex())
    return not inexact or bool(value.isfinite().all())


# -- comparing


def check_model(saved: Checkpoint, config: Config, info: DataInfo, fingerprint: str) -> None:
    """Raise UserError when the checkpoint's network is not the one that is asked for, or read its inputs otherwise.

    Args:
        fingerprint: of the data of `info`; other data has other means, which is no damage.
    """
    theirs, ours, data = saved.config["model"], config.model.plain, saved.data
    module, wanted = saved.config.get("module"), None if config.module is None else config.module.plain
    if unnamed(module) != unnamed(wanted):
        raise UserError(
            f"ckpt={saved.path} holds {module_named(module)}, and {module_named(wanted)} is asked for; "
            "type the module that it was trained with, or leave it out where conf/module names it"
        )
    if theirs != ours:
        raise UserError(
            f"ckpt={saved.path} holds {named(theirs)}{options(theirs)}, and "
            f"{named(ours)}{options(ours)} is asked for; leave the model out and it comes from the checkpoint"
        )
    if (data.input_shape, data.outputs) != (info.input_shape, info.outputs):
        raise UserError(
            f"ckpt={saved.path} was trained on {data.name} ({shape(data)}) and cannot take {info.name} ({shape(info)})"
        )
    for key in ("task", "pixel_max", *(("mean", "std") if saved.fingerprint == fingerprint else ())):
        was, now = getattr(data, key), getattr(info, key)
        if not same(was, now):
            raise UserError(
                f"ckpt={saved.path} was trained on {piece(data.name)} with {key}={piece(was)}, and {info.name} has "
                f"{key}={now}; put the data back as they were"
            )
    if wanted is None:
        saved.check_weights(ours, info)


def unnamed(options: Any) -> Any:
    """The options of a group without the name that runs are called by."""
    return {key: each for key, each in options.items() if key != "name"} if isinstance(options, Mapping) else options


def module_named(module: Mapping[str, Any] | None) -> str:
    if not isinstance(module, Mapping):
        return "optlab's own module"
    return f"module._target_={piece(module.get('_target_'))}{options(module)}"


def named(model: Mapping[str, Any]) -> str:
    return f"model={piece(model['name'])}"


def options(settings: Mapping[str, Any]) -> str:
    pairs = [f"{key}={value}" for key, value in settings.items() if key not in ("name", "_target_")]
    return f" ({piece(', '.join(pairs))})" if pairs else ""


def shape(info: DataInfo) -> str:
    return f"{'x'.join(map(str, info.input_shape))} inputs, {info.outputs} outputs"


def some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(map(str, names[:SHOWN])) + more
