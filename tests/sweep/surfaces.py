"""Studies without training: plans made from conf/, and surfaces that say how good a learning rate is."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from omegaconf import OmegaConf

from optlab.config import CONFIG_FOLDER
from optlab.rules.choice import Score
from optlab.rules.space import Space
from optlab.rules.stopping import Halving
from optlab.sweep.study.options import Options
from optlab.sweep.study.protocol import Arm, Protocol
from optlab.sweep.study.rounds import Round, Words, next_round
from optlab.sweep.study.samplers import Propose

HORIZON = 20  # epochs

Surface = Callable[[Mapping[str, str]], Score | None]


def settings(**changed: Any) -> dict[str, Any]:
    """The settings of conf/hydra/sweeper/study.yaml with changes."""
    return load("hydra", "sweeper", "study.yaml") | changed


def optimizer(name: str) -> dict[str, Any]:
    return dict(load("optimizer", f"{name}.yaml"))


@cache
def load(*path: str) -> dict[str, Any]:
    """A file of conf/."""
    given = OmegaConf.to_container(OmegaConf.load(CONFIG_FOLDER.joinpath(*path)))
    assert isinstance(given, dict)
    return {str(key): value for key, value in given.items()}


def arm(name: str, track: str = "lr_only", space: Mapping[str, Any] | None = None, config_id: str = "0000abcd") -> Arm:
    config = optimizer(name)
    return Arm(
        (("optimizer", name),), Space.parse("space", space or config["search"][track], config), config, config_id
    )


def protocol(*names: str, space: Mapping[str, Any] | None = None, **changed: Any) -> Protocol:
    """The plan of a study of these optimizers; changes are settings, `space` stands for each one's own."""
    changed.setdefault("sampler", "grid")
    options = Options.parse(settings(**changed))
    arms = tuple(arm(name, options.track, space) for name in names)
    stopping = Halving.of(options.trials, HORIZON, options.stopping_reduction) if options.stopping else None
    return Protocol(options, arms, ("model=linear",), stopping)


def read(words: Words) -> dict[str, str]:
    """The keys and values of a run's overrides."""
    return dict(word.split("=", 1) for word in words)


def peak(best: Mapping[str, float], diverges_at: float = math.inf) -> Surface:
    """Accuracy falls with the squared distance from each optimizer's best lr in decades; the seed adds a little."""

    def value(run: Mapping[str, str]) -> Score:
        lr = float(run["optimizer.lr"])
        if lr >= diverges_at:
            return Score(0.1, -math.inf, trained=False)
        distance = math.log10(lr / best[run["optimizer"]])
        accuracy = 0.9 - 0.1 * distance**2 + 0.001 * int(run["seed"])
        return Score(accuracy, accuracy - 1)

    return value


def conduct(plan: Protocol, surface: Surface, propose: Propose | None = None) -> tuple[list[Round], dict[Words, Any]]:
    """All rounds of a study on a surface, and what is known in the end."""
    known: dict[Words, Score | None] = {}
    rounds: list[Round] = []
    while (upcoming := next_round(plan, known, propose)) is not None:
        assert not set(upcoming.runs) & set(known)  # nothing is run twice
        known |= {words: surface(read(words)) for words in upcoming.runs}
        rounds.append(upcoming)
    return rounds, known


def lrs(runs: Sequence[Words], name: str) -> list[float]:
    """The learning rates that an optimizer is run with, sorted."""
    values = {float(read(words)["optimizer.lr"]) for words in runs if read(words)["optimizer"] == name}
    return sorted(values)
