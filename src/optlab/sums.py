"""The sums that become an epoch's loss and accuracy."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

AT_ONCE = 2048  # samples whose outputs are kept until their correct ones are counted


class Sums:
    """Loss and correct answers summed on the device, read once an epoch.

    A batch weighs as many samples as it holds, so the quotients are means over samples.

    Args:
        at_once: count the correct answers of each batch as it comes, not of several together.
    """

    def __init__(self, device: torch.device, counts_correct: bool, at_once: bool) -> None:
        self.device = device
        self.at_once = at_once
        # Metal has no float64.
        kind = torch.float32 if device.type == "mps" else torch.float64
        self.loss = torch.zeros((), dtype=kind, device=device)
        self.correct = torch.zeros((), dtype=torch.int64, device=device) if counts_correct else None
        self.samples = 0
        self._waiting: list[tuple[Tensor, Tensor]] = []

    def reset(self) -> None:
        """Back to zero in the same tensors."""
        self._waiting.clear()
        self.loss.zero_()
        if self.correct is not None:
            self.correct.zero_()
        self.samples = 0

    def add(self, loss: Tensor, outputs: Tensor, targets: Tensor) -> None:
        samples = len(targets)
        self.loss.add_(loss.detach(), alpha=samples)
        self.samples += samples
        if self.correct is not None:
            self._waiting.append((outputs.detach(), targets))
            if self.at_once or samples * len(self._waiting) >= AT_ONCE:
                self.count()

    def count(self) -> None:
        """Count the correct answers of the batches that wait: several together take hardly longer than one."""
        if self._waiting and self.correct is not None:
            parts = zip(*self._waiting, strict=True)
            outputs, targets = (part[0] if len(part) == 1 else torch.cat(part) for part in parts)
            self.correct.add_((outputs.argmax(1) == targets).sum())
            self._waiting.clear()

    def tensor(self) -> Tensor:
        """[loss, samples, correct] as one tensor, to be added up over processes."""
        self.count()
        parts = [self.loss, torch.full_like(self.loss, self.samples)]
        if self.correct is not None:
            parts.append(self.correct.to(self.loss.dtype))
        return torch.stack(parts)

    def running(self) -> dict[str, float]:
        """The means so far over the samples of this process; it reads the device. Empty before there is a sample."""
        return means(self.tensor().tolist()) if self.samples else {}

    def state(self) -> dict[str, Any]:
        self.count()
        return {"loss": self.loss, "correct": self.correct, "samples": self.samples}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._waiting.clear()
        self.loss.copy_(state["loss"])
        if self.correct is not None:
            self.correct.copy_(state["correct"])
        self.samples = state["samples"]


def means(sums: Sequence[float]) -> dict[str, float]:
    """Loss and, where they were counted, accuracy, of what `Sums.tensor` holds; NaN where there was no sample."""
    names = ("loss", "acc")
    first, samples, *others = sums
    return {name: each / samples if samples else math.nan for name, each in zip(names, (first, *others), strict=False)}
