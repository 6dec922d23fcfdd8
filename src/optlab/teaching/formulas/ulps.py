"""How far two numbers are apart, counted in the numbers that lie between them; and bfloat16, which NumPy lacks."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

FARTHEST = np.iinfo(np.int64).max


def ulps(a: ArrayLike, b: ArrayLike, precision: str = "float32") -> NDArray[np.int64]:
    """The distance between a and b in units in the last place: 0 where they are the same number, 1 for neighbours.

    Both are first rounded to the precision. Signed zeros are the same number, and the count goes through zero. NaN is
    FARTHEST from everything but NaN.

    Args:
        a, b: numbers or arrays of shapes that fit each other.
        precision: one of `float64`, `float32`, `bfloat16`.

    Raises:
        KeyError: of another precision.
    """
    first, second = _place(a, precision), _place(b, precision)
    with np.errstate(over="ignore"):
        apart = np.abs(first - second)
    # two float64 of different signs may be farther apart than an int64 counts
    overflown = ((first < 0) != (second < 0)) & (np.abs(first / 2) + np.abs(second / 2) >= FARTHEST / 2)
    a_lost, b_lost = np.isnan(a), np.isnan(b)
    far = np.where(a_lost | b_lost, ~(a_lost & b_lost), overflown)
    return np.where(far, FARTHEST, np.where(a_lost, 0, apart)).astype(np.int64)


def _place(value: ArrayLike, precision: str) -> NDArray[np.int64]:
    """The place of each number among all numbers of the precision, 0 for zero."""
    if precision == "float64":
        whole = np.asarray(value, np.float64).view(np.int64)
        magnitude = np.bitwise_and(whole, FARTHEST)
        return np.where(whole < 0, -magnitude, magnitude)
    single = np.asarray(value, np.float32)
    shift = {"float32": 0, "bfloat16": 16}[precision]
    bits = (round_to_bfloat16(single) if shift else single).view(np.uint32).astype(np.int64)
    magnitude = np.bitwise_and(bits, 0x7FFFFFFF) >> shift
    return np.where(bits >> 31, -magnitude, magnitude)


def round_to_bfloat16(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each number rounded to the nearest with 8 significant bits, ties to even."""
    bits = np.asarray(values, np.float32).view(np.uint32).astype(np.int64)
    odd = np.bitwise_and(bits >> 16, 1)
    rounded = np.bitwise_and(bits + 0x7FFF + odd, 0xFFFF0000).astype(np.uint32).view(np.float32)
    return np.where(np.isnan(values), values, rounded).astype(np.float32)
