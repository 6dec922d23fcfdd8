"""A study that goes on with more: what may be added to its plan, and how the plan keeps its versions.

After it was confirmed, a study may take more confirmation seeds, and it may compare more. Each arm's tuning stays as it
was planned, so its winner was chosen before any of the new seeds was looked at, and seeds that confirm are never seeds
that tuned. More trials, other spaces or other seeds to tune on could choose other winners after the test split was
looked at: that is another study, in a folder of its own.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from optlab.rules.arms import arm_name, factors_of
from optlab.rules.words import plural

GROWS = ("confirmation_seeds", "arms")  # what of a plan may grow
WHAT_MAY_GROW = "a study may grow by confirmation seeds (hydra.sweeper.confirmation_seeds) and by what it compares"


def added(found: Mapping[str, Any], plan: Mapping[str, Any]) -> list[str]:
    """What a plan adds to the one that a folder holds, in words; empty where it is no extension of it.

    Args:
        found: the content of protocol.yaml.
        plan: of `Protocol.plan`.
    """
    if any(found.get(key) != plan.get(key) for key in (*plan, "stopping") if key not in GROWS):
        return []
    before, after = found.get("confirmation_seeds"), plan["confirmation_seeds"]
    arms = found.get("arms")
    if not isinstance(before, list) or not isinstance(arms, list):
        return []
    if any(seed not in after for seed in before) or any(arm not in plan["arms"] for arm in arms):
        return []
    names = [arm_name(factors_of(arm)) for arm in plan["arms"] if arm not in arms]
    words = [f"{len(before)} to {plural(len(after), 'confirmation seed')}"] if len(after) > len(before) else []
    return [*words, *names]


def with_earlier(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The versions of a plan, oldest first, behind which a new one takes its place."""
    version = {key: value for key, value in found.items() if key != "earlier"}
    return [*earlier(found), version | {"replaced": datetime.now().astimezone().isoformat(timespec="seconds")}]


def earlier(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The versions that were replaced, oldest first."""
    versions = found.get("earlier")
    return [dict(each) for each in versions if isinstance(each, Mapping)] if isinstance(versions, list) else []
