"""Small words that more than one room says: the language's, and what needs none."""

from collections.abc import Mapping
from typing import Any

from optlab.rules.english import counted, divergence, duration, enumerated, plural

__all__ = ["counted", "divergence", "duration", "enumerated", "failure", "plural"]


def failure(error: Mapping[str, Any] | None) -> str:
    """A failed run's error (as in run.json) by its first line: `ValueError: no such file`."""
    error = error or {}
    lines = str(error.get("message", "")).splitlines()
    return f"{error.get('type', 'error')}: {lines[0] if lines else ''}"
