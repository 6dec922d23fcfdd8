"""The pictures of `predictions/`: a confusion matrix, and a sheet of the samples that were classified worst."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font

if TYPE_CHECKING:
    from optlab.callbacks.predictions import Wrong

log = logging.getLogger(__name__)

DPI = 150
NUMBERED = 25  # classes up to which each cell holds its number
NAMED = 60  # classes up to which each row has its name
WIDEST = 5  # pictures in a row of the sheet
LONGEST = 14  # characters of a name under a picture


def confusion_picture(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> Figure:
    """Rows are true classes and columns predictions; the shade is the share of the row, the number the count.

    Args:
        confusion: counts, [true class][predicted class].
        classes: the names of the classes, as `names_to_draw` gives them.
    """
    counts = np.asarray(confusion, dtype=float)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = min(12.0, 2.6 + 0.36 * len(classes))
    figure = Figure(figsize=(side + 0.8, side), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ticks = range(0, len(classes), 1 if len(classes) <= NAMED else len(classes) // 20)
    names = [classes[i] for i in ticks]
    axes.set_xticks(ticks, names, rotation=90 if max(map(len, names)) > 2 else 0, parse_math=False)
    axes.set_yticks(ticks, names, parse_math=False)
    axes.set(xlabel="prediction", ylabel="label", title=f"{int(counts.sum()):,} samples of the test split")
    if len(classes) <= NUMBERED:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                color = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column, row, f"{count:.0f}", ha="center", va="center", fontsize=7, color=color)
    figure.colorbar(image, ax=axes, label="share of the label's samples", shrink=0.8)
    return figure


def contact_sheet(wrong: Sequence[Wrong], names: Mapping[str, str]) -> Figure:
    """The pictures in the order of their losses, each with its label, and what it was taken for, by drawn names."""
    columns = min(WIDEST, len(wrong))
    rows = -(-len(wrong) // columns)
    figure = Figure(figsize=(1.9 * columns, 2.2 * rows + 0.4), dpi=DPI, layout="constrained")
    grid: Any = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, each in zip(grid.flat, wrong, strict=False):
        assert each.image is not None
        gray = each.image.shape[2] == 1
        picture = each.image[:, :, 0] if gray else each.image
        axes.imshow(picture, cmap="gray" if gray else None, vmin=0, vmax=255, interpolation="nearest")
        how = "taken for" if each.prediction != each.label else "rightly"
        said = f"{how} {names[each.prediction]} ({100 * each.probability:.0f} %)"
        axes.set_title(f"{names[each.label]}\n{said}", fontsize=8, parse_math=False)
    figure.suptitle(f"the {len(wrong)} samples of the test split with the highest loss", fontsize=9)
    return figure


def names_to_draw(classes: Sequence[str]) -> list[str]:
    """The names of classes, cut to fit; `class 3` for one with letters that the font lacks, and a line that says so."""
    letters = get_font(findfont(FontProperties())).get_charmap()
    lacking = [place for place, name in enumerate(classes) if not all(ord(letter) in letters for letter in name)]
    if lacking:
        log.info("predictions: the font lacks letters of class names (%d of them); the tables have all", len(lacking))
    return [f"class {place}" if place in lacking else short(name) for place, name in enumerate(classes)]


def short(name: str) -> str:
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"
