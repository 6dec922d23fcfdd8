"""What this machine has: cores, memory, room on the disk."""

import shutil
from pathlib import Path


def free_bytes(folder: Path) -> int:
    """Room on the disk that a folder lies on, or will lie on."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def free_mib() -> float | None:
    """Memory that is available to this process, in MiB: of the machine, or of its container; None if it is not told."""
    found = [mib for mib in (of_machine(), of_container()) if mib is not None]
    return min(found) if found else None


def of_machine() -> float | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("MemAvailable:")), None)


def of_container() -> float | None:
    """What the control group leaves, version 2; None where there is no limit."""
    group = Path("/sys/fs/cgroup")
    try:
        limit, used = (group / "memory.max").read_text().strip(), (group / "memory.current").read_text()
        return None if limit == "max" else (int(limit) - int(used)) / 2**20
    except (OSError, ValueError):
        return None
