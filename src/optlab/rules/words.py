"""Small words that more than one room says: the language's, and what needs none."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from optlab.rules.english import counted, divergence, duration, enumerated, plural

__all__ = ["counted", "divergence", "duration", "enumerated", "failure", "natural", "plural", "short_slug", "slug"]

LONGEST_SLUG = 60  # bytes: a file's name takes 255, of several such parts


def failure(error: Mapping[str, Any] | None) -> str:
    """A failed run's error (as in run.json) by its first line: `ValueError: no such file`."""
    error = error or {}
    lines = str(error.get("message", "")).splitlines()
    return f"{error.get('type', 'error')}: {lines[0] if lines else ''}"


def natural(text: str) -> list[tuple[bool, float, str]]:
    """What sorts names with numbers in them as people do: `batch_size 16` before 64 before 256."""
    parts = re.split(r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)", text)
    return [(bool(i % 2), float(part) if i % 2 else 0.0, part) for i, part in enumerate(parts)]


def slug(text: str) -> str:
    """A name as part of a file's name or of an address on a page: `cnn-on-digits-batch-size-16`."""
    return re.sub("-+", "-", "".join(char if char.isalnum() else "-" for char in text)).strip("-")


def short_slug(text: str) -> str:
    """The slug, cut where a file's name could not hold it; a hash of the whole keeps two that begin alike apart."""
    whole = slug(text)
    if len(whole.encode()) <= LONGEST_SLUG:
        return whole
    cut = whole.encode()[: LONGEST_SLUG - 9].decode(errors="ignore").rstrip("-")
    return f"{cut}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
