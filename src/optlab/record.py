"""What a run leaves on disk: its identity, status and numbers, in files that other programs read.

A run folder holds `run.json` (one JSON object, replaced whole at each change of status) and `metrics.csv`
(one row an epoch). Nothing here imports torch, so that reports can read runs made anywhere.
"""

import hashlib
import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Self, get_args, get_origin, get_type_hints

from optlab.errors import UserError

SCHEMA = 1
RECORD_FILE = "run.json"
METRICS_FILE = "metrics.csv"
CHECKPOINT_FOLDER = "checkpoints"

# From the one that got furthest on. `stopped`: ended early by plan (`until`), and may go on.
Status = Literal["finished", "diverged", "stopped", "failed", "interrupted", "running"]
Phase = Literal["train", "tune", "confirm"]
Row = dict[str, float | int | None]

# What cannot change the numbers of a run, and so is no part of its identity.
NOT_IDENTITY = (
    "sweep",
    "retry",
    "dry_run",
    "report",
    "until",
    "phase",
    "protocol",
    "mode",
    "trace",
    "lang",
    "ckpt",
    "input",
    "find_lr",
    "logger",
    "traceback",
    "trust",
    "eval_batch_size",
    "engine",
    "cpu_kernels",
    "callbacks.progress",
    "callbacks.checkpoint",
    "callbacks.test_curve",
    "callbacks.predictions",
    "callbacks.instruments",
    "optimizer.search",
    "dataset.download",
    "dataset.workers",
    "trainer.enable_progress_bar",
    "trainer.profiler",
    "trainer.compile",
    "trainer.threads",
)

# What is no training run is told apart from one, and from one of its kind with other options.
IDENTITY_OF_MODE = {"find_lr": ("mode", "find_lr")}

# Keys that came later and do change the numbers: at this value a run is what it was before there was such a key.
LEFT_OUT_AT: dict[str, Any] = {
    "module": None,
    "metrics": {},
    "loss.weight": None,
    "dataset.class_weights": None,
    "dataset.memory": None,
    "model.weights": None,
    "model.freeze": [],
}


class OtherSchema(UserError):
    """A record that another version of the program wrote: whole, and its result worth keeping."""


def identity(config: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the resolved config, as JSON holds it, without what cannot change the result."""
    kept: dict[str, Any] = json.loads(json.dumps(config))
    # Where a downloaded data set lies changes nothing; which folder of images is trained on changes everything.
    paths = [*NOT_IDENTITY, *LEFT_OUT_AT, *(["dataset.root"] if "download" in kept.get("dataset", {}) else [])]
    own = IDENTITY_OF_MODE.get(str(kept.get("mode")), ())
    for path in (path for path in paths if path not in own):
        *parents, key = path.split(".")
        node: Any = kept
        for parent in parents:
            node = node.get(parent) if isinstance(node, dict) else None
        if isinstance(node, dict) and (path not in LEFT_OUT_AT or node.get(key) == LEFT_OUT_AT[path]):
            node.pop(key, None)
    return kept


def run_id(config: Mapping[str, Any]) -> str:
    """The first 8 hex digits of a SHA-256 over the config's identity."""
    text = json.dumps(identity(config), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def job_name(config: Mapping[str, Any]) -> str:
    """A sweep's folder name for a run, readable and unique: `<optimizer>-lr<lr>-seed<seed>-<id>`."""
    optimizer = config["optimizer"]
    name = f"{optimizer['name']}-lr{optimizer['lr']}-seed{config['seed']}-{run_id(config)}"
    return re.sub(r"[^\w.+-]", "_", name)


def model_of(config: Mapping[str, Any]) -> str:
    """The name of what is trained: a network of the group `model`, or a user's own LightningModule."""
    module = config.get("module")
    return str(module.get("name") or module["_target_"].rpartition(".")[2] if module else config["model"]["name"])


@dataclass
class RunRecord:
    """The content of `run.json`, schema 1. Times are in seconds unless a name says otherwise."""

    id: str
    optimizer: str
    model: str
    dataset: str
    lr_schedule: str
    lr: float
    seed: int
    overrides: list[str]
    config: dict[str, Any]
    phase: str = "train"
    status: Status = "running"
    metrics: dict[str, float | None] = field(default_factory=dict)
    best: dict[str, Any] = field(default_factory=dict)
    epochs: int = 0
    steps: int = 0
    timing: dict[str, float | None] = field(default_factory=dict)
    costs: dict[str, float | None] = field(default_factory=dict)  # of the optimizer (see optlab.callbacks.costs)
    environment: dict[str, Any] = field(default_factory=dict)
    numerics: dict[str, Any] = field(default_factory=dict)  # what changes bits, and not what is computed
    data: dict[str, Any] = field(default_factory=dict)
    network: dict[str, Any] = field(default_factory=dict)  # how large it is, what of it learns, what it began with
    test: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] | None = None
    diverged: dict[str, Any] | None = None
    ended: dict[str, Any] | None = None  # why training ended (see optlab.rules.ends); None where it was broken off
    continued_from: dict[str, Any] | None = None  # the other run whose first epochs are its own (see optlab.continued)
    advice: list[dict[str, Any]] | None = None  # what to do differently (see optlab.rules.advice); None: not looked for

    @classmethod
    def begin(cls, config: Mapping[str, Any], overrides: Iterable[str] = ()) -> Self:
        """The record of a run that has not trained yet."""
        return cls(
            id=run_id(config),
            optimizer=config["optimizer"]["name"],
            model=model_of(config),
            dataset=config["dataset"]["name"],
            lr_schedule=config["lr"]["name"],
            lr=float(config["optimizer"]["lr"]),
            seed=config["seed"],
            overrides=list(overrides),
            config=dict(config),
            phase=config["phase"],
        )

    def write(self, folder: Path) -> None:
        """Replace `folder/run.json` by this record, so that no reader ever sees half of it.

        Raises:
            UserError: the folder cannot be written (full, read-only).
        """
        content = {"schema": SCHEMA, "id": self.id, "status": self.status} | asdict(self)
        write_whole(folder / RECORD_FILE, json.dumps(finite(content), indent=2, allow_nan=False) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The record in `folder/run.json`.

        Raises:
            OtherSchema: another version wrote it.
            UserError: there is none, or it is damaged.
        """
        path = folder / RECORD_FILE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror})") from error
        except ValueError as error:
            raise UserError(f"{path}: damaged, this is not JSON ({error})") from error
        if not isinstance(content, dict):
            raise UserError(f"{path}: damaged, this is no JSON object")
        if (found := content.get("schema")) != SCHEMA:
            raise OtherSchema(f"{path}: schema {found!r} is not known to this version, which reads {SCHEMA}")
        hints = get_type_hints(cls)
        for name, hint in hints.items():
            if name in content and not is_of(content[name], hint):
                raise UserError(f"{path}: damaged, {name} is {content[name]!r:.60}")
        try:
            return cls(**{key: value for key, value in content.items() if key in hints})
        except TypeError as error:
            raise UserError(f"{path}: damaged, a field is missing ({error})") from error


def is_of(value: object, hint: Any) -> bool:
    """Whether what JSON held fits the annotation of a field of the record."""
    origin, inner = get_origin(hint) or hint, get_args(hint)
    if origin is Any:
        return True
    if origin is Literal:
        return value in inner
    if origin is UnionType:
        return any(is_of(value, each) for each in inner)
    if isinstance(value, bool):  # an int to Python, and in no field
        return False
    if isinstance(value, dict) and origin is dict:
        return all(is_of(each, inner[1]) for each in value.values())
    if isinstance(value, list) and origin is list:
        return all(is_of(each, inner[0]) for each in value)
    return isinstance(value, (int, float) if origin is float else origin)


def write_whole(path: Path, text: str) -> None:
    """Write a file through a temporary one and a rename.

    Raises:
        UserError: the folder cannot be written (full, read-only).
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> UserError:
    """The error for a folder that is full or read-only."""
    return UserError(
        f"cannot write {shortest(path)}: {error.strerror or error}; "
        "free some space or choose another folder with hydra.run.dir=FOLDER (of a sweep: hydra.sweep.dir=FOLDER)"
    )


def shortest(path: Path) -> Path:
    """The path relative to the working directory where it lies below it, for printing."""
    path = path.absolute()
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def finite(value: Any) -> Any:
    """The value with every number that is not finite as None: JSON has no NaN."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return value


def write_metrics(path: Path, rows: list[Row]) -> None:
    """Write `metrics.csv` whole: one row an epoch, a cell for what is not finite or was not measured empty."""
    lines = [",".join(columns(rows))]
    lines += [format_row(row, columns(rows)) for row in rows]
    write_whole(path, "\n".join(lines) + "\n")


def append_metrics(path: Path, rows: list[Row]) -> None:
    """Append the last of `rows` to `metrics.csv`; the header was written with the first.

    Raises:
        UserError: the folder cannot be written (full, read-only).
    """
    names = columns(rows[:-1])
    if len(rows) == 1 or set(rows[-1]) - set(names):
        write_metrics(path, rows)
        return
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(format_row(rows[-1], names) + "\n")
    except OSError as error:
        raise cannot_write(path, error) from error


def read_metrics(path: Path) -> list[Row]:
    """The rows of a `metrics.csv`, an empty cell as None; a last line that is still being written is left out.

    Raises:
        UserError: the file cannot be read, or a row does not fit its header. (Without a file there are no rows.)
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from error
    names, *lines = [line.split(",") for line in text[: text.rfind("\n") + 1].splitlines()] or [[]]
    try:
        return [
            {name: number(cell) if cell else None for name, cell in zip(names, cells, strict=True)} for cells in lines
        ]
    except ValueError as error:
        raise UserError(f"{path}: damaged, a row does not fit its header ({error})") from error


def number(cell: str) -> float | int:
    return int(cell) if cell.lstrip("-").isdigit() else float(cell)


def columns(rows: list[Row]) -> list[str]:
    """The columns of `metrics.csv` in the order in which the rows name them."""
    return list(dict.fromkeys(key for row in rows for key in row))


def format_row(row: Row, names: list[str]) -> str:
    return ",".join("" if (value := finite(row.get(name))) is None else repr(value) for name in names)
