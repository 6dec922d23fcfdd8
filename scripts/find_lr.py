"""Hold the learning-rate finder against studies: python scripts/find_lr.py --against outputs/sweeps/STUDY"""

import sys

from optlab.teaching.finder.against import main

if __name__ == "__main__":
    sys.exit(main())
