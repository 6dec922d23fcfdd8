"""Advice at the end of a run, in words: what its own numbers say about its learning rate, network and length.

Each rule looks for one thing and gives a message with its evidence and what to type, or nothing. Nothing is said
without evidence, and nothing of a run that learned well. The rules stand in the order of how sure they are; one that
was found keeps those back that could not be told apart from it, or would say the opposite.
"""

from collections.abc import Callable

from optlab.rules.advice import curves, steps
from optlab.rules.advice.evidence import Evidence
from optlab.rules.messages import Message

__all__ = ["MOST", "RULES", "Evidence", "advise"]

Rule = Callable[[Evidence], Message | None]

MOST = 3  # pieces of advice of one run: the surest; a reader changes one thing at a time

# Each rule by the kind of its message, the surest first, and the kinds that it keeps back.
RULES: dict[str, tuple[Rule, frozenset[str]]] = {
    "gradients_explode": (
        steps.gradients_explode,  # the step is too long because the gradient is
        frozenset({"lr_too_large", "lr_too_small", "dead_units", "validation_rises", "schedule_ended", "still_falls"}),
    ),
    "lr_too_large": (
        steps.lr_too_large,  # what it does to the network and to the curves is no advice of its own
        frozenset({"lr_too_small", "dead_units", "validation_rises", "schedule_ended", "still_falls"}),
    ),
    "dead_units": (steps.dead_units, frozenset({"lr_too_small"})),  # what gets no gradient does not move
    "schedule_ended": (curves.schedule_ended, frozenset({"lr_too_small", "still_falls"})),
    "lr_too_small": (steps.lr_too_small, frozenset({"still_falls"})),  # longer would do, at many times the cost
    "validation_rises": (curves.validation_rises, frozenset({"still_falls"})),
    "still_falls": (curves.still_falls, frozenset()),
}


def advise(run: Evidence) -> list[Message]:
    """What to do differently, the surest first and at most `MOST`; nothing of a run that did not come to its end."""
    if run.record.status not in ("finished", "diverged"):
        return []
    said: list[Message] = []
    kept_back: set[str] = set()
    for kind, (rule, keeps_back) in RULES.items():
        if kind not in kept_back and (found := rule(run)) is not None:
            said.append(found)
            kept_back |= keeps_back
    return said[:MOST]
