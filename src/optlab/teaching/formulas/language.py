"""The language that formulas are written in: one line of Python, `m = lerp(m_prev, g, 1 - beta1)`, read with `ast`.

Nothing is executed: a line becomes a small tree of the nodes below, and whatever is not in this list is refused.
Terminal text, MathML, numbers and what the page computes are all made from that one tree (`text`, `mathml`, `evaluate`,
`tree_of`).
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

# Each function with its number of arguments. lerp(a, b, share) is (1 - share)·a + share·b, in the order in which torch
# computes it; single(a) is a rounded to float32, in which torch keeps some numbers; orthogonal(matrix, steps) is Muon's
# Newton-Schulz iteration, over a whole parameter.
FUNCTIONS = {"sqrt": 1, "abs": 1, "sign": 1, "max": 2, "lerp": 3, "single": 1, "orthogonal": 2}
WHOLE_PARAMETER = frozenset({"orthogonal"})
_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Pow: "**",
}
_COMPARED: dict[type[ast.cmpop], str] = {ast.Gt: ">", ast.LtE: "<="}


@dataclass(frozen=True)
class Number:
    """A constant."""

    value: float


@dataclass(frozen=True)
class Name:
    """A quantity; what it stands for and how it is written is in `symbols`."""

    name: str


@dataclass(frozen=True)
class Negative:
    """`-operand`."""

    operand: "Node"


@dataclass(frozen=True)
class Binary:
    """`left operator right`, one of + - * / **."""

    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True)
class Call:
    """One of FUNCTIONS."""

    function: str
    arguments: tuple["Node", ...]


@dataclass(frozen=True)
class Compared:
    """`left > right` or `left <= right`, of two numbers that are the same for the whole parameter."""

    operator: str
    left: "Node"
    right: "Node"

    @property
    def opposite(self) -> "Compared":
        return Compared({">": "<=", "<=": ">"}[self.operator], self.left, self.right)


@dataclass(frozen=True)
class Choice:
    """`then if test else otherwise`; a test that is a name alone asks whether it is anything but 0."""

    test: "Compared | Name"
    then: "Node"
    otherwise: "Node"


Node = Number | Name | Negative | Binary | Call | Choice
Tree = float | str | list["Tree"]


@dataclass(frozen=True)
class Assignment:
    """A line: the quantity that is computed and the expression for it."""

    name: str
    expression: Node


@lru_cache(maxsize=512)
def parse(line: str) -> Assignment:
    """A line `name = expression`.

    Raises:
        ValueError: it is no such line, or has something that the language does not.
    """
    try:
        body = ast.parse(line).body
    except SyntaxError as error:
        raise ValueError(f"{line!r} is no Python") from error
    if len(body) != 1 or not isinstance(body[0], ast.Assign) or len(body[0].targets) != 1:
        raise ValueError(f"{line!r} is not of the form `name = expression`")
    target = body[0].targets[0]
    if not isinstance(target, ast.Name):
        raise ValueError(f"{line!r} is not of the form `name = expression`")
    return Assignment(target.id, _node(body[0].value))


def _node(given: ast.expr) -> Node:
    match given:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return Number(float(value))
        case ast.Name(id=name):
            return Name(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return Negative(_node(operand))
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _BINARY:
            return Binary(_BINARY[type(operator)], _node(left), _node(right))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if FUNCTIONS.get(name) == len(arguments):
            return Call(name, tuple(_node(argument) for argument in arguments))
        case ast.IfExp(test=test, body=then, orelse=otherwise):
            return Choice(_test(test), _node(then), _node(otherwise))
    raise ValueError(f"{ast.unparse(given)!r} is not in the language of formulas")


def _test(given: ast.expr) -> Compared | Name:
    match given:
        case ast.Name(id=name):
            return Name(name)
        case ast.Compare(left=left, ops=[operator], comparators=[right]) if type(operator) in _COMPARED:
            return Compared(_COMPARED[type(operator)], _node(left), _node(right))
    raise ValueError(f"{ast.unparse(given)!r} is no test in the language of formulas")


def names_in(node: Node | Compared) -> Iterator[str]:
    """The names in an expression, in the order in which they stand, each as often as it does."""
    match node:
        case Name(name):
            yield name
        case Negative(operand):
            yield from names_in(operand)
        case Binary(_, left, right) | Compared(_, left, right):
            yield from names_in(left)
            yield from names_in(right)
        case Call(_, arguments):
            for argument in arguments:
                yield from names_in(argument)
        case Choice(test, then, otherwise):
            for part in (test, then, otherwise):
                yield from names_in(part)


def is_whole_parameter(node: Node) -> bool:
    """Whether a value of it depends on more than the numbers at its own place."""
    match node:
        case Call(function, arguments):
            return function in WHOLE_PARAMETER or any(is_whole_parameter(argument) for argument in arguments)
        case Negative(operand):
            return is_whole_parameter(operand)
        case Binary(_, left, right):
            return is_whole_parameter(left) or is_whole_parameter(right)
        case Choice(_, then, otherwise):
            return is_whole_parameter(then) or is_whole_parameter(otherwise)
    return False


def tree_of(node: Node | Compared) -> Tree:
    """The expression as nested lists for JSON: a number, a name, or `[operator, argument, ...]`.

    The operators are + - * / ** > <=, `neg`, `if` (test, then, otherwise) and the functions.
    """
    match node:
        case Number(value):
            return value
        case Name(name):
            return name
        case Negative(operand):
            return ["neg", tree_of(operand)]
        case Binary(operator, left, right) | Compared(operator, left, right):
            return [operator, tree_of(left), tree_of(right)]
        case Call(function, arguments):
            return [function, *(tree_of(argument) for argument in arguments)]
        case Choice(test, then, otherwise):
            return ["if", tree_of(test), tree_of(then), tree_of(otherwise)]


def as_written(node: Node) -> Node:
    """The expression as a textbook writes it: lerp as a weighted sum, and a product with itself as a square."""
    match node:
        case Call("single", (operand,)):
            return as_written(operand)
        case Call("lerp", (before, after, share)):
            one_minus = isinstance(share, Binary) and share.operator == "-" and share.left == Number(1.0)
            kept = share.right if one_minus and isinstance(share, Binary) else Binary("-", Number(1.0), share)
            return Binary("+", Binary("*", kept, as_written(before)), Binary("*", share, as_written(after)))
        case Binary("*", Binary("*", first, second), third) if second == third:
            return Binary("*", as_written(first), Binary("**", second, Number(2.0)))
        case Binary("*", first, second) if first == second:
            return Binary("**", first, Number(2.0))
        case Binary(operator, left, right):
            return Binary(operator, as_written(left), as_written(right))
        case Negative(operand):
            return Negative(as_written(operand))
        case Call(function, arguments):
            return Call(function, tuple(as_written(argument) for argument in arguments))
        case Choice(test, then, otherwise):
            return Choice(test, as_written(then), as_written(otherwise))
    return node
