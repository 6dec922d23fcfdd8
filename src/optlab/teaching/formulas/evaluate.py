"""Formulas in numbers: NumPy over a whole parameter, in the precision of what is given.

A quantity that is one number for the parameter (a hyperparameter, the step) is a Python float and computed in float64,
as torch does; arrays keep their own dtype at each operation, so that float32 is rounded where torch rounds it.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from optlab.teaching.formulas.language import Binary, Call, Choice, Compared, Name, Negative, Node, Number
from optlab.teaching.formulas.orthogonal import orthogonal

Array = NDArray[np.floating]
Value = Array | float
Given = Mapping[str, Value]

_BINARY: dict[str, Callable[[Value, Value], Value]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "**": lambda base, exponent: _power(base, exponent),
}


def evaluate(node: Node, given: Given) -> Value:
    """The value of an expression: an array of the parameter's shape, or a float where only floats go in.

    Infinities and NaN are results like any other, as they are in torch.

    Raises:
        KeyError: a quantity is not given.
    """
    with np.errstate(all="ignore"):
        return _plain(_evaluate(node, given))


def branch(node: Node, given: Given) -> Node:
    """The expression itself, or the side of a choice that the given numbers take."""
    if not isinstance(node, Choice):
        return node
    return branch(node.then if holds(node.test, given) else node.otherwise, given)


def holds(test: Compared | Name, given: Given) -> bool:
    """Whether a test is true of the given numbers."""
    if isinstance(test, Name):
        return bool(given[test.name])
    left, right = evaluate(test.left, given), evaluate(test.right, given)
    return bool(left > right if test.operator == ">" else left <= right)


def _evaluate(node: Node, given: Given) -> Value:
    match node:
        case Number(value):
            return value
        case Name(name):
            return given[name]
        case Negative(operand):
            return -_evaluate(operand, given)
        case Binary(operator, left, right):
            return _plain(_BINARY[operator](_evaluate(left, given), _evaluate(right, given)))
        case Choice():
            return _evaluate(branch(node, given), given)
        case Call(function, arguments):
            return _plain(_FUNCTIONS[function](*(_evaluate(argument, given) for argument in arguments)))


def _power(base: Value, exponent: Value) -> Value:
    """Of two numbers as Python and torch take it: NumPy's may differ in the last place, which RAdam's rho magnifies."""
    if isinstance(base, float) and isinstance(exponent, float) and base > 0:
        return float(base**exponent)
    return np.power(base, exponent)


def _lerp(before: Value, after: Value, share: Value) -> Value:
    """As torch.lerp: from the nearer end."""
    difference = np.subtract(after, before)
    if not isinstance(share, float):
        raise TypeError("the share of a lerp is one number for the whole parameter")
    if share < 0.5:
        return _plain(before + share * difference)
    return _plain(after - difference * (1 - share))


_FUNCTIONS: dict[str, Callable[..., Value]] = {
    "sqrt": np.sqrt,
    "abs": np.abs,
    "sign": np.sign,
    "max": np.maximum,
    "lerp": _lerp,
    "single": lambda value: float(np.float32(value)),
    "orthogonal": orthogonal,
}


def _plain(value: Value) -> Value:
    """NumPy makes float64 scalars of Python floats; only Python's leave an array's float32 as it is."""
    return float(value) if isinstance(value, np.float64) else value
