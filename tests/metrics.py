"""Reading a run's metrics.csv back, number for number."""

import csv
from pathlib import Path

from optlab.record import Row


def read_metrics(path: Path) -> list[Row]:
    """The rows of `metrics.csv`: epoch and step as int, the rest as float, an empty cell as None."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            {
                key: None if not cell else int(cell) if key in ("epoch", "step") else float(cell)
                for key, cell in row.items()
            }
            for row in csv.DictReader(file)
        ]
