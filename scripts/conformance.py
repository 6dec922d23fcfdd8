"""Check optimizers: python scripts/conformance.py mine.MyOptimizer (`optlab conformance` is the same)."""

import sys

from optlab.commands.conformance import main

if __name__ == "__main__":
    sys.exit(main())
