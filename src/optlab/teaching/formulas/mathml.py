"""Formulas for a page: MathML, which browsers draw by themselves.

Every symbol has `data-symbol` with its name, and a number that stands in a symbol's place has it too, so that a page
can show which belongs to which.
"""

from html import escape

from optlab.teaching.formulas.digits import digits, digits_mathml
from optlab.teaching.formulas.language import Binary, Call, Choice, Compared, Name, Negative, Node, Number, as_written
from optlab.teaching.formulas.symbols import SYMBOLS
from optlab.teaching.formulas.text import Values

_SUM, _PRODUCT, _SIGN, _POWER, _ATOM = range(1, 6)
_FUNCTIONS = {"orthogonal": "NewtonSchulz"}
_WRITTEN = {"*": "·", "+": "+", "-": "−", ">": "&gt;", "<=": "≤"}


def mathml(node: Node, values: Values | None = None) -> str:
    """The expression, without the `<math>` around it; with the numbers of `values` in the places of their names."""
    return f"<mrow>{_mathml(as_written(node), values or {})[0]}</mrow>"


def equation(name: str, node: Node, values: Values | None = None, condition: Compared | None = None) -> str:
    """`name = expression` as a `<math>` of its own, behind it in parentheses under which condition."""
    when = ""
    if condition is not None:
        when = f'<mspace width="1em"/><mrow><mo>(</mo>{_compared(condition, values or {})}<mo>)</mo></mrow>'
    return f"<math><mrow>{SYMBOLS[name].mathml(name)}<mo>=</mo>{mathml(node, values)}{when}</mrow></math>"


def _mathml(node: Node, values: Values) -> tuple[str, int]:
    match node:
        case Number(value):
            return digits_mathml(value), _ATOM if value >= 0 else _SIGN
        case Name(name) if name in values:
            value = values[name]
            mark = f'<mrow data-symbol="{escape(name)}">{digits_mathml(value)}</mrow>'
            return mark, _SIGN if digits(value).startswith("-") else _ATOM
        case Name(name):
            return SYMBOLS[name].mathml(name), _ATOM
        case Negative(operand):
            return f"<mo>−</mo>{_held(_mathml(operand, values), _POWER)}", _SIGN
        case Binary("/", above, below):
            return (
                f"<mfrac><mrow>{_mathml(above, values)[0]}</mrow><mrow>{_mathml(below, values)[0]}</mrow></mfrac>",
                _ATOM,
            )
        case Binary("**", base, exponent):
            return (
                f"<msup>{_row(_held(_mathml(base, values), _ATOM))}{_row(_mathml(exponent, values)[0])}</msup>",
                _POWER,
            )
        case Binary(operator, left, right):
            level = _SUM if operator in "+-" else _PRODUCT
            before = _held(_mathml(left, values), level)
            after = _held(_mathml(right, values), level + 1 if operator == "-" else level, behind=True)
            return f"{before}<mo>{_WRITTEN[operator]}</mo>{after}", level
        case Call("sqrt", (operand,)):
            return f"<msqrt>{_mathml(operand, values)[0]}</msqrt>", _ATOM
        case Call("abs", (operand,)):
            return f"<mrow><mo>|</mo>{_mathml(operand, values)[0]}<mo>|</mo></mrow>", _ATOM
        case Call(function, arguments):
            function = _FUNCTIONS.get(function, function)
            inner = "<mo>,</mo>".join(_mathml(argument, values)[0] for argument in arguments)
            return f"<mrow><mi>{function}</mi><mo>(</mo>{inner}<mo>)</mo></mrow>", _ATOM
        case Choice(test, then, otherwise):
            shown = _mathml(test, values)[0] if isinstance(test, Name) else _compared(test, values)
            rows = [(then, shown), (otherwise, "")]
            cells = "".join(
                f"<mtr><mtd>{_row(_mathml(part, values)[0])}</mtd><mtd>{_row(when)}</mtd></mtr>" for part, when in rows
            )
            return f"<mrow><mo>{{</mo><mtable>{cells}</mtable></mrow>", 0


def _compared(test: Compared, values: Values) -> str:
    left, right = (_mathml(part, values)[0] for part in (test.left, test.right))
    return f"{left}<mo>{_WRITTEN[test.operator]}</mo>{right}"


def _row(inner: str) -> str:
    return f"<mrow>{inner}</mrow>"


def _held(piece: tuple[str, int], level: int, *, behind: bool = False) -> str:
    shown, own = piece
    return f"<mrow><mo>(</mo>{shown}<mo>)</mo></mrow>" if own < level or (behind and own == _SIGN) else shown
