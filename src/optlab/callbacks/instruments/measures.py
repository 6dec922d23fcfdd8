"""The formulas: from gradient, weights and update of a layer to what is written of it.

`g` is the gradient of the step's loss (mean over its B samples) before any clipping, `w` the weights before the step,
`dw` the change that the step made, `w_0` the weights that the run began with. Sums over weights are taken on the device
(`squared`, `inner`, `idle_units`); the rest is arithmetic with a few numbers, which `readings` puts together.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from optlab.adapters.torch import norms

nan = math.nan


def squared(vectors: Sequence[Tensor], sizes: Sequence[int]) -> Tensor:
    """|vector|² over each layer of each, in double precision.

    Args:
        vectors: [n] each, layer behind layer.
        sizes: of the layers.

    Returns:
        [vectors, layers].
    """
    parts = [part for vector in vectors for part in torch.split(vector, list(sizes))]
    return norms(parts, precise(vectors[0])).square().view(len(vectors), len(sizes))


def inner(a: Tensor, b: Tensor, sizes: Sequence[int]) -> Tensor:
    """a·b over each layer, summed in double precision; [layers] of vectors [n]."""
    kind = precise(a)
    return torch.stack([part.sum(dtype=kind) for part in torch.split(a * b, list(sizes))])


def precise(vector: Tensor) -> torch.dtype:
    return torch.float32 if vector.device.type == "mps" else torch.float64  # Metal has no float64


def idle_units(sizes: Sequence[Tensor]) -> Tensor:
    """How many units of a layer have a gradient of exactly zero, in all of their weights and the bias; int64 [].

    Such a unit learned nothing from the batch: of a ReLU behind it none was positive for any sample (a "dead" unit
    where that stays so; Lu et al. 2019, "Dying ReLU and Initialization").

    Args:
        sizes: the absolute values of the gradients of weight and bias, [units, values] each.
    """
    largest = [size.amax(1) if size.shape[1] > 1 else size[:, 0] for size in sizes]
    together = largest[0] if len(largest) == 1 else torch.maximum(largest[0], largest[1])
    return (together == 0).sum()


@dataclass(frozen=True)
class Sums:
    """What was summed over the weights of a layer; those of several layers add up.

    Attributes:
        gg, ww, dd, gd, aa: g·g, w·w, dw·dw, g·dw, and a·a with a = w + dw - w_0; NaN where one is not known.
        noise: an estimate of tr(S), the trace of the covariance of single samples' gradients; NaN where there is none.
        idle: see `idle_units`.
        units: of how many.
    """

    gg: float
    ww: float
    dd: float
    gd: float
    aa: float
    noise: float = nan
    idle: float = 0
    units: int = 0

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


def readings(sums: Sums, samples: float) -> dict[str, float]:
    """The quantities of a layer, or of all, by name; NaN where one is not known.

    Args:
        samples: B, how many the gradient is the mean over.
    """
    gradient, weights, update = root(sums.gg), root(sums.ww), root(sums.dd)
    signal = signal_of(sums.gg, sums.noise, samples)
    return {
        "gradient_norm": gradient,
        "weight_norm": weights,
        "update_norm": update,
        "update_ratio": ratio(update, weights),
        "cosine": cosine(sums),
        "distance": root(sums.aa),
        "effective_lr": ratio(update, gradient),
        "scale_free_lr": scale_free_lr(sums),
        "snr": ratio(signal * samples, sums.noise),
        "noise_scale": ratio(sums.noise, signal) if signal > 0 else nan,
        "predicted_change": sums.gd,
        "dead_units": ratio(sums.idle, sums.units),
    }


def cosine(sums: Sums) -> float:
    """-g·dw / (|g| |dw|): 1 where the step goes straight down the gradient, below 0 where it goes up."""
    return -ratio(sums.gd, root(sums.gg) * root(sums.dd))


def scale_free_lr(sums: Sums) -> float:
    """|dw| / (|g| |w|²), the effective learning rate of a layer whose output does not depend on its weights' length.

    Such as one before batch norm: of it a step with lr turns the weights as one with lr / |w|² turns those of length 1
    (van Laarhoven 2017, "L2 Regularization versus Batch and Weight Normalization", section 3).
    """
    return ratio(ratio(root(sums.dd), root(sums.gg)), sums.ww)


def noise_of(squared: float, part: float, samples: float) -> float:
    """tr(S), from |g_part - g|²: the gradient over `part` samples and that over all `samples`, the part among them.

    E|g_part - g|² = tr(S) (1/part - 1/samples), so the quotient is unbiased; for parts that make up the whole its mean
    is the sample covariance (McCandlish et al. 2018, "An Empirical Model of Large-Batch Training", appendix A.1).
    """
    return ratio(squared, 1 / part - 1 / samples)


def signal_of(gg: float, noise: float, samples: float) -> float:
    """|G|², of the gradient over endlessly many samples: E|g|² = |G|² + tr(S) / B. Noise may take it below 0.

    The gradient's signal-to-noise is |G|² B / tr(S), and its noise scale tr(S) / |G|² the batch size at which that is 1
    (McCandlish et al. 2018, equation 2.9: "the simple noise scale"; a larger batch then pays less and less).
    """
    return gg - noise / samples


def root(square: float) -> float:
    return math.sqrt(square) if square >= 0 else nan


def ratio(above: float, below: float) -> float:
    """NaN where nothing is divided by nothing, or by nothing at all."""
    return above / below if below else nan
