"""The exceptions that are no bugs: what a user can put right, and what a user asked for."""

import signal
import traceback
from pathlib import Path

HERE = Path(__file__)
OURS = {HERE.parents[1], HERE.parents[2] / "train.py", Path(traceback.__file__).parent}  # and Python's own
LIBRARIES = {"site-packages", "dist-packages"}  # the folders that other people's packages lie in
MOST_CHARACTERS = 2000  # of a message
MOST_OF_A_PIECE = 200  # of what it repeats


class UserError(Exception):
    """Input that cannot be used. Its text is one line for a person: the value, what is allowed, what to type.

    The command line prints it without a traceback and exits with 1; it is raised before anything is written.
    What it repeats of the input may be anything: it is shown without what would break the line, and not at any length.
    """

    def __init__(self, text: str) -> None:
        super().__init__("".join(c if c.isprintable() else repr(c)[1:-1] for c in shortened(text)))

    def _render_traceback_(self) -> list[str]:
        """What IPython and Jupyter show in place of a traceback: the line."""
        return [f"{name_of(self)}: {self}"]


class ProcessDied(Exception):
    """The processes that had a job ended without a word, each time that it was begun.

    Attributes:
        times: how often.
    """

    def __init__(self, times: int) -> None:
        super().__init__("its process died")
        self.times = times


class Stopped(KeyboardInterrupt):
    """Ctrl-C in a program or notebook, after what was done was kept: the text says where, and how it goes on."""

    def _render_traceback_(self) -> list[str]:
        return [f"KeyboardInterrupt: {self}"]


def shortened(text: str, most: int = MOST_CHARACTERS) -> str:
    """The text, or its beginning and end where it is too long for a person."""
    half = most // 2
    return text if len(text) <= most else f"{text[:half]} ... {text[-half:]}"


def piece(value: object) -> str:
    """What a message repeats of a file that may hold anything."""
    return shortened(str(value), MOST_OF_A_PIECE)


def name_of(error: BaseException) -> str:
    """What a record calls an exception: its class, but any UserError by that name, so that a reader can tell a run
    that was refused from one that went wrong, whatever subclass refused it.
    """
    return UserError.__name__ if isinstance(error, UserError) else type(error).__name__


def own_line(error: BaseException) -> str:
    """`mynet.py, line 12`: where in the user's own code an error came about; empty where it did not."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        places = {path := Path(frame.filename), *path.parents}
        if not (OURS & places or LIBRARIES & {*path.parts} or frame.filename.startswith("<")):
            return f"{path.name}, line {frame.lineno}"
    return ""


class Interrupted(BaseException):
    """The user or the system asked the run to stop. Not an Exception: nobody may swallow it by accident.

    Args:
        signum: the signal that asked.
        between_steps: the state is whole and not saved yet, so a checkpoint may be written now.
    """

    def __init__(self, signum: int, between_steps: bool = False) -> None:
        self.signum = signum
        self.between_steps = between_steps
        super().__init__(signal.Signals(signum).name)
