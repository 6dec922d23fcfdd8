"""docs/notebook.ipynb, as Jupyter runs it."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from tests.commandline import ROOT

NOTEBOOK = ROOT / "docs" / "notebook.ipynb"


def text_of(cell: Any) -> str:
    """Everything that a cell shows."""
    parts = [*(output.get("data", {}) for output in cell.outputs), *cell.outputs]
    return "\n".join(str(part.get(key, "")) for part in parts for key in ("text/plain", "text/html", "text"))


@pytest.mark.filterwarnings("ignore")  # of zmq and the kernel's own start
def test_the_notebook_runs_shows_what_it_says_and_a_bad_word_is_a_line(tmp_path: Path) -> None:
    notebook: Any = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "commit it without outputs"
    notebook.cells.append(nbformat.v4.new_code_cell("optlab.run(optimizer='adm')"))
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}})
    with pytest.raises(CellExecutionError):
        client.execute()
    run, plot, network, comparison, figure, count, mistake = (
        next(cell for cell in notebook.cells if cell.cell_type == "code" and words in cell.source)
        for words in ("optlab.run(", ".plot(", ".network()", "optlab.study(", ".figure(", "optlab.read(", "'adm'")
    )
    assert "test accuracy" in text_of(run)
    assert "mlp (" in text_of(run)  # what a run tells is shown, once
    assert text_of(run).count("<progress") == 0  # the bar is gone when the run is over
    assert "image/png" in plot.outputs[-1].data
    assert "tensor" in text_of(network)
    assert "<b>" in text_of(comparison)
    assert "image/png" in figure.outputs[-1].data
    assert text_of(count).strip() == "10"
    [error] = mistake.outputs
    assert error.ename == "UserError"
    assert error.traceback == [f"UserError: {error.evalue}"]
    assert "did you mean optimizer=adam?" in error.evalue
