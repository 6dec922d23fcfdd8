"""`trainer.compile=true` is torch.compile: it changes speed and nothing else. It is real compiling."""

import logging
import os
import shutil

import pytest
import torch

from optlab.errors import UserError
from tests.conftest import Train

SHORT = ("batch_size=431", "trainer.max_epochs=2", "callbacks=default", "callbacks.progress=null")


@pytest.mark.skipif(shutil.which(os.environ.get("CXX", "g++")) is None, reason="there is no C++ compiler")
def test_a_compiled_network_learns_the_same_and_its_checkpoint_serves_an_uncompiled_one(
    train: Train, caplog: pytest.LogCaptureFixture
) -> None:
    plain = train("model=linear", *SHORT, folder="plain")
    with caplog.at_level(logging.INFO):
        compiled = train("model=linear", *SHORT, "trainer.compile=true", folder="compiled")
    assert "compile: torch.compile, at the first step (on a CPU seldom faster)" in caplog.messages
    assert compiled.id == plain.id
    assert (plain.numerics["compile"], compiled.numerics["compile"]) == (False, True)
    for name in ("train/loss", "val/loss", "test/loss"):
        assert compiled.metrics[name] == pytest.approx(plain.metrics[name], rel=1e-4)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0
    clock = compiled.timing  # of six steps, which all together take less than compiling
    assert (clock["warm_up_seconds"] or 0) > (clock["fit_seconds"] or 0) > 0
    went_on = train(
        "model=linear", SHORT[0], *SHORT[2:], "trainer.max_epochs=3", "ckpt=compiled/checkpoints/last.ckpt", folder="on"
    )
    assert went_on.epochs == 3


@pytest.mark.parametrize("named", ["no-such-compiler", "'g++", " "])
def test_without_a_compiler_one_line_says_what_to_install(
    named: str, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", named)
    with pytest.raises(UserError, match=r"trainer.compile=true needs a C\+\+ compiler.*apt-get install g\+\+"):
        train("trainer.compile=true")
