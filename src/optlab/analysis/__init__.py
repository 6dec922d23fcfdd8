"""Reading runs from disk and saying what they show. Stands on `optlab.record` alone: no torch, no Hydra.

from optlab.analysis import build, print_table
print_table(build([Path("outputs/sweeps/first")]))
"""

from optlab.analysis.build import build
from optlab.analysis.show.summary import Summary
from optlab.analysis.show.terminal import print_table

__all__ = ["Summary", "build", "print_table"]
