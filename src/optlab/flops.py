"""The work of a training step in floating-point operations, as its network's matrix products and convolutions count."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from optlab import networks
from optlab.adapters.torch import keeping_random_state
from optlab.config.schema import Config
from optlab.errors import UserError
from optlab.inputs import Sources, load_data

SAMPLES = 2  # some networks answer one sample in another shape
BACKWARD = 2  # times a forward pass: the gradients of the weights, and those of the inputs


def flops_of_step(config: Config, sources: Sources | None = None) -> float:
    """Floating-point operations of a forward and a backward pass over one batch; a product that is added counts as 2.

    Frozen parts count as if they learned. What is done by other operators is not counted, nor is the optimizer.

    Args:
        sources: data sets that are loaded already; filled.

    Raises:
        UserError: the data or the network cannot be had, or the module is a user's own, whose step only it knows.
    """
    if config.module is not None:
        raise UserError(f"module={config.module.label}: only the module knows what its step computes")
    info = load_data(config, sources).info
    with keeping_random_state(), torch.no_grad(), FlopCounterMode(display=False) as counted:
        network = networks.build(config.model.plain, info).eval()
        counted.flop_counts.clear()  # lazy layers were tried as they were built
        network(info.zeros(SAMPLES))
    return float(counted.get_total_flops()) * (1 + BACKWARD) * config.batch_size / SAMPLES
