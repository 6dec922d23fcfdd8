"""How much memory this process held at most, and since when: the high-water mark is the process', and never falls.

`tests/adapters/test_memory.py` says what each function keeps from breaking. Light at import.
"""

import sys
from pathlib import Path

MIB = 2**20
CLEAR = Path("/proc/self/clear_refs")
STATUS = Path("/proc/self/status")
HIGH_WATER = "5"  # of proc(5): set the mark to what is held now


def forget_peak() -> bool:
    """Let the high-water mark begin anew at what the process holds now; whether the system does that (Linux does).

    Without, a process that made several runs would show the peak of the largest of them for each that follows.
    """
    try:
        CLEAR.write_text(HIGH_WATER, encoding="ascii")
    except OSError:
        return False
    return True


def peak_bytes() -> int:
    """The most memory that the process held at a time, resident; 0 where the system does not tell."""
    try:
        lines = STATUS.read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
        lines = []
    for line in lines:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return _usage()


def _usage() -> int:
    """The same by getrusage, whose mark cannot be set back; macOS counts in bytes, others in KiB."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
