"""What breaks when an upgrade of torchmetrics imports other things for its rarer metrics, in words."""

import subprocess
import sys
from pathlib import Path

from optlab.adapters.torchmetrics import without_plots_and_signals

HEAVY = ("scipy.signal", "matplotlib.pyplot", "matplotlib.axes")
IN_A_RUN = f"""
import sys
from optlab.adapters import process
with process.importing():
    import optlab.run
assert "torchmetrics" in sys.modules
assert not [name for name in {HEAVY} if name in sys.modules], "the start of every run waits for them"
"""
USING = """
import torch
from torchmetrics.classification import MulticlassConfusionMatrix

matrix = MulticlassConfusionMatrix(3)
matrix.update(torch.tensor([0, 1, 2]), torch.tensor([0, 1, 1]))
import matplotlib
matplotlib.use("agg")
figure, axes = matrix.plot()
figure.savefig("matrix.png")

import scipy.signal
import matplotlib.pyplot
assert matplotlib.pyplot.Figure is type(figure)
assert scipy.signal.windows.hamming(3).argmax() == 1
"""


def in_a_new_process(program: str) -> None:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_run_begins_without_them_and_they_are_there_when_they_are_used() -> None:
    in_a_new_process(IN_A_RUN + USING)
    assert Path("matrix.png").stat().st_size > 1000


ASKED_WITHIN = """
import sys
from optlab.adapters.torchmetrics import Later, leave, without_plots_and_signals

try:
    with without_plots_and_signals():
        assert isinstance(sys.modules["matplotlib.pyplot"], Later)
        raise KeyError
except KeyError:
    assert not {"scipy.signal", "matplotlib", "matplotlib.pyplot"} & set(sys.modules)
leave()  # of nothing
with without_plots_and_signals():
    import matplotlib.colors  # as a library would that is imported beside torchmetrics
    assert matplotlib.colors.to_hex("red") == "#ff0000"
    assert not isinstance(sys.modules["matplotlib"], Later)
"""


def test_who_asks_for_more_gets_the_modules_themselves_and_none_stays_behind_the_block() -> None:
    in_a_new_process(ASKED_WITHIN)


def test_what_is_imported_already_stays() -> None:
    import matplotlib.pyplot as before

    with without_plots_and_signals():
        assert sys.modules["matplotlib.pyplot"] is before
