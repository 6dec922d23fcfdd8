"""What a network gets wrong on the test split: the confusion matrix, and the samples that it is most wrong about."""

import csv
import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field
from torch import Tensor

from optlab.callbacks.contract import RunContext
from optlab.data.arrays import DataInfo
from optlab.data.batches import Batch, DeviceBatches
from optlab.errors import UserError
from optlab.module import TrainingModule
from optlab.record import shortest, write_whole
from optlab.rules.tasks import task_of
from optlab.tracking.tensorboard import MirrorToTensorBoard
from optlab.tracking.wandb import MirrorToWandb

log = logging.getLogger(__name__)

FOLDER = "predictions"
COLUMNS = ("index", "label", "prediction", "probability", "probability_of_label", "loss")


@dataclass(frozen=True)
class Wrong:
    """One sample, and what the network says of it.

    Attributes:
        index: its place in the test split, from 0.
        label, prediction: names of classes.
        probability: of the prediction, the largest of the softmax.
        probability_of_label: of the true class.
        loss: cross-entropy in nats, `-log(probability_of_label)`, whatever the run was trained with.
        image: uint8 [height, width, channels], as the data set holds it; None where a sample is no picture.
    """

    index: int
    label: str
    prediction: str
    probability: float
    probability_of_label: float
    loss: float
    image: NDArray[np.uint8] | None

    @property
    def row(self) -> list[Any]:
        numbers = [round(n, 6) for n in (self.probability, self.probability_of_label, self.loss)]
        return [self.index, self.label, self.prediction, *numbers]


class Predictions(Callback):
    """Writes `predictions/` into the run folder when the chosen weights are tested, and shows it in the trackers.

    The files are `confusion_matrix.csv` and `.png` (rows are true classes), `worst.csv` and, for images, `worst.png`.
    It looks on while the test split is evaluated, so it costs no pass of its own, and a run without it costs nothing.
    A run of phase "tune" never sees that split, so it has none, and neither has one that diverged before its test.

    Args:
        worst: how many samples are kept, those with the highest loss.
    """

    def __init__(self, worst: Annotated[int, Field(ge=1)] = 25) -> None:
        self.worst = worst
        self.folder: Path | None = None
        self.kept: Tensor | None = None  # float64 [at most worst, 5], a row a sample: see `rows_of`

    def check_data(self, info: DataInfo) -> None:
        """Refuse targets that are no classes.

        Raises:
            UserError: the data set is of something else.
        """
        if (task := task_of(info.task)).answers != "one":
            raise UserError(
                f"callbacks=predictions needs classes, and {info.name} has {task.words} as targets; "
                "type callbacks=default"
            )

    def begin_run(self, run: RunContext) -> None:
        """Write below the run's folder."""
        self.folder = run.folder / FOLDER
        if run.test_batches is None:
            log.info("callbacks=predictions: nothing to show, a tuning run does not look at the test split")

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.kept = None

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if len(batch.targets) == 0:  # the last batch held fewer samples than there are processes
            return
        first = batch_idx * test_batches(trainer).batch_size + trainer.global_rank
        rows = rows_of(outputs, batch.targets, first, trainer.world_size)
        self.kept = highest(rows if self.kept is None else torch.cat([self.kept, rows]), self.worst)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write what was found, on the first process."""
        assert isinstance(pl_module, TrainingModule)
        rows = self.gathered(trainer)
        if not trainer.is_global_zero or self.folder is None:
            return
        wrong = described(rows, pl_module.info, test_batches(trainer))
        confusion = pl_module.qualities["test"].confusion
        write(self.folder, confusion, wrong, pl_module.info.classes)
        log.info(
            "predictions: the confusion matrix and the %d worst classified in %s", len(wrong), shortest(self.folder)
        )
        for logger in trainer.loggers:
            show(logger, self.folder, confusion, pl_module.info.classes, wrong)

    def gathered(self, trainer: Trainer) -> Tensor:
        """The worst rows of all processes."""
        rows = torch.empty(0, 5) if self.kept is None else self.kept
        if trainer.world_size > 1:  # as many rows from each; a row that stands for none has an infinitely low loss
            filled = torch.full((self.worst, 5), -torch.inf, dtype=torch.float64, device=trainer.strategy.root_device)
            filled[: len(rows)] = rows
            rows = trainer.strategy.all_gather(filled).reshape(-1, 5)
            rows = rows[rows[:, 0] > -torch.inf]
        return highest(rows, self.worst).cpu()


def test_batches(trainer: Trainer) -> DeviceBatches:
    batches = trainer.test_dataloaders
    assert isinstance(batches, DeviceBatches)
    return batches


def rows_of(outputs: Tensor, targets: Tensor, first: int, step: int) -> Tensor:
    """A row a sample, float64 [n, 5]: loss, index, target, prediction, and the probability of the prediction.

    The samples stand at `first`, `first + step` ... in the split. A loss that is NaN counts as infinitely high.
    """
    logs = outputs.double().log_softmax(1)
    losses = -logs.gather(1, targets[:, None])[:, 0]
    best, predictions = logs.max(1)
    index = first + step * torch.arange(len(targets), device=targets.device)
    losses = losses.nan_to_num(nan=torch.inf, posinf=torch.inf)
    return torch.stack([losses, index.double(), targets.double(), predictions.double(), best.exp()], 1)


def highest(rows: Tensor, k: int) -> Tensor:
    """The `k` rows with the highest loss, the highest first; of equals the first in the split."""
    rows = rows[rows[:, 1].argsort()]
    return rows[rows[:, 0].argsort(descending=True, stable=True)[:k]]


def described(rows: Tensor, info: DataInfo, batches: DeviceBatches) -> list[Wrong]:
    """The rows in words, with the pictures as the data set holds them."""
    index = rows[:, 1].long()
    images: Sequence[NDArray[np.uint8] | None] = [None] * len(rows)
    if info.is_image and info.input_shape[0] in (1, 3):
        pixels, _ = batches.arrays.take(index.to(batches.arrays.device))
        scale = 255.0 / info.pixel_max
        images = list((pixels.cpu().float() * scale).round().to(torch.uint8).permute(0, 2, 3, 1).numpy())
    return [
        Wrong(
            int(place),
            info.classes[int(target)],
            info.classes[int(prediction)],
            probability,
            float(np.exp(-loss)),
            loss,
            image,
        )
        for (loss, place, target, prediction, probability), image in zip(rows.tolist(), images, strict=True)
    ]


def write(folder: Path, confusion: list[list[int]], wrong: list[Wrong], classes: Sequence[str]) -> None:
    """Write the files; each is replaced whole.

    Raises:
        UserError: the folder cannot be written (full, read-only).
    """
    from optlab.callbacks import pictures  # matplotlib's import takes a second

    folder.mkdir(parents=True, exist_ok=True)
    counts = [[name, *row] for name, row in zip(classes, confusion, strict=True)]
    write_whole(folder / "confusion_matrix.csv", as_csv(["label", *classes], counts))
    write_whole(folder / "worst.csv", as_csv(COLUMNS, [each.row for each in wrong]))
    names = pictures.names_to_draw(classes)
    pictures.confusion_picture(confusion, names).savefig(folder / "confusion_matrix.png")
    if wrong and wrong[0].image is not None:
        sheet = pictures.contact_sheet(wrong, dict(zip(classes, names, strict=True)))
        sheet.savefig(folder / "worst.png")


def as_csv(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()


# -- in the trackers


def show(
    logger: Logger, folder: Path, confusion: list[list[int]], classes: Sequence[str], wrong: Sequence[Wrong]
) -> None:
    """Give a tracker what it can show of it: W&B tables and pictures, TensorBoard the pictures."""
    if isinstance(logger, MirrorToWandb):
        logger.guard(lambda: show_in_wandb(logger.run, media(folder, confusion, classes, wrong)))
    elif isinstance(logger, MirrorToTensorBoard):
        logger.guard(lambda: show_in_tensorboard(logger, folder))


def show_in_tensorboard(logger: MirrorToTensorBoard, folder: Path) -> None:
    for path in sorted(folder.glob("*.png")):
        logger.experiment.add_image(f"{FOLDER}/{path.stem}", pixels_of(path), dataformats="HWC")


def show_in_wandb(run: Any, content: dict[str, Any]) -> None:
    # The summaries of numbers (min, max, last) would take the description of a picture for numbers and break it.
    run.define_metric("*", step_metric="trainer/global_step", overwrite=True)
    run.log(content)


def media(folder: Path, confusion: list[list[int]], classes: Sequence[str], wrong: Sequence[Wrong]) -> dict[str, Any]:
    """What W&B shows: the matrix as its own chart, the samples as a Table with pictures, and the two pictures.

    A Table is staged outside the run folder; the pictures are copied into it, so they outlive a move of the folder.
    """
    import wandb

    counts: list[Any] = [
        [actual, predicted, count]
        for actual, row in zip(classes, confusion, strict=True)
        for predicted, count in zip(classes, row, strict=True)
    ]
    fields = {"Actual": "Actual", "Predicted": "Predicted", "nPredictions": "nPredictions"}
    matrix = wandb.plot_table(
        vega_spec_name="wandb/confusion_matrix/v1",
        data_table=wandb.Table(columns=list(fields), data=counts),
        fields=fields,
        string_fields={"title": "confusion matrix of the test split"},
    )
    table = wandb.Table(columns=["image", *COLUMNS])
    for each in wrong:
        table.add_data(None if each.image is None else wandb.Image(each.image.squeeze()), *each.row)
    pictures = {f"{FOLDER}/{path.stem}_picture": wandb.Image(str(path)) for path in sorted(folder.glob("*.png"))}
    return {f"{FOLDER}/confusion_matrix": matrix, f"{FOLDER}/worst": table, **pictures}


def pixels_of(path: Path) -> NDArray[np.uint8]:
    """The picture, uint8 [height, width, 3]."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))
