"""Formulas for a terminal: `m_t = β₁·m_{t-1} + (1 − β₁)·g_t`, or with numbers put in."""

from collections.abc import Mapping

from optlab.teaching.formulas.digits import digits
from optlab.teaching.formulas.language import Binary, Call, Choice, Compared, Name, Negative, Node, Number, as_written
from optlab.teaching.formulas.symbols import SYMBOLS

Values = Mapping[str, float]
_SUM, _PRODUCT, _SIGN, _POWER, _ATOM = range(1, 6)  # how tightly a piece of text holds together
_WRITTEN = {"*": "·", "/": " / ", "+": " + ", "-": " − "}
_FUNCTIONS = {"orthogonal": "NewtonSchulz"}
_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def text(node: Node, values: Values | None = None) -> str:
    """The expression with its symbols, or with the numbers of `values` in their places.

    A negative number stands in parentheses wherever a sign stands before it.
    """
    return _text(as_written(node), values or {})[0]


def condition_text(test: Compared, values: Values | None = None) -> str:
    """`ρ_t > 5`."""
    left, right = (text(part, values) for part in (test.left, test.right))
    return f"{left} {test.operator.replace('<=', '≤')} {right}"


def _text(node: Node, values: Values) -> tuple[str, int]:
    """A piece of text and how tightly it holds together."""
    match node:
        case Number(value):
            return _number(value)
        case Name(name):
            return _number(values[name]) if name in values else (SYMBOLS[name].text, _ATOM)
        case Negative(operand):
            return "−" + _held(_text(operand, values), _POWER), _SIGN
        case Binary("**", base, exponent):
            return _power(base, exponent, values), _POWER
        case Binary(operator, left, right):
            level = _SUM if operator in "+-" else _PRODUCT
            before = _held(_text(left, values), level)
            after = _held(_text(right, values), level + 1 if operator in "-/" else level, behind=True)
            return before + _WRITTEN[operator] + after, level
        case Call("sqrt", (operand,)):
            inner, level = _text(operand, values)
            return ("√" + inner if level == _ATOM and not values else f"√({inner})"), _ATOM
        case Call("abs", (operand,)):
            return f"|{_text(operand, values)[0]}|", _ATOM
        case Call(function, arguments):
            function = _FUNCTIONS.get(function, function)
            return f"{function}({', '.join(_text(argument, values)[0] for argument in arguments)})", _ATOM
        case Choice(test, then, otherwise):
            shown = SYMBOLS[test.name].text if isinstance(test, Name) else condition_text(test, values)
            return f"{_text(then, values)[0]} if {shown} else {_text(otherwise, values)[0]}", 0


def _number(value: float) -> tuple[str, int]:
    shown = digits(value)
    return (f"−{shown[1:]}", _SIGN) if shown.startswith("-") else (shown, _ATOM)


def _power(base: Node, exponent: Node, values: Values) -> str:
    below = _held(_text(base, values), _ATOM)
    if isinstance(exponent, Number) and exponent.value.is_integer() and exponent.value >= 0:
        return below + str(int(exponent.value)).translate(_SUPERSCRIPT)
    return f"{below}^{_held(_text(exponent, values), _ATOM)}"


def _held(piece: tuple[str, int], level: int, *, behind: bool = False) -> str:
    """In parentheses where it holds less tightly than its place asks, or where it brings a sign behind another one."""
    shown, own = piece
    return f"({shown})" if own < level or (behind and shown.startswith("−")) else shown
