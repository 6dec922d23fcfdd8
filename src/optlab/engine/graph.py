"""Capturing the step, trusting it after a check, and replaying it."""

import logging
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from optlab.adapters.torch import leave_failed_capture, may_capture
from optlab.engine.buffers import BufferedStep
from optlab.engine.compare import fault
from optlab.engine.frozen import Frozen
from optlab.engine.snapshot import Snapshot
from optlab.engine.steps import PlainSteps

log = logging.getLogger(__name__)

WARM_UPS = 3  # steps before a capture, in which libraries choose their kernels and allocate their workspaces


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
        self._begun = False

    def warm_up(self, step: Callable[[], None]) -> None:
        self.stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(self.stream):
            for _ in range(WARM_UPS):
                step()
        torch.cuda.current_stream(self.device).wait_stream(self.stream)

    def capture(self, step: Callable[[], None]) -> None:
        self._begun = True
        # The outer context: when a capture fails, `torch.cuda.graph` leaves without going back to the stream before.
        with torch.cuda.stream(self.stream), torch.cuda.graph(self.graph, stream=self.stream):
            step()

    def replay(self) -> None:
        self.graph.replay()

    def abandon(self) -> None:
        if self._begun:
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
        self._frozen: Frozen | None = None  # what the captured step has of Python
        self._settings = self.settings()
        self._first = True
        self._replayed = False  # whether the last step was a replay
        self._gradients: list[Tensor | None] = []  # of the captured step, where its replays write them

    def notice(self) -> None:
        """Take the next step as it is, and capture the one behind it, where the network is no longer what it was.

        A callback may have frozen a layer, set a dropout's `p`, or put another tensor in the place of a weight.
        """
        if self._frozen is not None and (name := self._frozen.changed()) is not None:
            log.info("engine: the step is captured again, because %s has changed", name)
            self._capture, self._frozen, self._first, self._gradients = None, None, True, []
            self._settings = self.settings()

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
        """Capture the step, and take it thrice from the same state: by replay, to compare, and to go on."""
        if not may_capture():
            raise Uncapturable("an earlier capture failed, and this PyTorch takes no other one in the same process")
        before, capture, reason = Snapshot(self.step), new_capture(self.step.device), None
        replayed: list[Tensor] = []
        try:
            replayed = self.first_replay(capture, before)
        except Uncapturable as error:
            reason = str(error)
        except Exception as error:  # whatever a network or an optimizer does that cannot be captured
            capture.abandon()
            reason = f"the step cannot be captured ({first_line(error)})"
        before.restore()
        if reason is None:
            self.step()
            once = before.values()
            before.restore()
            self.step()
            if (reason := fault(before, replayed, once, before.values())) is None:
                self._frozen = Frozen(self.step)
                return capture
            before.restore()
        raise Uncapturable(reason)

    def first_replay(self, capture: Capture, before: Snapshot) -> list[Tensor]:
        """Fill `capture`, and give the values that its first replay from `before` leaves."""
        if any(p.grad is not None and p.grad.is_sparse for p in self.step.module.parameters()):
            raise Uncapturable("its gradients are sparse")
        frozen = Frozen(self.step)
        capture.warm_up(self.step.rehearse)
        if name := frozen.changed():
            raise Uncapturable(f"each step leaves another {name} in Python, where no replay does")
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


def first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
