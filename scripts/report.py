"""Read sweeps and say what they show: python scripts/report.py outputs/sweeps/first (`optlab report` is the same)."""

import sys

from optlab.commands.report import main

if __name__ == "__main__":
    sys.exit(main())
