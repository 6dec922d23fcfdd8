"""What a run wrote down about itself in its checkpoint, and what it must be: the file may come from anywhere."""

import json
import math
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, PositiveFloat, ValidationError, model_validator

from optlab.data.augment import AUGMENTATIONS
from optlab.errors import UserError, piece
from optlab.rules.tasks import TaskName, task_of

LARGEST_INPUT = 2**30  # values of one sample: above any data set, below what a machine cannot hold


class _Facts(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class _Option(_Facts):
    name: str
    target: Annotated[str, Field(alias="_target_")]


class _DatasetOption(_Option):
    augment: str

    @model_validator(mode="after")
    def is_known(self) -> Self:
        if self.augment not in AUGMENTATIONS:
            raise ValueError(f"augment is one of {', '.join(AUGMENTATIONS)}")
        return self


class _TrainerSettings(_Facts):
    max_epochs: int
    max_steps: int = -1


class _Config(_Facts):
    """The parts of a config that are read from a checkpoint; older runs may lack what came later."""

    model: _Option
    optimizer: _Option
    lr: _Option
    dataset: _DatasetOption
    loss: _Option
    trainer: _TrainerSettings
    logger: dict[str, Any]
    callbacks: dict[str, Any]
    seed: Annotated[int, Field(ge=0, lt=2**64)]


class _Data(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    name: str
    task: TaskName
    input_shape: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1, max_length=8)]
    classes: list[str]
    outputs: Annotated[int, Field(ge=1)]
    mean: list[FiniteFloat] | None
    std: list[Annotated[FiniteFloat, Field(gt=0)]] | None
    pixel_max: Annotated[PositiveFloat, Field(allow_inf_nan=False)] = 255.0
    tokens: bool = False
    class_weights: list[Annotated[FiniteFloat, Field(ge=0)]] | None = None

    @model_validator(mode="after")
    def fits_together(self) -> Self:
        if math.prod(self.input_shape) > LARGEST_INPUT:
            raise ValueError(f"input_shape is {'x'.join(map(str, self.input_shape))}, too large for a sample")
        if self.classes and len(self.classes) != task_of(self.task).names(self.outputs):
            raise ValueError(f"{len(self.classes)} classes for {self.outputs} outputs")
        if not all(name.isprintable() for name in (self.name, *self.classes)):
            raise ValueError("a name holds control characters")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("a class stands there twice")
        channels = self.input_shape[0] if len(self.input_shape) == 3 else None
        for name, values in (("mean", self.mean), ("std", self.std)):
            if channels is not None and values is not None and len(values) != channels:
                raise ValueError(f"{len(values)} values of {name} for {channels} channels")
        return self


class _Run(_Facts):
    config: _Config
    data: _Data
    overrides: list[str] = []
    weights: dict[str, str | int | list[str]] = {}
    fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]

    @model_validator(mode="after")
    def agrees(self) -> Self:
        chosen = self.config.dataset.model_extra or {}
        for key in ("mean", "std"):
            value = getattr(self.data, key)
            if None not in (value, chosen.get(key)) and not same(value, chosen[key]):
                raise ValueError(f"data.{key} is {piece(value)}, and config.dataset.{key} {piece(chosen[key])}")
        return self


def read_facts(path: str | Path, text: Any) -> dict[str, Any]:
    """What a run wrote down about itself, as JSON: config, data, overrides and fingerprint.

    Raises:
        UserError: a piece is missing or is not what it should be; the first such piece is named.
    """
    try:
        facts = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise damaged(path, f"what it says of its run is no JSON ({one_line(error)})") from error
    try:
        _Run.model_validate(facts)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "what it says of its run"
        raise damaged(path, f"{where}: {first['msg'].removeprefix('Value error, ')}") from error
    assert isinstance(facts, dict)
    return facts


def damaged(path: str | Path, what: str) -> UserError:
    return UserError(f"ckpt={path} is damaged or was altered: {piece(what)}; use another checkpoint of the run")


def same(theirs: Any, ours: Any) -> bool:
    """Whether both are None, equal, or numbers as near as another machine computes them."""
    if isinstance(ours, (float, int)) and isinstance(theirs, (float, int)):
        return math.isclose(theirs, ours, rel_tol=1e-3, abs_tol=1e-6)
    if isinstance(ours, (list, tuple)) and isinstance(theirs, (list, tuple)):
        return len(ours) == len(theirs) and all(map(same, theirs, ours))
    return bool(theirs == ours)


def one_line(error: Exception) -> str:
    return piece(" ".join(f"{type(error).__name__}: {error}".split()))
