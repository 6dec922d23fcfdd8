"""`trainer.compile=true` changes speed and nothing else; it is real compiling, with the C++ compiler of the machine."""

import os
import shutil

import pytest
import torch

from optlab.errors import UserError
from tests.conftest import Train

SHORT = ("model=linear", "batch_size=431", "trainer.max_epochs=2", "callbacks=default", "callbacks.progress=null")


@pytest.mark.skipif(shutil.which(os.environ.get("CXX", "g++")) is None, reason="there is no C++ compiler")
def test_a_compiled_network_learns_the_same_and_its_checkpoint_serves_an_uncompiled_one(train: Train) -> None:
    plain = train(*SHORT, folder="plain")
    compiled = train(*SHORT, "trainer.compile=true", folder="compiled")
    assert compiled.id == plain.id
    for name in ("train/loss", "val/loss", "test/loss"):
        assert compiled.metrics[name] == pytest.approx(plain.metrics[name], rel=1e-4)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0
    went_on = train(*SHORT[:2], *SHORT[3:], "trainer.max_epochs=3", "ckpt=compiled/checkpoints/last.ckpt", folder="on")
    assert went_on.epochs == 3


def test_without_a_compiler_one_line_says_what_to_install(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", ("no-such-compiler",))
    with pytest.raises(UserError, match=r"trainer.compile=true needs a C\+\+ compiler.*apt-get install g\+\+"):
        train("trainer.compile=true")
