"""Draw the paths of optimizers over functions of two weights (`optlab surfaces` is the same)."""

import sys

from optlab.commands.surfaces import main

if __name__ == "__main__":
    sys.exit(main())
