"""Muon for the hidden weights and AdamW for everything else, as one optimizer.

Muon (Jordan et al., 2024, https://kellerjordan.github.io/posts/muon) orthogonalises the momentum of a weight
matrix; it is meant for hidden layers. The first layer, the head, biases and norms need another rule.
Lightning's automatic optimization takes one optimizer a model, so this one holds both: its groups, state and
checkpoints are its own, and a step hands them to `torch.optim.Muon` and `torch.optim.AdamW`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal, overload

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.optim import Optimizer

from optlab.adapters.torch import step_over
from optlab.errors import UserError

NonNegative = Annotated[float, Field(ge=0)]
Beta = Annotated[float, Field(ge=0, lt=1)]
# Layers whose weight is [out, ...]: a row of the matrix for each output. A transposed convolution's is [in, out, ...].
MATRIX_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


class MuonAdamW(Optimizer):
    """`torch.optim.Muon` on hidden linear and convolution weights, `torch.optim.AdamW` on the rest.

    A convolution's weight [out, in, height, width] is handed to Muon as the matrix [out, in * height *
    width]: a view of the same memory, in whichever memory format it lies (Muon does not depend on the order
    of the columns).

    `params` are the groups that `parameter_groups` gives. `lr`, `momentum`, `nesterov`, `weight_decay`,
    `ns_steps` and `adjust_lr_fn` are Muon's; `adamw_*` AdamW's. Both decays are decoupled. Raises ValueError
    for values outside their range and for groups without "use_muon".
    """

    def __init__(
        self,
        params: Iterable[dict[str, Any]],
        lr: NonNegative = 0.02,
        momentum: Beta = 0.95,
        nesterov: bool = True,
        weight_decay: NonNegative = 0.1,
        ns_steps: Annotated[int, Field(ge=1, lt=100)] = 5,
        adjust_lr_fn: Literal["original", "match_rms_adamw"] | None = None,
        adamw_lr: NonNegative = 1e-3,
        adamw_betas: tuple[Beta, Beta] = (0.9, 0.999),
        adamw_eps: NonNegative = 1e-8,
        adamw_weight_decay: NonNegative = 0.01,
    ) -> None:
        self._muon = torch.optim.Muon(
            [torch.zeros(1, 1)],
            lr=lr,
            momentum=momentum,
            nesterov=nesterov,
            weight_decay=weight_decay,
            ns_steps=ns_steps,
            adjust_lr_fn=adjust_lr_fn,
        )
        self._adamw = torch.optim.AdamW(
            [torch.zeros(1)], lr=adamw_lr, betas=adamw_betas, eps=adamw_eps, weight_decay=adamw_weight_decay
        )
        groups = []
        for group in params:
            if not isinstance(group, dict) or "use_muon" not in group:
                raise ValueError("MuonAdamW takes the groups of MuonAdamW.parameter_groups(model, settings)")
            rule = self._muon if group["use_muon"] else self._adamw
            groups.append({**rule.defaults, **group})
        super().__init__(groups, {"lr": lr})

    @staticmethod
    def parameter_groups(model: nn.Module, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Muon's group and AdamW's, AdamW's split by `settings["decay_bias_and_norm"]` where it is false.

        Hidden are the weights of linear and convolution layers other than the first and the last of them.
        Raises UserError where there is none.
        """
        weights = [module.weight for module in model.modules() if isinstance(module, MATRIX_LAYERS)]
        hidden = {id(weight) for weight in weights[1:-1] if weight.requires_grad}
        if not hidden:
            raise UserError(
                f"optimizer=muon needs a hidden layer between the first and the last: {type(model).__name__} "
                "has none: use optimizer=adamw"
            )
        trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        groups = [_group([(name, p) for name, p in trained if id(p) in hidden], use_muon=True)]
        rest = [(name, p) for name, p in trained if id(p) not in hidden]
        if settings.get("decay_bias_and_norm", True):
            return [*groups, _group(rest, use_muon=False)]
        groups.append(_group([(name, p) for name, p in rest if p.ndim >= 2], use_muon=False))
        groups.append(_group([(name, p) for name, p in rest if p.ndim < 2], use_muon=False) | {"weight_decay": 0.0})
        return [group for group in groups if group["params"]]

    def describe(self) -> str:
        """Which parameters each rule covers, in one line."""
        parts = []
        for label, use_muon in [("Muon", True), ("AdamW", False)]:
            groups = [group for group in self.param_groups if group["use_muon"] == use_muon]
            sizes = [p.numel() for group in groups for p in group["params"]]
            names = [name for group in groups for name in group["names"]]
            shown = ", ".join(names if len(names) <= 4 else [*names[:3], f"and {len(names) - 3} more"])
            parts.append(f"{label}: {len(sizes)} tensors, {sum(sizes):,} parameters ({shown})")
        return "; ".join(parts)

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step of both rules; returns the closure's value."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        # The groups and the state are this optimizer's own, and loading a checkpoint replaces them: hand over
        # the present ones every time. A few views a step cost nothing beside the orthogonalisation.
        step_over(self._adamw, [group for group in self.param_groups if not group["use_muon"]], self.state)
        momenta: dict[Tensor, Any] = {}
        groups = [self._as_matrices(group, momenta) for group in self.param_groups if group["use_muon"]]
        step_over(self._muon, groups, momenta)
        return loss

    def _as_matrices(self, group: dict[str, Any], momenta: dict[Tensor, Any]) -> dict[str, Any]:
        """The group with each parameter, gradient and momentum as a matrix over the same memory."""
        matrices = []
        for p in group["params"]:
            if p.grad is None:
                continue
            matrix = _as_matrix(p.detach())
            matrix.grad = _as_matrix(_in_layout_of(p, p.grad))
            momentum = self.state[p].get("momentum_buffer")
            momentum = torch.zeros_like(p) if momentum is None else _in_layout_of(p, momentum)
            self.state[p]["momentum_buffer"] = momentum
            momenta[matrix] = {"momentum_buffer": _as_matrix(momentum)}
            matrices.append(matrix)
        return {**group, "params": matrices}

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_muon": self._muon, "_adamw": self._adamw}


def _in_layout_of(p: Tensor, tensor: Tensor) -> Tensor:
    """The tensor itself, or a copy where its memory format is not the parameter's: columns have to match."""
    return tensor if tensor.stride() == p.stride() else torch.empty_like(p).copy_(tensor)


def _as_matrix(tensor: Tensor) -> Tensor:
    """[out, ...] as [out, columns] over the same memory; `view` raises where a reshape would copy."""
    if not tensor.is_contiguous():  # channels_last: [out, height, width, in] in memory
        tensor = tensor.movedim(1, -1)
    return tensor.view(len(tensor), -1)


def _group(named: list[tuple[str, nn.Parameter]], *, use_muon: bool) -> dict[str, Any]:
    return {"params": [p for _, p in named], "names": [name for name, _ in named], "use_muon": use_muon}
