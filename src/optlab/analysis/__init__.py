"""Reading runs from disk and saying what they show. Stands on `optlab.record` alone: no torch, no Hydra.

from optlab.analysis import build, print_table
print_table(build([Path("outputs/sweeps/first")]))
"""

from optlab.analysis.build import build, check_ours, judged, write
from optlab.analysis.read.runs import read_runs
from optlab.analysis.show.summary import Summary
from optlab.analysis.show.terminal import print_table

__all__ = ["Summary", "build", "check_ours", "judged", "print_table", "read_runs", "write"]
