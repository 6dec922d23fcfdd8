"""The sums that become an epoch's loss and accuracy."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from optlab.rules.tasks import IGNORED, Answers


class Sent:
    """Numbers that the device sends to the host, which goes on meanwhile.

    Args:
        tensor: [n], as it is when the device comes to it.
    """

    def __init__(self, tensor: Tensor) -> None:
        self.values = tensor.to("cpu", non_blocking=tensor.is_cuda)  # pinned, where it does not block
        self._event = torch.cuda.Event() if tensor.is_cuda else None  # type: ignore[no-untyped-call]
        if self._event is not None:
            self._event.record()

    @property
    def is_here(self) -> bool:
        """Whether they are on the host in any case, and not only when the device has come so far."""
        return self._event is None

    def read(self) -> list[float]:
        """The numbers; this waits for the device where it has not come so far."""
        if self._event is not None:
            self._event.synchronize()
        numbers: list[float] = self.values.tolist()
        return numbers


AT_ONCE = 2048  # samples whose outputs are kept until their correct ones are counted


class Sums:
    """Loss and correct answers summed on the device, read once an epoch.

    A batch weighs as many samples as it holds, so the quotients are means over samples. Where each position has its
    answer it weighs as many positions as count, and the quotients are means over these.

    Args:
        answers: how outputs are turned into answers (see `optlab.rules.tasks`); None where there is nothing to count.
        at_once: count the correct answers of each batch as it comes, not of several together.
        outputs: how many answers a sample has, where they are yes or no.
    """

    def __init__(self, device: torch.device, answers: Answers | None, at_once: bool, outputs: int = 1) -> None:
        self.device = device
        self.answers = answers
        self.at_once = at_once
        self.each = outputs if answers == "yes_no" else 1
        # Metal has no float64.
        kind = torch.float32 if device.type == "mps" else torch.float64
        self.loss = torch.zeros((), dtype=kind, device=device)
        self.correct = torch.zeros((), dtype=torch.int64, device=device) if answers else None
        self.positions = torch.zeros((), dtype=torch.int64, device=device) if answers == "positions" else None
        self.samples = 0
        self._waiting: list[tuple[Tensor, Tensor]] = []

    @property
    def tensors(self) -> list[Tensor]:
        """What is summed on the device."""
        return [each for each in (self.loss, self.correct, self.positions) if each is not None]

    def reset(self) -> None:
        """Back to zero in the same tensors."""
        self._waiting.clear()
        for each in self.tensors:
            each.zero_()
        self.samples = 0

    def add(self, loss: Tensor, outputs: Tensor, targets: Tensor) -> None:
        samples = len(targets)
        if self.positions is None:
            self.loss.add_(loss.detach(), alpha=samples)
        else:
            positions = (targets != IGNORED).sum()
            self.loss.add_(loss.detach() * positions)
            self.positions.add_(positions)
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
            if self.answers == "yes_no":
                self.correct.add_(((outputs > 0) == (targets > 0.5)).sum())
            else:  # which no output is, where a position is ignored
                self.correct.add_((outputs.argmax(1) == targets).sum())
            self._waiting.clear()

    def tensor(self) -> Tensor:
        """[loss, samples, correct, positions], as far as they are there, to be added up over processes."""
        self.count()
        loss, *counts = self.tensors
        return torch.stack([loss, torch.full_like(loss, self.samples), *(each.to(loss.dtype) for each in counts)])

    def means(self, sums: Sequence[float]) -> dict[str, float]:
        """Loss and, where answers are counted, accuracy, of what `tensor` holds; NaN where there was no sample."""
        loss, samples, *counts = sums
        weight = counts[1] if self.positions is not None else samples
        means = {"loss": loss / weight if weight else math.nan}
        if self.correct is not None:
            means["acc"] = counts[0] / (weight * self.each) if weight else math.nan
        return means

    def running(self) -> dict[str, float]:
        """The means so far over the samples of this process; it reads the device. Empty before there is a sample."""
        return self.means(self.tensor().tolist()) if self.samples else {}

    def state(self) -> dict[str, Any]:
        self.count()
        state = {"loss": self.loss, "correct": self.correct, "samples": self.samples}
        return state if self.positions is None else state | {"positions": self.positions}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._waiting.clear()
        self.loss.copy_(state["loss"])
        if self.correct is not None:
            self.correct.copy_(state["correct"])
        if self.positions is not None:
            self.positions.copy_(state["positions"])
        self.samples = state["samples"]
