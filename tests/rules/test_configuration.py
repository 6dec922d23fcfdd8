"""The words of a configuration: short, and the same exactly where runs differ by chance alone."""

import copy
import random
from itertools import combinations
from typing import Any

import pytest

from optlab.config import compose, resolve
from optlab.config.given import configuration
from optlab.record import run_id


def config(*overrides: str) -> dict[str, Any]:
    return resolve(compose(list(overrides)))


@pytest.mark.parametrize(
    ("typed", "words"),
    {
        "": "adam lr=0.001 constant",
        "optimizer=momentum optimizer.lr=1e-5 optimizer.momentum=0.95": "momentum lr=1e-05 momentum=0.95 constant",
        "optimizer=adam optimizer.betas=[0.9,0.99] lr=cosine lr.warmup_fraction=0.1": (
            "adam lr=0.001 betas=[0.9,0.99] cosine lr.warmup_fraction=0.1"
        ),
        "model=mlp model.hidden=[16,16] dataset=mnist dataset.root=elsewhere loss=mse batch_size=64": (
            "adam lr=0.001 constant model=mlp model.hidden=[16,16] dataset=mnist loss=mse batch_size=64"
        ),
        "optimizer=custom optimizer._target_=pytorch_optimizer.Lion +optimizer.weight_decay=0.1": (
            "pytorch_optimizer.Lion lr=0.001 weight_decay=0.1 constant"
        ),
        "trainer=cpu trainer.max_epochs=3 model.activation=null ~optimizer.amsgrad": (
            "adam lr=0.001 ~amsgrad constant model.activation=null trainer.accelerator=cpu trainer.max_epochs=3"
        ),
        "callbacks=running_sums callbacks.divergence=null": (
            "adam lr=0.001 constant callbacks.divergence=null "
            "callbacks.running_sums._target_=optlab.callbacks.RunningSums"
        ),
    }.items(),
)
def test_the_words_are_those_that_were_typed_and_change_the_result(typed: str, words: str) -> None:
    assert configuration(config(*typed.split())) == words


def test_seed_phase_place_and_loggers_are_not_said() -> None:
    said = configuration(config("optimizer=sgd"))
    alike = ("seed=3", "phase=tune", "sweep=b", "logger=none", "callbacks=quiet", "eval_batch_size=7", "engine=eager")
    assert {configuration(config("optimizer=sgd", word)) for word in alike} == {said} == {"sgd lr=0.1 constant"}


def test_runs_have_the_same_words_exactly_if_nothing_but_the_seed_differs() -> None:
    """Random edits of real configs, among them values that read alike, against the identity of the record."""
    rng = random.Random(0)
    bases = [
        config(*words.split())
        for words in ("", "optimizer=momentum lr=cosine", "model=mlp dataset=fake", "callbacks=early_stopping")
    ]
    cases = [edited(rng.choice(bases), rng) for _ in range(300)]
    words = [configuration(case) for case in cases]
    identities = [run_id(case | {"seed": None}) for case in cases]
    assert len(set(words)) > 100
    for one, other in combinations(range(len(cases)), 2):
        assert (words[one] == words[other]) == (identities[one] == identities[other]), (words[one], words[other])


VALUES: list[Any] = [0, 1, 1.0, "1", True, "true", None, "null", 1e-5, "a b", "a=b", "", [], [1], ["1"], {}, {"a": 1}]
VALUES += [{"a": {"b": 1}}, {"a.b": 1}, {"a": {}}, "lr=1", "constant", "~x", "é", {"name": "constant"}]


def edited(base: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """A copy with a few keys set or taken away, within what a record needs to begin."""
    case = copy.deepcopy(base)
    for _ in range(rng.randint(0, 2)):
        node = rng.choice([case[group] for group in ("optimizer", "lr", "model", "trainer", "callbacks")] + [case])
        key = rng.choice(["momentum", "x", "hidden", "x.a", "max_epochs", "batch_size", "seed"])
        if rng.random() < 0.2:
            node.pop(key, None)
        else:
            node[key] = copy.deepcopy(rng.choice(VALUES))
    case.setdefault("seed", 0)
    return case
