"""The learning-rate finder, `mode=find_lr`.

ramp      the callback of a range test: the lr of each step, the loss behind it, when to stop
measure   one range test: a run of some hundred steps
curve     the smooth curve of some tests, and what it suggests; pure NumPy
finding   what the tests of a setting came to, in words too, and find_lr.json
figure    the figure, described once
write     find_lr.png, find_lr.html, and the lines on the terminal
find      from a config to a finding
many      several, the jobs of a sweep, in one figure
against   the finder held against studies on disk
"""

from optlab.teaching.finder.find import find_lr, measured
from optlab.teaching.finder.finding import Finding

__all__ = ["Finding", "find_lr", "measured"]
