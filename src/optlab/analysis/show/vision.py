"""How different two colours look, also to the colour-blind."""

from functools import cache

import numpy as np

from optlab.analysis.judge.statistics import FloatArray

# Machado, Oliveira and Fernandes 2009 ("A Physiologically-based Model for Simulation of Color Vision Deficiency"),
# severity 1, on linear RGB.
DICHROMATS = {
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.01182, 0.04294, 0.968881],
    ],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
}
# Ottosson 2020 ("A perceptual color space for image processing"): linear RGB to cones, cube roots of cones to OKLab.
TO_CONES = [
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
]
TO_OKLAB = [
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
]


def difference(a: str, b: str) -> float:
    """The distance of two colours (`#RRGGBB`) in OKLab: 0.02 is barely seen; the least over kinds of sight.

    A dichromat's counts double, as no choice of many colours keeps theirs as far apart.
    """
    plain, *of_dichromats = (float(np.linalg.norm(x - y)) for x, y in zip(views(a), views(b), strict=True))
    return min(plain, *(2 * distance for distance in of_dichromats))


@cache
def views(shade: str) -> list[FloatArray]:
    """A colour in OKLab, as most people see it and as each kind of dichromat does."""
    light = linear(shade)
    return [oklab(light), *(oklab(np.clip(np.array(mixing) @ light, 0, 1)) for mixing in DICHROMATS.values())]


def oklab(light: FloatArray) -> FloatArray:
    """Linear RGB as lightness and two opponent colours."""
    found: FloatArray = np.array(TO_OKLAB) @ np.cbrt(np.array(TO_CONES) @ light)
    return found


def linear(shade: str) -> FloatArray:
    """`#RRGGBB` as light: the sRGB curve undone."""
    coded = np.array([int(shade[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
