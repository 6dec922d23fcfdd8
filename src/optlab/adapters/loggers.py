"""Every change to the loggers of this process, which has one of each name. Light at import."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def log_only_warnings(*loggers: str) -> None:
    """Keep what these loggers have to tell from being told, but for warnings: a logger is one for the process."""
    for name in loggers:
        logging.getLogger(name).setLevel(logging.WARNING)


@contextmanager
def telling_errors_alone(name: str) -> Iterator[None]:
    """Keep all but errors that a logger has to tell from being told within the block."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def quiet_console() -> None:
    """Leave the terminal to a sweep's own line; warnings are shown, and train.log has everything.

    The handler is that of conf/hydra/job_logging; Hydra makes it anew for each job.
    """
    for handler in logging.getLogger().handlers:
        if handler.name == "console":
            handler.setLevel(logging.WARNING)


@contextmanager
def telling(name: str, *, wanted: bool = True) -> Iterator[None]:
    """Print what a logger tells within the block, where the program set up no logging of its own.

    Written to what is `sys.stdout` at that moment: a notebook has another one for each cell.
    """
    logger = logging.getLogger(name)
    if not wanted or logger.hasHandlers():
        yield
        return
    handler, level = logging.StreamHandler(sys.stdout), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


@contextmanager
def keeping_logging() -> Iterator[None]:
    """Take back what Hydra does to the process' loggers within the block: it closes nothing and replaces handlers."""
    names = ("", *logging.root.manager.loggerDict)
    before = {name: (list(of.handlers), of.level) for name in names if (of := logging.getLogger(name or None))}
    try:
        yield
    finally:
        for name, (handlers, level) in before.items():
            of = logging.getLogger(name or None)
            for handler in of.handlers:
                if handler not in handlers:
                    handler.close()
            of.handlers, of.level = handlers, level
