"""What breaks when an upgrade of scikit-learn puts its digits elsewhere, in words."""

from pathlib import Path

import numpy as np
import pytest

from optlab.adapters import sklearn
from optlab.adapters.sklearn import read_digits


def test_the_digits_are_those_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn import datasets  # a second, which every worker would take

    expected = datasets.load_digits()
    monkeypatch.setattr(datasets, "load_digits", None)  # its import takes a second of every run on the digits
    images, target = read_digits()
    assert (images.dtype, target.dtype) == (np.dtype("uint8"), np.dtype("int64"))
    assert np.array_equal(images, expected.images)
    assert np.array_equal(target, expected.target)


def test_where_the_file_is_not_they_come_by_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    images, target = read_digits()
    monkeypatch.setattr(sklearn, "_file", lambda: Path("elsewhere.csv.gz"))
    slowly = read_digits()
    assert (slowly[0].dtype, slowly[1].dtype) == (images.dtype, target.dtype)
    assert np.array_equal(slowly[0], images)
    assert np.array_equal(slowly[1], target)
