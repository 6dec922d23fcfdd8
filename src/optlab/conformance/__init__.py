"""What an optimizer has to do so that a run can rely on it, checked on a small problem in less than a second.

`examine` looks at one check after the other, for a class of anyone's; `verdict` gives the first reason against a class
of pytorch_optimizer, of which only those without any may be used.
"""

from optlab.conformance.checks import CHECKS, Check, examine, notes, verdict

__all__ = ["CHECKS", "Check", "examine", "notes", "verdict"]
