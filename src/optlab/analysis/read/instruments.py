"""What was measured within a run: its instruments.csv, as columns that figures are drawn from."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from optlab.rules.instruments import ALL, BY_NAME, Row, layers_of, of_layer, read

FloatArray = NDArray[np.float64]
Measured = Mapping[str, Mapping[str, FloatArray]]  # layer: `step` and each quantity: [measured steps], NaN for no value


def read_measured(folder: Path) -> dict[str, dict[str, FloatArray]]:
    """The columns of a run folder's instruments.csv by layer, `all` first; nothing where there is no such file.

    Raises:
        UserError: the file is damaged.
    """
    rows = read(folder)
    return {layer: columns_of(of_layer(rows, layer)) for layer in (ALL, *layers_of(rows))} if rows else {}


def columns_of(rows: list[Row]) -> dict[str, FloatArray]:
    """`step`, and the quantities that have a value anywhere."""
    values = {name: np.array([math.nan if (v := row[name]) is None else v for row in rows]) for name in BY_NAME}
    known = {name: column for name, column in values.items() if np.isfinite(column).any()}
    return {"step": np.array([row.step for row in rows], dtype=float), **known}


def is_cut(measured: Measured, steps: int) -> bool:
    """Whether measurements are missing at the end of a run of so many steps: rows of the file were deleted."""
    if not measured:
        return False
    taken = measured[ALL]["step"]
    spacing = np.diff(taken).max(initial=0.0)
    return bool(len(taken) > 2 and steps - taken[-1] > spacing)
