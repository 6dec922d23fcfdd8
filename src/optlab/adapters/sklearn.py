"""What scikit-learn does not promise: where its digits lie.

Importing it takes a second, a quarter of the time until the first step of `python train.py`, to read one small file.
`tests/adapters/test_sklearn.py` says what it keeps from breaking.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt


def read_digits() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """`images` (uint8 [1797, 8, 8], 0 to 16) and `target` (int64 [1797]) of `sklearn.datasets.load_digits()`."""
    path = _file()
    if not path.is_file():  # of a scikit-learn that keeps it elsewhere
        from sklearn.datasets import load_digits

        raw = load_digits()
        return raw.images.astype(np.uint8), raw.target.astype(np.int64)
    rows = np.loadtxt(path, delimiter=",", dtype=np.int64)
    return rows[:, :-1].reshape(-1, 8, 8).astype(np.uint8), rows[:, -1].copy()


def _file() -> Path:
    spec = find_spec("sklearn")
    places = spec.submodule_search_locations if spec is not None else None
    return Path(*places[:1] if places else (), "datasets", "data", "digits.csv.gz")
