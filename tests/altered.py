"""Checkpoints that somebody altered: a piece dropped, or something else in its place."""

import json
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from optlab.config import compose
from optlab.run import run
from tests.conftest import words_of

Change = Callable[[Any, Any], None]  # of (holder, key)

WORDS = words_of("trainer.max_epochs=1", "seed=3")


def made_checkpoint(folder: Path, *words: str) -> dict[str, Any]:
    """The content of a small run's checkpoint."""
    words = (*WORDS, *words)
    run(compose(words), folder, overrides=words)
    return content_of(folder / "checkpoints" / "last.ckpt")


def content_of(path: Path) -> dict[str, Any]:
    """What a checkpoint holds, with what it says of its run as a dict under `run`."""
    content: dict[str, Any] = torch.load(path, weights_only=True)
    content["run"] = json.loads(content["optlab"]["run"])
    return content


def save(content: Mapping[str, Any], path: Path) -> Path:
    """Write what `content_of` reads, as any program could."""
    whole = {key: value for key, value in content.items() if key != "run"}
    if "run" in content and isinstance(whole.get("optlab"), dict) and "run" in whole["optlab"]:
        whole["optlab"] = whole["optlab"] | {"run": json.dumps(content["run"])}
    torch.save(whole, path)
    return path


def picture() -> Path:
    path = Path("digit.png")
    Image.new("L", (8, 8)).save(path)
    return path


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every piece in nested dicts and lists."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield (*path, key)
        yield from places(each, (*path, key))


def changed(content: Mapping[str, Any], path: tuple[Any, ...], change: Change) -> dict[str, Any]:
    """A copy in which `change(holder, key)` was made at this path."""
    copy = deepcopy(dict(content))
    holder: Any = copy
    for key in path[:-1]:
        holder = holder[key]
    change(holder, path[-1])
    return copy


def put(value: Any) -> Change:
    def change(holder: Any, key: Any) -> None:
        holder[key] = value

    return change


def drop(holder: Any, key: Any) -> None:
    del holder[key]
