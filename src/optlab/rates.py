"""Learning rates on the device: what a GPU's optimizer kernels read, while groups and schedules keep plain floats."""

import math
from typing import Any

import torch
from torch.optim import Optimizer

DEVICES = ("cuda",)  # where optimizers read the lr from a tensor, and steps can be captured


class DeviceRates:
    """Lends each parameter group its lr as a float32 tensor [] on the device, for the time of `optimizer.step()`.

    A captured step then follows the schedule: the kernels read the tensor, and `refresh` writes it between replays.
    Outside of a step the groups hold floats, so schedules and checkpoints know nothing of the device. Both engines
    lend, so their numbers are the same.
    """

    def __init__(self, optimizer: Optimizer, device: torch.device) -> None:
        self.optimizer = optimizer
        self.tensors = [torch.zeros((), device=device) for _ in optimizer.param_groups]
        self._written = [math.nan] * len(self.tensors)
        optimizer.register_step_pre_hook(self._lend)
        optimizer.register_step_post_hook(self._take_back)

    def refresh(self) -> None:
        """Write what has changed. Nothing has when a step is captured, so that no value becomes part of the graph."""
        for _ in self.optimizer.param_groups[len(self.tensors) :]:  # a callback may add the layers that it thaws
            self.tensors.append(torch.zeros_like(self.tensors[0]))
            self._written.append(math.nan)
        for i, group in enumerate(self.optimizer.param_groups):
            if group["lr"] is not self.tensors[i] and group["lr"] != self._written[i]:
                self._written[i] = group["lr"]
                self.tensors[i].fill_(group["lr"])

    # Torch calls the hooks twice, one within the other, for a class whose `step` calls that of its base. And a step
    # that raises is not followed by the second hook: the next step finds the tensors still lent.

    def _lend(self, *_: Any) -> None:
        self.refresh()
        for group, tensor in zip(self.optimizer.param_groups, self.tensors, strict=True):
            group["lr"] = tensor

    def _take_back(self, *_: Any) -> None:
        for group, value in zip(self.optimizer.param_groups, self._written, strict=True):
            group["lr"] = value
