"""What fits into the memory of this machine."""

from __future__ import annotations

from pathlib import Path

from optlab.errors import UserError


def check_memory(needed: int, what: str, remedy: str) -> None:
    """Raise UserError where `needed` bytes are more than can be had.

    Args:
        what: that needs them, for the message: "1000 images of 32x32 pixels".
        remedy: what to do instead: "type a smaller dataset.image_size".
    """
    if not fits(needed):
        available = available_memory() or 0
        raise UserError(
            f"{what} need {needed / 2**30:.1f} GiB of memory, and {available / 2**30:.1f} GiB are available; {remedy}"
        )


def fits(needed: int) -> bool:
    """Whether so many bytes can be had without swapping; where the system does not tell, they can."""
    available = available_memory()
    return available is None or needed <= available


def available_memory() -> int | None:
    """Bytes that can be had without swapping, or None where the system does not tell."""
    meminfo = Path("/proc/meminfo")
    if not meminfo.exists():
        return None
    fields = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
    return int(fields["MemAvailable"].split()[0]) * 1024
