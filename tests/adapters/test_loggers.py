"""What is told to the loggers of this process."""

import logging

import pytest

from optlab.adapters import loggers


def test_the_other_processes_of_a_run_and_the_jobs_of_a_sweep_tell_warnings_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    logger = logging.getLogger("of_this_test")
    logger.setLevel(logging.INFO)
    loggers.log_only_warnings("of_this_test")
    assert (logger.isEnabledFor(logging.INFO), logger.isEnabledFor(logging.WARNING)) == (False, True)
    with loggers.telling_errors_alone("of_this_test"):  # ten steps that are measured are no run
        assert not logger.isEnabledFor(logging.WARNING)
    assert logger.isEnabledFor(logging.WARNING)
    console, file = logging.NullHandler(), logging.NullHandler()
    console.name, file.name = "console", "file"
    monkeypatch.setattr(logging.getLogger(), "handlers", [console, file])
    loggers.quiet_console()
    assert (console.level, file.level) == (logging.WARNING, logging.NOTSET)


def test_what_optlab_tells_is_printed_unless_the_program_logs_itself_else_it_is_lost_or_told_twice(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = logging.getLogger("optlab.told_here")
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    with loggers.telling("optlab"):
        logger.info("chosen for you")
    logger.info("later")
    with loggers.telling("optlab", wanted=False):
        logger.info("unwanted")
    assert capsys.readouterr().out == "chosen for you\n"
    monkeypatch.setattr(logging.getLogger(), "handlers", [logging.NullHandler()])
    with loggers.telling("optlab"):
        logger.info("logged by the program")
    assert capsys.readouterr().out == ""


def test_loggers_are_as_they_were_else_a_notebook_prints_each_line_twice_after_a_sweep() -> None:
    root, own = logging.getLogger(), logging.getLogger("optlab")
    before = list(root.handlers), root.level, own.level
    with loggers.keeping_logging():
        root.addHandler(logging.StreamHandler())
        root.setLevel(logging.ERROR)
        own.setLevel(logging.DEBUG)
    assert (root.handlers, root.level, own.level) == before
