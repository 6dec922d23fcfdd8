"""Formulas on file: what each optimizer computes, described once, for terminals, pages and numbers.

formula = find("torch.optim.Adam", group)          # None: not on file
given = formula.collect(group, state, gradient, weight)
worked = formula.work(given)                        # every line's value over the whole parameter
at = worked.at(index)                               # one weight's numbers
for line in worked.lines:
    line.symbols, line.numbers(at), at[line.key]    # the formula three times
"""

from optlab.teaching.formulas.departures import SOURCES, Source
from optlab.teaching.formulas.digits import digits, digits_mathml
from optlab.teaching.formulas.find import find, options
from optlab.teaching.formulas.formula import Formula, Line, Worked, WorkedLine
from optlab.teaching.formulas.symbols import SYMBOLS, Symbol
from optlab.teaching.formulas.ulps import ulps

__all__ = [
    "SOURCES",
    "SYMBOLS",
    "Formula",
    "Line",
    "Source",
    "Symbol",
    "Worked",
    "WorkedLine",
    "digits",
    "digits_mathml",
    "find",
    "options",
    "ulps",
]
