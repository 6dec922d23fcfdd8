"""Using a checkpoint: the test split again (`mode=test`), or a person's own images (`mode=predict`)."""

import csv
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from torch import nn

from optlab import checkpoint, resume, trust
from optlab.adapters.torch import on_threads, set_float32_precision
from optlab.building import build_module
from optlab.check import check_config
from optlab.config import resolve
from optlab.config.schema import Config
from optlab.console import print_metrics
from optlab.data import DataInfo, find_images, read_images
from optlab.data.augment import augmentation
from optlab.data.streamed import size_of
from optlab.errors import UserError
from optlab.hardware import build_trainer
from optlab.inputs import batches, load_data
from optlab.objective import objective_of
from optlab.record import finite, shortest, write_whole
from optlab.rules.tasks import task_of

log = logging.getLogger(__name__)

BATCH = 256  # images at a time
SHOWN_CLASSES = 3


def evaluate(cfg: DictConfig | Mapping[str, Any], folder: Path) -> float | None:
    """Test a checkpoint on the test split of the config's data set; writes `test.json`, returns the test metric.

    Raises:
        UserError: no checkpoint, another network, or a data set that does not fit it.
    """
    config = Config.parse(resolve(cfg))
    check_config(config)
    # As the checkpoint may say; one pass is over before a compiler is.
    config = config.with_(cpu_kernels=False, trainer=config.trainer.with_(compile=False))
    saved = checkpoint.read(wanted(config.ckpt, "test"))
    set_float32_precision(config.tf32)
    trainer = build_trainer(config, folder)
    data = load_data(config)
    checkpoint.check_model(saved, config, data.info, data.fingerprint)
    if saved.data.classes != data.info.classes:
        raise UserError(
            f"ckpt={saved.path} knows the classes {', '.join(saved.data.classes)}, "
            f"and {data.info.name} has {', '.join(data.info.classes)}"
        )
    saved.check_finite()
    if saved.fingerprint != data.fingerprint:
        log.warning(
            "%s is not the data that %s was trained with: where the split is drawn from it, "
            "its test part may hold images that were trained on",
            data.info.name,
            saved.path,
        )
    if different := resume.settings_that_differ(saved.config, config.plain):
        log.warning("tested with other settings than %s was trained with: %s", saved.path, ", ".join(different))
    module = build_module(config, data, saved=saved)
    saved.check_state(module, {"name": module.run_state.name})
    module.load_state_dict(saved.state_dict)
    with on_threads(config.trainer.threads):
        trainer.test(module, batches(config, data.info, data.test, trainer, train=False), verbose=False)
    metrics, details = module.run_state.metrics, module.run_state.details
    result = {
        "ckpt": saved.path,
        "samples": size_of(data.test),
        "metrics": metrics,
        "test": details,
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "test.json", json.dumps(finite(result), indent=2) + "\n")
    print_metrics(f"{module.run_state.name} on the test split of {data.info.name}", metrics, details, data.info.task)
    print(weights_of(saved))
    print(f"evaluation  {shortest(folder.absolute())}")
    usual = objective_of(config, data, module.run_state)[0] if config.module is None else config.metric or "acc"
    metric = usual.rpartition("/")[2]
    return metrics.get(f"test/{metric}")


def predict(cfg: DictConfig | Mapping[str, Any], folder: Path) -> list[dict[str, Any]]:
    """Classify an image or a folder of images with a checkpoint; prints a table and writes `predictions.csv`.

    Returns:
        One dict an image: `file`, `class`, `probability`, and `probabilities` of every class by name.

    Raises:
        UserError: no checkpoint, no image, a network that does not classify images, or a class of it that is not
            trusted (see `optlab.trust`).
    """
    config = Config.parse(resolve(cfg))
    path = wanted(config.ckpt, "predict")
    if config.input is None:
        raise UserError("mode=predict needs images; type input=photo.jpg or input=folder")
    saved = checkpoint.read(path)
    info, model = saved.data, saved.config["model"]
    if saved.config.get("module") is not None:
        raise UserError(
            f"ckpt={path} holds a LightningModule of a user's own, which says itself how it predicts: "
            "its class and load_from_checkpoint read the file"
        )
    if not info.is_image or not info.classes or task_of(info.task).answers not in ("one", "yes_no"):
        raise UserError(f"ckpt={path} was trained on {info.name}, which has no image classes to predict")
    if not config.trust:
        trust.check_options(f"ckpt={path}", "model", model, also=trust.targets(config.model.plain))
    saved.check_finite()
    device = build_trainer(config, folder).strategy.root_device
    network = saved.network().to(device).eval()
    normalise = augmentation(saved.config["dataset"]["augment"], info).eval

    files = find_images(Path(str(config.input)))
    rows: list[dict[str, Any]] = []
    unreadable: list[str] = []
    for first in range(0, len(files), BATCH):
        chunk, pixels = read_those_that_can_be(files[first : first + BATCH], info, unreadable)
        if pixels is None:
            continue
        images = scaled(pixels, info.pixel_max)
        with torch.inference_mode(), on_threads(config.trainer.threads):
            probabilities = probabilities_of(saved, network, normalise(images.to(device)))
        for file, row in zip(chunk, probabilities, strict=True):
            best = int(row.argmax())
            named = {name: round(p, 6) for name, p in zip(info.classes, row.tolist(), strict=True)}
            name = info.classes[best]
            rows.append({"file": str(file), "class": name, "probability": named[name], "probabilities": named})
    if not rows:
        raise UserError(unreadable[0])
    write_predictions(folder / "predictions.csv", rows)
    print_predictions(rows)
    print(weights_of(saved))
    print(f"all probabilities  {shortest((folder / 'predictions.csv').absolute())}")
    if unreadable:
        raise UserError(f"{len(unreadable)} of {len(files)} files were left out: {'; '.join(unreadable[:5])}")
    return rows


def weights_of(saved: checkpoint.Checkpoint) -> str:
    """Which of a run's weights were used: a run folder stands for its best, which its own test did not look at."""
    step = saved.content.get("global_step")
    return f"weights     {saved.path}{f' (step {step})' if isinstance(step, int) else ''}"


def probabilities_of(saved: checkpoint.Checkpoint, network: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """Float [n, classes] on the CPU.

    Raises:
        UserError: the network or its scale of the inputs is none that gives such.
    """
    model = checkpoint.named(saved.config["model"])
    try:
        outputs: Any = network(inputs)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:  # torch's, for inputs that do not fit
        raise saved.damaged(f"{model} cannot take an image ({checkpoint.one_line(error)})") from error
    wanted = [len(inputs), saved.data.outputs]
    if not isinstance(outputs, torch.Tensor) or list(outputs.shape) != wanted or outputs.is_complex():
        got = list(outputs.shape) if isinstance(outputs, torch.Tensor) else type(outputs).__name__
        raise saved.damaged(f"{model} gives {got} for images, and should give {wanted}")
    probabilities = shares(outputs.float(), saved.data).cpu()
    if not probabilities.isfinite().all():
        raise saved.damaged(f"{model} gives probabilities that are NaN; data.mean, data.std or its weights are amiss")
    return probabilities


def shares(outputs: torch.Tensor, info: DataInfo) -> torch.Tensor:
    """Of each class [n, classes]; of each label that it is there [n, labels]; of no and of yes [n, 2]."""
    if task_of(info.task).answers == "one":
        return outputs.softmax(1)
    yes = outputs.sigmoid()
    return torch.cat([1 - yes, yes], dim=1) if len(info.classes) == 2 * info.outputs else yes


def read_those_that_can_be(
    files: list[str], info: DataInfo, unreadable: list[str]
) -> tuple[list[str], torch.Tensor | None]:
    """The files that are images, and their pixels; what is wrong with the others is added to `unreadable`."""
    channels, height, width = info.input_shape
    try:
        return files, read_images(files, (height, width), channels)
    except UserError:
        good, pixels = [], []
        for file in files:
            try:
                pixels.append(read_images([file], (height, width), channels))
                good.append(file)
            except UserError as error:
                unreadable.append(str(error))
        return good, torch.cat(pixels) if pixels else None


def wanted(path: Any, mode: str) -> str:
    if path is None:
        raise UserError(f"mode={mode} needs a checkpoint; type ckpt=outputs/runs/RUN/checkpoints/best.ckpt")
    return str(path)


def scaled(images: torch.Tensor, pixel_max: float) -> torch.Tensor:
    """Pixels of image files (0 to 255) on the scale of the data set that the network learned from."""
    if pixel_max == 255.0:
        return images
    return (images.float() * (pixel_max / 255.0)).round().to(torch.uint8)


def write_predictions(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "class", "probability", *rows[0]["probabilities"]])
        for row in rows:
            writer.writerow([row["file"], row["class"], row["probability"], *row["probabilities"].values()])


def print_predictions(rows: list[dict[str, Any]]) -> None:
    table = Table("image", "class", "probability", "then")
    for row in rows:
        ranked = sorted(row["probabilities"].items(), key=lambda item: -item[1])[1:SHOWN_CLASSES]
        then = ", ".join(f"{name} {probability:.3f}" for name, probability in ranked)
        cells = (str(shortest(Path(row["file"]))), row["class"], f"{row['probability']:.3f}", then)
        table.add_row(*map(escape, cells))
    Console(highlight=False).print(table)
