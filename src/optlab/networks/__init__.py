"""Networks from config: any class or function that makes a `torch.nn.Module`, its weights, and what of it learns.

`build` makes the network of a group's options, `try_out` sees that it fits the data.
"""

from optlab.networks.arguments import check, described, given
from optlab.networks.build import build, make
from optlab.networks.trial import try_out

__all__ = ["build", "check", "described", "given", "make", "try_out"]
