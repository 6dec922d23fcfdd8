"""The graph engine on a CPU: what a GPU captures is recorded and repeated there (see `recorded`)."""

import sys

import pytest

from optlab import optimizers, rates
from optlab.engine import choice, graph
from tests.engine.recorded import Recorded


@pytest.fixture
def captures(monkeypatch: pytest.MonkeyPatch) -> list[Recorded]:
    """Let runs on the CPU choose the graph engine and the optimizers' steps of a GPU, and see what they captured."""
    Recorded.made = []
    monkeypatch.setattr(graph, "new_capture", Recorded)
    monkeypatch.setattr(rates, "DEVICES", ("cpu",))
    for module in (optimizers, choice):
        monkeypatch.setattr(module, "device_flags", optimizers._working_flags)
    let_cpu_capture(monkeypatch)
    return Recorded.made


def let_cpu_capture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torch's optimizers take the steps of a GPU, capturable and over all weights at once, which CPUs can too."""
    names = ("_get_capturable_supported_devices", "_get_foreach_kernels_supported_devices")
    for module in [module for name, module in sys.modules.items() if name.startswith("torch.optim.")]:
        for name in names:
            if hasattr(module, name):
                monkeypatch.setattr(module, name, lambda **_: ["cpu"])
