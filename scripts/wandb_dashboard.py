"""Build a W&B workspace: python scripts/wandb_dashboard.py outputs/sweeps/first (`optlab dashboard` is the same)."""

import sys

from optlab.commands.dashboard import main

if __name__ == "__main__":
    sys.exit(main())
