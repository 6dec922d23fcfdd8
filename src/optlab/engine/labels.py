"""Labels against the outputs that a LightningModule of a user's own computes its loss of.

What it computes is its own affair, so no trial before the run can tell how many classes its loss has. torch says an
index on a CPU, and on a GPU it ends the process' use of the device.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from optlab.data.arrays import DataInfo
from optlab.data.decide import outside
from optlab.errors import UserError

LOSSES = (functional.cross_entropy, functional.nll_loss)  # what torch's modules of these losses call, too


class LabelsWatched(TorchFunctionMode):
    """While it is entered, a loss that is given a label outside the classes of its outputs raises UserError.

    Looking at labels waits for the device; so where a step has shown that outputs and classes of the data agree,
    `narrow` is False and the next steps need it no more.

    Args:
        label: of the module, for the message.
        info: of the data set.
    """

    def __init__(self, label: str, info: DataInfo) -> None:
        super().__init__()
        self.label = label
        self.info = info
        self.narrow = False

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        options = kwargs or {}
        if func in LOSSES:
            self.look(*(args[i] if len(args) > i else options.get(name) for i, name in enumerate(("input", "target"))))
        return func(*args, **options)

    def look(self, outputs: Any, labels: Any) -> None:
        """Outputs [n, classes, ...] or [classes], and labels; targets that are probabilities are no labels."""
        if not isinstance(outputs, Tensor) or not isinstance(labels, Tensor) or labels.is_floating_point():
            return
        classes = outputs.shape[min(1, outputs.ndim - 1)]
        if classes >= self.info.outputs:
            return
        self.narrow = True
        highest = int(labels.max()) if labels.numel() else 0
        if highest >= classes:
            raise UserError(
                f"module={self.label}: {outside(highest, classes, 'its outputs')}, and {self.info.name} has "
                f"{self.info.outputs}; let its constructor take `outputs` and give as many"
            )
