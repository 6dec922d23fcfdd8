"""Networks from config: any class or function that makes a `torch.nn.Module`, its weights, and what of it learns.

`build` makes the network of a group's options, `load` gives it weights of before, `try_out` sees that it fits the data.
"""

from optlab.networks.arguments import check, described, from_data, given
from optlab.networks.build import build, make
from optlab.networks.frozen import counts, frozen_line
from optlab.networks.trial import try_out
from optlab.networks.weights import Loaded, check_weights, load, start

__all__ = [
    "Loaded",
    "build",
    "check",
    "check_weights",
    "counts",
    "described",
    "from_data",
    "frozen_line",
    "given",
    "load",
    "make",
    "start",
    "try_out",
]
