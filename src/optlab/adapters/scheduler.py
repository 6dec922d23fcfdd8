"""How long a process computes before it is another one's turn, on Linux; no library of Python's asks for that.

Twice as many bare loops as cores train 1.10 times as many samples a second (1.02 to 1.45, nine rounds on two cores) in
turns of 100 ms as in the system's own, which are a few: a step of a small network finds the processor's caches as it
left them. `python scripts/bench.py --only turns` measures it. Who waits for a key or a disk still comes first, and
everybody's share stays what it is.

`tests/adapters/test_scheduler.py` says what each function keeps from breaking. Light at import.
"""

import platform
import struct
import sys

# sched_setattr and sched_getattr: numbers of Linux' calls, as glibc has had names for them since 2.41 alone.
CALLS = {"x86_64": (314, 315), "aarch64": (274, 275)}
ATTRIBUTES = struct.Struct("=IIQiIQQQII")  # struct sched_attr: size, policy, flags, nice, priority, runtime, ...
RUNTIME = 5  # its place among them
FAIR = (0, 3)  # SCHED_OTHER and SCHED_BATCH, which take turns
LONGEST = 100_000_000  # nanoseconds that Linux allows


def take_turns(nanoseconds: int = LONGEST, thread: int = 0) -> bool:
    """Let a thread, and those that it starts, compute for so long at a time where others want the core too.

    Args:
        nanoseconds: 100,000 to 100,000,000; 0: as long as the system thinks.
        thread: its number in the system; 0: this one.

    Returns:
        Whether it does: elsewhere, on a Linux before 6.12, and where a container forbids it, all stays as it is.
    """
    found = _attributes(thread)
    if found is None or found[1] not in FAIR:
        return False
    found[RUNTIME] = nanoseconds
    return _call(0, thread, ATTRIBUTES.pack(*found)) is not None and nanoseconds in (0, turn(thread))


def turn(thread: int = 0) -> int | None:
    """The turns of a thread, in nanoseconds; None where the system does not tell, 0 before Linux 6.12."""
    found = _attributes(thread)
    return None if found is None else found[RUNTIME]


def _attributes(thread: int) -> list[int] | None:
    filled = _call(1, thread, bytes(ATTRIBUTES.size))
    return None if filled is None else list(ATTRIBUTES.unpack(filled))


def _call(which: int, thread: int, attributes: bytes) -> bytes | None:
    """Set (0) or get (1) the attributes of a thread; None where that cannot be done."""
    if sys.platform != "linux" or platform.machine() not in CALLS:
        return None
    import ctypes

    buffer = ctypes.create_string_buffer(attributes, ATTRIBUTES.size)
    rest = (0,) if which == 0 else (ATTRIBUTES.size, 0)
    failed = ctypes.CDLL(None).syscall(CALLS[platform.machine()][which], thread, buffer, *rest)
    return None if failed else buffer.raw
