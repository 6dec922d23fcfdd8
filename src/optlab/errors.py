"""The exceptions that are no bugs: what a user can put right, and what a user asked for."""

import signal


class UserError(Exception):
    """Input that cannot be used. Its text is one line for a person: the value, what is allowed, what to type.

    The command line prints it without a traceback and exits with 1; it is raised before anything is written.
    """


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
