"""What a study warns of, from what it writes down: its report says the same of files of before."""

from collections.abc import Mapping
from typing import Any, Final

from optlab.rules.arms import arm_name, factors_of
from optlab.rules.messages import Message, message, phrase
from optlab.rules.words import enumerated

FIELDS: Final = ("trials", "extensions", "edges", "failed_trials", "winner")  # of an arm, that warnings come from
EDGE_KINDS: Final = ("edge_remains", "edge_remains_extended")


def study_warnings(arm: Mapping[str, Any]) -> list[Message]:
    """What a reader must know before believing the winner of an arm of study.json, which has all of `FIELDS`."""
    name, winner, extended = arm_name(factors_of(arm)), arm["winner"], arm["extensions"]
    said = []
    if arm["edges"] and winner is not None:
        where = [phrase(f"edge_{side}", name=each, value=winner[each]) for each, side in arm["edges"].items()]
        kind, times = ("edge_remains_extended", {"n": extended}) if extended else ("edge_remains", {})
        said.append(message(kind, name, edges=enumerated(where), **times))
    if arm["failed_trials"]:
        said.append(message("failed_trials", name, failed=arm["failed_trials"], trials=arm["trials"]))
    if winner is None and arm["trials"] and arm["failed_trials"] == arm["trials"]:
        said.append(message("nothing_chosen", name))
    return said
