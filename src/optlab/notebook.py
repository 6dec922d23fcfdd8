"""What a Jupyter notebook shows while something runs: one bar that changes in place. Needs no widgets."""

import sys
from html import escape
from typing import Any

from rich.progress import TaskID


def is_here() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"


class NotebookBar:
    """A bar with words before and behind it, used like rich's Progress with one task."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._task: dict[str, Any] = {}

    def start(self) -> None:
        shown = _display()
        self._handle = shown.display(shown.HTML(""), display_id=True)

    def add_task(self, description: str, *, total: float | None, completed: float = 0.0, **words: str) -> TaskID:
        self._task = {"description": description, "total": total, "completed": completed, **words}
        return TaskID(0)

    def update(self, task: TaskID, *, refresh: bool = False, **changes: Any) -> None:
        self._task |= changes
        if refresh:
            self._show(self.html())

    def html(self) -> str:
        done, total = float(self._task["completed"]), self._task["total"]
        before, behind = (escape(str(self._task.get(key, ""))) for key in ("description", "running"))
        return f"<div>{before} <progress value='{done:g}' max='{float(total or 1):g}'></progress> {behind}</div>"

    def stop(self) -> None:
        """Take it away: what came of it is shown by whoever asked."""
        self._show("")

    def _show(self, html: str) -> None:
        if self._handle is not None:
            self._handle.update(_display().HTML(html))


def _display() -> Any:
    """IPython's display, whose functions have no type hints."""
    import IPython.display

    return IPython.display
