"""The surfaces: gradients against autograd's, and minima that nothing lies below."""

import numpy as np
import pytest
import torch

from optlab.teaching.surfaces.functions import SURFACES, Surface, contour_heights

EACH = pytest.mark.parametrize("surface", SURFACES.values(), ids=list(SURFACES))


@EACH
def test_the_gradient_is_autograds(surface: Surface) -> None:
    generator = np.random.default_rng(0)
    for x, y in generator.uniform(-3, 3, size=(50, 2)):
        point = torch.tensor([x, y], requires_grad=True)
        surface.value(*point).backward()
        assert surface.gradient(x, y) == pytest.approx(point.grad.tolist(), rel=1e-12, abs=1e-12)


@EACH
def test_nothing_lies_below_the_known_minima(surface: Surface) -> None:
    for x, y in surface.minima:
        assert surface.value(x, y) == pytest.approx(surface.lowest, abs=1e-15)
        assert surface.gradient(x, y) == pytest.approx((0, 0), abs=1e-12)
        assert surface.across[0] < x < surface.across[1]
        assert surface.along[0] < y < surface.along[1]
    across, along, heights = surface.grid()
    assert heights.min() >= surface.lowest
    row, column = np.unravel_index(heights.argmin(), heights.shape)
    assert surface.to_minimum(across[column], along[row]) < 0.1


@pytest.mark.parametrize(
    ("name", "x", "y", "height"),
    [
        ("rosenbrock", -1.2, 1.0, 24.2),
        ("rastrigin", 1.0, 1.0, 2.0),
        ("rastrigin", 0.5, 0.0, 20.25),
        ("beale", 0.0, 0.0, 14.203125),
        ("ravine", -9.0, 1.0, 90.5),
        ("saddle", 0.0, 0.0, 0.0),
        ("saddle", 0.0, -1.0, -0.25),
    ],
)
def test_known_values(name: str, x: float, y: float, height: float) -> None:
    assert SURFACES[name].value(x, y) == pytest.approx(height, abs=1e-12)


@EACH
def test_contour_lines_rise_within_the_picture(surface: Surface) -> None:
    *_, heights = surface.grid(51)
    lines = contour_heights(surface, heights)
    assert lines == sorted(lines)
    assert surface.lowest < lines[0]
    assert lines[-1] < heights.max()


def test_the_saddle_is_no_minimum() -> None:
    saddle = SURFACES["saddle"]
    assert saddle.gradient(0, 0) == (0, 0)
    assert saddle.value(0.1, 0) > saddle.value(0, 0) > saddle.value(0, 0.1)
