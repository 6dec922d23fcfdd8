"""The one line of a sweep: how many runs are done, running and left, the best so far, and the time that is left.

board   what the run folders say, whatever launches the jobs; it counts those of other processes too
lines   how that is shown: one live line on a terminal, elsewhere a line for each job
watch   the thread that looks at the board and shows it while the jobs run
"""

from optlab.sweep.progress.watch import Watch, watching, watching_plan

__all__ = ["Watch", "watching", "watching_plan"]
