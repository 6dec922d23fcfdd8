"""Replay successive halving on finished full sweeps: python scripts/replay_stopping.py outputs/sweeps/STUDY"""

import sys

from optlab.analysis.show.replay import main

if __name__ == "__main__":
    sys.exit(main())
