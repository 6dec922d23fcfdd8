"""Weights that a network starts from: out of a file, or those that its own class or function comes with."""

import hashlib
import logging
import pickle
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from optlab.config.signature import locate
from optlab.create import create
from optlab.data.arrays import DataInfo
from optlab.errors import UserError
from optlab.networks.arguments import OUTPUTS, OUTPUTS_OR_ELSE, OWN, given, parameters_of
from optlab.networks.build import fetched, named, what_failed
from optlab.networks.frozen import SHOWN
from optlab.seeds import default_stream

log = logging.getLogger(__name__)

Weights = dict[str, Tensor]
SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")
NESTED = (
    "state_dict",
    "model_state_dict",
    "model",
    "network",
    "net",
)  # where a checkpoint has them


@dataclass(frozen=True)
class Loaded:
    """What a network's weights came from, and which of its tensors stayed as they were drawn."""

    source: str  # as it was typed
    sha256: str  # of the file; of the tensors where there is none
    tensors: int
    new: dict[str, str]  # name of a tensor that does not fit -> why

    @property
    def line(self) -> str:
        if not self.new:
            return f"weights: all {self.tensors} tensors from {self.source}"
        shown = ", ".join(f"{name} {why}" for name, why in list(self.new.items())[:SHOWN])
        more = f" and {len(self.new) - SHOWN} more" if len(self.new) > SHOWN else ""
        count = f"{len(self.new)} of {self.tensors} tensors do not fit and stay new"
        return f"weights: from {self.source}; {count}: {shown}{more}"

    def to_dict(self) -> dict[str, Any]:
        return {"source": self.source, "sha256": self.sha256, "tensors": self.tensors, "new": list(self.new)}


def check_weights(options: Mapping[str, Any]) -> None:
    """Raise UserError for `weights` that are neither a file nor anything that the class takes under that name."""
    weights = options.get("weights")
    if weights is None or (path := Path(str(weights)).expanduser()).is_file():
        return
    if path.is_dir():
        raise UserError(f"model.weights={weights}: is a folder; name a file of weights in it")
    if "/" in str(weights) or path.suffix in SUFFIXES:
        raise UserError(f"model.weights={weights}: there is no such file")
    target = locate("model", options.get("_target_"))
    if "weights" not in parameters_of(target, options):
        name = getattr(target, "__name__", str(target))
        raise UserError(f"model.weights={weights}: there is no such file, and {name} has no weights of its own")


def start(network: nn.Module, options: Mapping[str, Any], info: DataInfo, seed: int) -> dict[str, Any]:
    """`load` at a seed, as what a class makes besides its weights is drawn; where they came from, for the record."""
    with default_stream(seed, "weights"):
        loaded = load(network, options, info)
    return loaded.to_dict() if loaded is not None else {}


def load(network: nn.Module, options: Mapping[str, Any], info: DataInfo) -> Loaded | None:
    """Give a network the weights that its options ask for; None where they ask for none.

    A tensor of another shape, such as a last layer for other classes, stays as it is.

    Args:
        options: of the group `model`: `weights` names a file, or what the class or function has under that name;
            `pretrained` and the like are its own as well.

    Raises:
        UserError: they cannot be read or had, nothing in them fits, or they are not finite.
    """
    check_weights(options)
    weights = options.get("weights")
    path = Path(str(weights)).expanduser()
    if weights is not None and path.is_file():
        source, state, digest = str(weights), read(path, str(weights)), file_digest(path)
    elif asked := {**fetched(options), **({"weights": weights} if weights is not None else {})}:
        source = ", ".join(f"{key}={value}" for key, value in asked.items())
        state = state_of(options, asked, info)
        digest = digest_of(state)
    else:
        return None
    typed = f"model.weights={source}" if weights is not None else f"model.{source}"
    if wrong := [name for name, value in state.items() if value.is_floating_point() and not value.isfinite().all()]:
        raise UserError(f"{typed}: holds numbers that are NaN or infinite ({wrong[0]}); use other weights")
    loaded = Loaded(source, digest, len(network.state_dict()), fit(network, state, typed))
    much = 2 * len(loaded.new) > loaded.tensors
    log.log(logging.WARNING if much else logging.INFO, loaded.line)
    return loaded


def fit(network: nn.Module, state: Weights, typed: str) -> dict[str, str]:
    """Load what fits; the tensors of the network that do not, with what stands against it."""
    ours = {name: value for name, value in network.state_dict().items() if isinstance(value, Tensor)}
    theirs = renamed(state, ours)
    new = {name: why for name, value in ours.items() if (why := misfit(value, theirs.get(name)))}
    if not any(name not in new for name, _ in network.named_parameters()):
        raise UserError(
            f"{typed}: nothing in it fits the network: it has {shown(state)}, and the network {shown(ours)}; "
            "name weights of this network"
        )
    network.load_state_dict({name: theirs[name] for name in ours if name not in new}, strict=False)
    return new


def misfit(ours: Tensor, theirs: Tensor | None) -> str:
    if theirs is None:
        return "(not there)"
    if theirs.shape != ours.shape:
        return f"({list(theirs.shape)} there, {list(ours.shape)} here)"
    return "" if theirs.is_floating_point() == ours.is_floating_point() else f"({theirs.dtype} there)"


def shown(state: Weights) -> str:
    return ", ".join(f"{name} {list(value.shape)}" for name, value in list(state.items())[:2]) + ", ..."


def renamed(theirs: Weights, ours: Weights) -> Weights:
    """Their tensors by our names: one of both may hold the network as a part (`module.`, `network.`, `model.`)."""
    votes: Counter[tuple[str, str]] = Counter({("", ""): 0})
    for name, value in theirs.items():
        votes.update((prefix, "") for prefix, tail in tails(name) if tail in ours and ours[tail].shape == value.shape)
    for name, value in ours.items():
        for prefix, tail in tails(name):
            if prefix and tail in theirs and theirs[tail].shape == value.shape:
                votes[("", prefix)] += 1
    without, before = max(votes, key=lambda each: (votes[each], -len(each[0]) - len(each[1])))
    return {before + name.removeprefix(without): value for name, value in theirs.items() if name.startswith(without)}


def tails(name: str) -> Iterator[tuple[str, str]]:
    """("", "a.b.c"), ("a.", "b.c"), ("a.b.", "c")."""
    parts = name.split(".")
    for number in range(len(parts)):
        tail = ".".join(parts[number:])
        yield name.removesuffix(tail), tail


# -- where they come from


def read(path: Path, typed: str) -> Weights:
    """The tensors in a file by their names: a state dict, or a checkpoint that holds one.

    Raises:
        UserError: it cannot be read, holds objects that are no data, or no tensors by name.
    """
    try:
        content = read_safetensors(path) if path.suffix == ".safetensors" else load_data_only(path)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"model.weights={typed}: is no file of weights alone: it holds objects whose code would run, or is "
            "damaged; nothing was run; save them by torch.save(network.state_dict(), FILE)"
        ) from error
    except UserError:
        raise
    except Exception as error:  # each reader has its own for a damaged file
        raise UserError(f"model.weights={typed}: not a readable file of weights ({what_failed(error)})") from error
    while isinstance(content, Mapping):
        inner = next((content[key] for key in NESTED if isinstance(content.get(key), Mapping)), None)
        if inner is None:
            break
        content = inner
    tensors = content.items() if isinstance(content, Mapping) else ()
    state = {str(name): value for name, value in tensors if is_plain(value)}
    if not state:
        raise UserError(f"model.weights={typed}: holds no tensors by name; save network.state_dict()")
    return state


def load_data_only(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


def read_safetensors(path: Path) -> Any:
    try:
        from safetensors.torch import load_file
    except ImportError as error:
        raise UserError(f"model.weights={path}: reading it needs pip install safetensors") from error
    return load_file(path)


def is_plain(value: Any) -> bool:
    return isinstance(value, Tensor) and value.layout == torch.strided and not value.is_quantized


def state_of(options: Mapping[str, Any], asked: Mapping[str, Any], info: DataInfo) -> Weights:
    """The weights that the class or function gives its network when it is asked for them."""
    arguments = {key: value for key, value in options.items() if key not in OWN}
    arguments |= {**given(arguments, info), **asked}
    if "weights" in asked:  # which are for outputs of their own
        arguments = {key: value for key, value in arguments.items() if key not in (*OUTPUTS, *OUTPUTS_OR_ELSE)}
    try:
        network: nn.Module = create(arguments)
    except Exception as error:  # of the class itself, of a hub, or of a network that is not there
        wanted = ", ".join(f"model.{key}={value}" for key, value in asked.items())
        raise UserError(
            f"{wanted}: {named(options)} cannot get them: {what_failed(error)}; "
            "model.weights=FILE takes those of a file"
        ) from error
    return {name: value for name, value in network.state_dict().items() if is_plain(value)}


def file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(state: Weights) -> str:
    digest = hashlib.sha256()
    for name, value in state.items():
        digest.update(f"{name} {value.dtype} {list(value.shape)}\n".encode())
        digest.update(value.detach().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
