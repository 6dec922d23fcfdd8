"""Muon's orthogonalisation, over a whole parameter, in NumPy.

`torch.optim.Muon` computes it in bfloat16, which NumPy does not have: numbers are rounded to 8 significant bits
here after each matrix product, which sums in float32. The order of the sums differs from torch's, so that results agree
to about a bfloat16's own rounding, amplified by the five iterations, and not to the last bit.
"""

import numpy as np
from numpy.typing import NDArray

from optlab.teaching.formulas.ulps import round_to_bfloat16

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # torch's defaults, https://kellerjordan.github.io/posts/muon
EPS = 1e-7


def orthogonal(parameter: NDArray[np.floating], steps: float) -> NDArray[np.floating]:
    """The nearest matrix, or about that, whose singular values are all near 1: U·S'·Vᵀ with S' in 0.5 to 1.5.

    Args:
        parameter: [out, ...]; what is no matrix is taken as [out, columns], as `optlab.muon` does.
        steps: how many times the polynomial is applied, torch's `ns_steps`.

    Returns the Newton-Schulz iteration of torch's defaults, in the parameter's shape and precision.
    """
    matrix = parameter.reshape(len(parameter), -1)
    tall = matrix.shape[0] > matrix.shape[1]
    x = round_to_bfloat16((matrix.T if tall else matrix).astype(np.float32))
    norm = round_to_bfloat16(np.asarray(np.linalg.norm(x), np.float32))
    x = round_to_bfloat16((x / np.maximum(norm, EPS)).astype(np.float32))
    a, b, c = COEFFICIENTS
    for _ in range(int(steps)):
        gram = round_to_bfloat16(x @ x.T)
        update = round_to_bfloat16(b * gram + c * (gram @ gram))
        x = round_to_bfloat16(a * x + update @ x)
    return (x.T if tall else x).reshape(parameter.shape).astype(parameter.dtype)
