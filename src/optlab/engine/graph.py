"""Capturing the step, trusting it after a check, and replaying it."""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from optlab.adapters.torch import leave_failed_capture
from optlab.engine.buffers import BufferedStep
from optlab.engine.snapshot import Snapshot
from optlab.engine.steps import PlainSteps

WARM_UPS = 3  # steps before a capture, in which libraries choose their kernels and allocate their workspaces
TOLERANCE = 0.01  # of the step's length. Kernels that add in any order differ far less, a wrong counter far more


class Capture(Protocol):
    """What a step is captured with."""

    def warm_up(self, step: Callable[[], None]) -> None:
        """Take some steps as they will be captured."""

    def capture(self, step: Callable[[], None]) -> None:
        """Record a step without taking it."""

    def replay(self) -> None:
        """Take the recorded step."""

    def abandon(self) -> None:
        """Clean up behind a capture that failed."""


class CudaCapture:
    """A CUDA graph."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.graph = torch.cuda.CUDAGraph()

    def warm_up(self, step: Callable[[], None]) -> None:
        self.stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(self.stream):
            for _ in range(WARM_UPS):
                step()
        torch.cuda.current_stream(self.device).wait_stream(self.stream)

    def capture(self, step: Callable[[], None]) -> None:
        # The outer context: when a capture fails, `torch.cuda.graph` leaves without going back to the stream before.
        with torch.cuda.stream(self.stream), torch.cuda.graph(self.graph, stream=self.stream):
            step()

    def replay(self) -> None:
        self.graph.replay()

    def abandon(self) -> None:
        leave_failed_capture(self.device)


new_capture: Callable[[torch.device], Capture] = CudaCapture


class Uncapturable(Exception):
    """The step cannot be replayed; the text is the reason."""


class ReplayedSteps(PlainSteps):
    """Takes the first step as it is, captures the second and compares it, and takes the others as replays.

    The first creates the optimizer's state with its true initial values. A last batch of fewer samples is taken as it
    is, epoch after epoch.
    """

    def __init__(self, step: BufferedStep, schedule: Any) -> None:
        super().__init__(step, schedule)
        self._capture: Capture | None = None
        self._settings = self.settings()
        self._first = True
        self._replayed = False  # whether the last step was a replay
        self._gradients: list[Tensor | None] = []  # of the captured step, where its replays write them

    def take(self, index: int) -> None:
        """The step over batch number `index` of the epoch.

        Raises:
            Uncapturable: this step cannot be a replay, and has left no trace: it is still to be taken.
        """
        super().take(index)
        self._first = False

    def learn_from(self, index: int) -> None:
        step = self.step
        self._replayed = False
        if step.batches.size(index) < step.batches.batch_size:
            step.plain(index)
            return
        step.aim(index)
        if self.settings() != self._settings:
            raise Uncapturable("the schedule changes more than the lr")
        if self._capture is not None:
            self.replay(self._capture)
        elif self._first:
            step()
        else:
            with step.module.run_state.warming_up():
                self._capture = self.captured()

    def replay(self, capture: Capture) -> None:
        if self.step.module.run_state.rates is not None:
            self.step.module.run_state.rates.refresh()
        capture.replay()
        self._replayed = True
        self.step.sums.samples += self.step.batches.batch_size

    def show_gradients(self) -> None:
        """A replay writes to the memory of the captured step, which steps taken as they are since have let go."""
        if self._replayed:
            for parameter, gradient in zip(self.step.module.parameters(), self._gradients, strict=True):
                if gradient is not None:
                    parameter.grad = gradient

    def captured(self) -> Capture:
        """Capture the step, and take it twice from the same state: by replay to compare, and as it is to go on."""
        before, capture, reason = Snapshot(self.step), new_capture(self.step.device), None
        replayed: list[Tensor] = []
        try:
            replayed = self.first_replay(capture, before)
        except Exception as error:  # whatever a network or an optimizer does that cannot be captured
            capture.abandon()
            reason = f"the step cannot be captured ({first_line(error)})"
        before.restore()
        if reason is None:
            self.step()
            if (difference := relative_difference(replayed, before)) <= TOLERANCE:
                return capture
            before.restore()
            reason = f"the replayed step differs from the step by {difference:.2g} of its length"
        raise Uncapturable(reason)

    def first_replay(self, capture: Capture, before: Snapshot) -> list[Tensor]:
        """Fill `capture`, and give the values that its first replay from `before` leaves."""
        if any(p.grad is not None and p.grad.is_sparse for p in self.step.module.parameters()):
            raise Uncapturable("its gradients are sparse")
        capture.warm_up(self.step.rehearse)
        if name := before.replaced():
            raise Uncapturable(f"it keeps {name} where no replay finds it")
        before.restore()
        self.step.optimizer.zero_grad()
        capture.capture(self.step)
        self._gradients = [parameter.grad for parameter in self.step.module.parameters()]
        before.restore()
        capture.replay()
        return before.values()

    def settings(self) -> list[dict[str, Any]]:
        """What the optimizer's groups hold besides the lr; as plain numbers they become part of the graph."""
        plain = (int, float, str, tuple, list, type(None))
        return [
            {key: value for key, value in group.items() if key not in ("lr", "params") and isinstance(value, plain)}
            for group in self.step.optimizer.param_groups
        ]


def relative_difference(replayed: list[Tensor], before: Snapshot) -> float:
    """How far the weights of a replayed step are from those of the step taken since, as a share of its length."""
    if all(map(same_bits, replayed, before.tensors)):
        return 0.0
    weights, starts = before.weights, before.copies[: len(before.weights)]
    apart = length([a - b for a, b in zip(replayed, weights, strict=False)])
    step = length([a - b for a, b in zip(weights, starts, strict=True)])
    if not step.isfinite():  # a run that diverges at once does so in either way
        return 0.0 if not apart.isfinite() else float("inf")
    return float(apart / step) if step > 0 else float("inf")


def length(tensors: list[Tensor]) -> Tensor:
    """The Euclidean norm over all tensors together."""
    norms: list[Tensor] = [torch.linalg.vector_norm(tensor, dtype=torch.float64) for tensor in tensors]
    return torch.stack(norms).square().sum().sqrt()


def same_bits(a: Tensor, b: Tensor) -> bool:
    return bool(((a == b) | ((a != a) & (b != b))).all())


def first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
