"""The plan of a study: what is compared, over which spaces, with which budget and seeds; written before it runs.

The rules that it is carried out by stand in `optlab.rules`, and `rule` and `edge_rule` of the plan name them in words.
What these words leave open: a diverged run counts as chance level where its metric has one, 1 / classes for accuracy.
A loss has none, as it has no bound: there a diverged run is infinitely bad and never chosen before one that finished.
Either is a function of the run's own record, so that no round of a study changes because another run came in.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from optlab.errors import UserError
from optlab.planned import PLANNED_FILE
from optlab.record import shortest, write_whole
from optlab.rules.arms import arm_name, arm_words, factors_of
from optlab.rules.choice import RULE
from optlab.rules.edges import EDGE_RULE, POINTS_OF_AN_EXTENSION
from optlab.rules.files import PLAN_FILE, RESULT_FILE, SWEEP_FILE
from optlab.rules.space import Settings, Space
from optlab.rules.stopping import Halving
from optlab.sweep.study import extend
from optlab.sweep.study.options import Options
from optlab.sweep.study.samplers import JOURNAL_FILE, design

SCHEMA = 1
OURS = (PLAN_FILE, PLANNED_FILE, RESULT_FILE, SWEEP_FILE, JOURNAL_FILE)  # what a study writes beside its run folders
HEADER = (
    "# The plan of this study, written before its first run. Every run carries its hash; a changed plan is refused,\n"
    "# but for more confirmation seeds and more to compare: `earlier` then holds what the plan was before.\n"
)


@dataclass(frozen=True)
class Arm:
    """One of what is compared: an optimizer under a schedule, on one model and data set."""

    factors: tuple[tuple[str, str], ...]  # ("optimizer", "adam"), ("lr", "cosine"), ...
    space: Space
    optimizer: Mapping[str, Any]  # its config, for the values that the study leaves alone
    config_id: str  # of the config without the hyperparameters' values and the seed: changes with everything else

    @property
    def name(self) -> str:
        """`adam`, or `adam, cosine` where schedules are compared too."""
        return arm_name(dict(self.factors))

    @property
    def words(self) -> tuple[str, ...]:
        return arm_words(dict(self.factors))

    @property
    def tuned(self) -> bool:
        return bool(self.space.ranges)


@dataclass(frozen=True)
class Protocol:
    """A whole study, before it has begun."""

    options: Options
    arms: tuple[Arm, ...]
    overrides: tuple[str, ...] = ()  # of the command line, for every run
    stopping: Halving | None = None  # of trials that are behind

    def __post_init__(self) -> None:
        names = [arm.name for arm in self.arms]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise UserError(f"{twice} is named twice; a study compares each once")
        given = self.options.spaces or {}
        fixed = next((a.name for a in self.arms if not a.tuned and dict(a.factors).get("optimizer") in given), None)
        if (
            fixed is not None and self.trials
        ):  # one that has nothing to tune by itself is compared, and the report warns
            raise UserError(
                f"hydra.sweeper.spaces leaves {fixed} nothing to tune, and others are tuned: that is no equal budget; "
                "give it a range, or fix the values of all"
            )
        for arm in self.arms:
            self._check_design(arm)

    def _check_design(self, arm: Arm) -> None:
        settings = [json.dumps(arm.space.settings(point), sort_keys=True) for point in self.design(arm)]
        if len(set(settings)) < len(settings):
            raise UserError(
                f"hydra.sweeper.trials={self.options.trials}: the space of {arm.name} has only {len(set(settings))} "
                f"different values ({', '.join(f'{name} {each}' for name, each in arm.space.ranges.items())}); "
                "type fewer trials or a wider space"
            )

    @property
    def trials(self) -> int:
        """Configurations tried for each arm, before extensions."""
        return self.options.trials if any(arm.tuned for arm in self.arms) else 0

    def design(self, arm: Arm) -> list[tuple[float, ...]]:
        """The points of an arm that stand before anything runs; none for TPE."""
        if not arm.tuned or self.options.sampler == "tpe":
            return []
        return design(self.options.sampler, len(arm.space.ranges), self.options.trials, self.options.sampler_seed)

    @property
    def default_lr(self) -> dict[str, float]:
        """Each optimizer's learning rate where it is not tuned, by the name that its runs carry."""
        return {str(arm.optimizer["name"]): float(arm.optimizer["lr"]) for arm in self.arms}

    @property
    def fewest_runs(self) -> int:
        """Runs without any extension."""
        tuned = sum(arm.tuned for arm in self.arms)
        tuning = tuned * self.trials * len(self.options.tuning_seeds)
        return tuning + len(self.arms) * len(self.options.confirmation_seeds)

    @property
    def spared(self) -> float:
        """How many whole runs the stopped epochs are worth."""
        if self.stopping is None:
            return 0.0
        tuned = sum(arm.tuned for arm in self.arms) * len(self.options.tuning_seeds)
        return tuned * self.stopping.saved(self.trials) / self.stopping.horizon

    @property
    def side_by_side(self) -> int:
        """Runs that may be made at once: of the first round, as later ones depend on results."""
        if not self.trials:
            return len(self.arms) * len(self.options.confirmation_seeds)
        at_once = 1 if self.options.sampler == "tpe" else self.trials
        return sum(arm.tuned for arm in self.arms) * at_once * len(self.options.tuning_seeds)

    @property
    def most_runs(self) -> int:
        """Runs when every arm uses all its extensions, each time beyond an edge of every range."""
        trials = sum(len(arm.space.ranges) for arm in self.arms) * self.options.extensions * POINTS_OF_AN_EXTENSION
        return self.fewest_runs + trials * len(self.options.tuning_seeds)

    def plan(self) -> dict[str, Any]:
        """What decides the outcome of the study, as plain containers: the content that is hashed."""
        options = self.options
        stopping = {} if self.stopping is None else {"stopping": self.stopping.plan}
        return {
            "schema": SCHEMA,
            "track": options.track,
            "trials": self.trials,
            "sampler": options.sampler,
            "sampler_seed": options.sampler_seed,
            "tuning_seeds": list(options.tuning_seeds) if self.trials else [],
            "confirmation_seeds": list(options.confirmation_seeds),
            "rule": RULE,
            "edge_rule": EDGE_RULE,
            "metric": options.metric,  # null: the run's own, that of its task
            "target": options.target,
            "extensions": options.extensions,
            **stopping,  # plans without it are what they were before there was such a thing
            "arms": [self._arm(arm) for arm in self.arms],
        }

    def _arm(self, arm: Arm) -> dict[str, Any]:
        points: list[Settings] = [arm.space.settings(point) for point in self.design(arm)]
        return {**dict(arm.factors), "config": arm.config_id, "space": arm.space.to_dict(), "settings": points}

    @cached_property
    def hash(self) -> str:
        """`sha-` and 12 hex digits of a SHA-256 over the plan; the letters keep YAML from reading a number."""
        text = json.dumps(self.plan(), sort_keys=True, separators=(",", ":"))
        return f"sha-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def write(protocol: Protocol, folder: Path, threads: int | None = None) -> None:
    """Write `protocol.yaml`, unless the same plan stands there already; one that this extends stays in `earlier`.

    Args:
        threads: CPU threads of each run; no part of what is hashed, and added to a plan that lacks it.

    Raises:
        UserError: the folder belongs to another plan or another program; nothing was written.
    """
    found = standing(protocol, folder)
    computed = {} if threads is None else {"threads": threads}
    if found is not None and found["hash"] == protocol.hash:
        if threads is not None and found.get("threads") is None:
            write_content(folder, found | computed)
        return
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "hash": protocol.hash,
        **protocol.plan(),
        "overrides": list(protocol.overrides),
        **computed,
        "default_lr": protocol.default_lr,
        "reference": protocol.options.reference,
    }
    if found is not None:
        content["earlier"] = extend.with_earlier(found)
    write_content(folder, content)


def write_content(folder: Path, content: Mapping[str, Any]) -> None:
    text = yaml.safe_dump(dict(content), sort_keys=False, default_flow_style=None, width=110)
    write_whole(folder / PLAN_FILE, HEADER + text)


def standing(protocol: Protocol, folder: Path) -> dict[str, Any] | None:
    """The content of the protocol.yaml in a folder: this study, or one that it extends; None in a new folder.

    Raises:
        UserError: it holds another plan, or files that no study wrote.
    """
    path = folder / PLAN_FILE
    if not path.exists():
        strangers = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
        strangers = sorted(name for name in strangers if name not in OURS and name[0] != ".")
        if strangers:
            raise UserError(
                f"{shortest(folder.absolute())} holds {strangers[0]}, which no study put there; "
                "type sweep=another-name for a folder of its own"
            )
        return None
    found, plan = read(path), protocol.plan()
    if found["hash"] == protocol.hash or extend.added(found, plan):
        return found
    grown = any(version.get("hash") == protocol.hash for version in extend.earlier(found))
    instead = "repeat the command that it was extended by" if grown else "repeat the command that began it"
    raise UserError(
        f"{shortest(folder.absolute())} holds a study with another plan ({differences(found, plan)}); "
        f"{instead}, or type sweep=another-name; {extend.WHAT_MAY_GROW}"
    )


def read(path: Path) -> dict[str, Any]:
    """The content of a `protocol.yaml`.

    Raises:
        UserError: it cannot be read.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{shortest(path.absolute())}: damaged, this is no plan of a study") from error
    if not isinstance(content, dict) or "hash" not in content:
        raise UserError(f"{shortest(path.absolute())}: damaged, this is no plan of a study")
    return content


def differences(found: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    """In words what is not as it was: `trials: 7 there, 9 here`."""
    changed = []
    for key, value in plan.items():
        if found.get(key) == value:
            continue
        if key == "stopping":
            changed.append(f"stopping: {'another' if key in found else 'none'} there, {stopped_by(value)} here")
            continue
        if key not in found:
            changed.append(f"made by another version, without {key}")
        elif key != "arms":
            changed.append(f"{key}: {found[key]} there, {value} here")
        else:
            changed += arm_differences(found[key] or [], value)
    if "stopping" in found and "stopping" not in plan:
        changed.append(f"stopping: {stopped_by(found['stopping'])} there, none here")
    return "; ".join(changed[:3]) or "its file was edited"


def stopped_by(rule: Any) -> str:
    """`halving at epochs [4, 8]`."""
    return f"halving at epochs {rule.get('rungs')}" if isinstance(rule, Mapping) else str(rule)


def arm_differences(found: Sequence[Mapping[str, Any]], planned: Sequence[Mapping[str, Any]]) -> list[str]:
    there, here = ([arm_name(factors_of(arm)) for arm in arms] for arms in (found, planned))
    if there != here:
        return [f"compared: {' | '.join(there)} there, {' | '.join(here)} here"]
    for key, what in (("space", "space"), ("config", "config (data, model, training ...)")):
        if changed := [arm for arm, old in zip(planned, found, strict=True) if arm.get(key) != old.get(key)]:
            return [f"the {what} of {arm_name(factors_of(changed[0]))}"]
    return []
