"""Small words that more than one room says: numbers with their noun, lists, durations, and how a run ended."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any


def plural(n: int, noun: str) -> str:
    """`1 seed`, `5 seeds`, `1,200 runs`."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def enumerated(words: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def counted(numbers: Mapping[str, int], noun: str) -> str:
    """`adam 9 trials, the others 7`."""
    usual = Counter(numbers.values()).most_common(1)[0][0]
    groups = {n: [name for name, k in numbers.items() if k == n] for n in sorted({*numbers.values()} - {usual})}
    shown = [f"{enumerated(names)} {plural(n, noun)}" for n, names in groups.items()]
    rest = [name for name, number in numbers.items() if number == usual]
    return f"{'; '.join(shown)}; {'the others' if len(rest) > 1 else rest[0]} {usual}"


def duration(seconds: float) -> str:
    """Two units at most: `40 s`, `3 min`, `2 h 5 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def failure(error: Mapping[str, Any] | None) -> str:
    """A failed run's error (as in run.json) by its first line: `ValueError: no such file`."""
    error = error or {}
    lines = str(error.get("message", "")).splitlines()
    return f"{error.get('type', 'error')}: {lines[0] if lines else ''}"


def divergence(diverged: Mapping[str, Any] | None) -> str:
    """How a diverged run (as in run.json) ended: `diverged in epoch 3`."""
    return f"diverged in epoch {(diverged or {}).get('epoch')}"
