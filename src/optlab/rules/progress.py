"""How far a sweep is, and how long the rest will take: the same arithmetic in the terminal and on the page."""

from collections.abc import Iterable

Span = tuple[float, float]  # seconds: the beginning and the end of a piece of work


def share(epochs: int, horizon: int, *, over: bool) -> float:
    """The part of a run that is done, by its epochs; 0 where the horizon is not given in epochs."""
    if over:
        return 1.0
    return min(epochs / horizon, 1.0) if horizon > 0 else 0.0


def time_left(seconds: float, done: float, left: float) -> float | None:
    """Seconds that the rest will take if it goes on as what was done in `seconds`; None before anything is done."""
    return seconds / done * left if done > 0 else None


def session(spans: Iterable[Span], pause: float) -> Span | None:
    """From when to when work went on without a pause, back from the last of it: the pauses before are no part of it.

    Args:
        spans: pieces of work, which may overlap.
        pause: seconds without any work that are one.
    """
    found: Span | None = None
    for begin, end in sorted(spans, key=lambda span: span[1], reverse=True):
        if found is None:
            found = begin, end
        elif found[0] - end <= pause:
            found = min(found[0], begin), found[1]
    return found
