"""Configs of a sweep are looked at in a worker, which has torch already."""

from pathlib import Path

import pytest

from optlab.adapters.forkserver import ForkServer, can_fork
from optlab.config import compose, resolve
from optlab.config.schema import Config
from optlab.errors import UserError
from optlab.sweep.launchers.checks import check_in_worker
from tests import forked
from tests.commandline import command
from tests.conftest import QUICK, words_of

pytestmark = pytest.mark.skipif(not can_fork(), reason="no worker is forked here")


def refuse(config: Config) -> None:
    raise AssertionError("looked at in the process of the sweep, which would have to import torch for it")


@pytest.mark.usefixtures("shared_workers")
def test_a_sweep_has_its_configs_looked_at_by_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optlab.check.check_config", refuse)
    monkeypatch.setattr("optlab.sweep.launchers.server.cores", lambda: 2)
    typed = ("-m", *QUICK, "hydra/launcher=auto", "optimizer=sgd", "+optimizer.momentun=0.9", "seed=0,1", "sweep=a")
    result = command(*typed)
    assert (result.code, result.err.count("\n")) == (1, 1), result.err
    assert "momentun" in result.err
    assert not Path("outputs/sweeps/a").exists()


def test_the_answer_is_that_of_the_check_and_a_worker_that_dies_gives_none() -> None:
    good = Config.parse(resolve(compose(words_of())))
    bad = good.with_(callbacks=good.callbacks | {"mine": {"_target_": "nowhere.Mine"}})
    lost = Config.parse(resolve(compose(words_of("dataset=image_folder", "dataset.root=lost"))))
    assert check_in_worker(forked.shared(), [good])
    with pytest.raises(UserError, match=r"nowhere"):
        check_in_worker(forked.shared(), [good, bad])
    with pytest.raises(UserError, match=r"dataset\.root=lost is no folder"):
        check_in_worker(forked.shared(), [good, lost])
    server = ForkServer("nowhere:work", [])
    try:
        assert not check_in_worker(server, [good])
    finally:
        server.close()
