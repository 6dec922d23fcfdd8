"""What the kernels rely on in PyTorch and OpenMP besides documented interfaces; a failure says what was taken away."""

import ast
import ctypes
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.modules import module

import pooled_convolutions
from pooled_convolutions import adapter, openmp
from pooled_convolutions.errors import Unavailable
from tests.pooled_convolutions.helpers import needs_kernels

HERE = Path(pooled_convolutions.__file__).parent
linux = pytest.mark.skipif(sys.platform != "linux", reason="OpenMP is looked for as Linux tells it")


def test_the_package_knows_nothing_of_optlab() -> None:
    for path in HERE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not any(name.split(".")[0] in ("optlab", "hydra", "lightning") for name in names), path.name


@pytest.mark.parametrize(
    "register",
    [
        lambda layer: layer.register_forward_hook(lambda *given: None),
        lambda layer: layer.register_forward_pre_hook(lambda *given: None),
        lambda layer: layer.register_full_backward_hook(lambda *given: None),
        lambda layer: layer.register_full_backward_pre_hook(lambda *given: None),
        lambda layer: module.register_module_forward_hook(lambda *given: None),
        lambda layer: module.register_module_forward_pre_hook(lambda *given: None),
        lambda layer: module.register_module_full_backward_hook(lambda *given: None),
        lambda layer: module.register_module_full_backward_pre_hook(lambda *given: None),
    ],
)
def test_every_kind_of_hook_is_seen(
    register: Callable[[nn.Module], "torch.utils.hooks.RemovableHandle"],
) -> None:
    layer = nn.ReLU()
    assert not adapter.listened_to(layer)
    handle = register(layer)
    try:
        assert adapter.listened_to(layer), (
            "nn.Module keeps hooks in another place: those of joined layers are not called"
        )
    finally:
        handle.remove()


def test_a_forward_of_its_own_is_seen() -> None:
    layer = nn.ReLU()
    layer.forward = lambda input: input  # type: ignore[method-assign]
    assert adapter.listened_to(layer)


class Tall(nn.Linear):
    pass


def test_a_layer_turned_into_a_subclass_is_the_same_object_with_the_same_weights() -> None:
    layer = nn.Linear(2, 3)
    weight, hook = layer.weight, layer.register_forward_hook(lambda *given: None)
    turned = adapter.turn_into(layer, Tall)
    assert turned is layer, "the class of a layer cannot be changed any more: layers have to be replaced"
    assert type(turned) is Tall
    assert turned.weight is weight
    assert adapter.listened_to(turned)
    hook.remove()
    with pytest.raises(TypeError, match="Linear is no Tall"):
        adapter.turn_into(turned, nn.Linear)


# -- OpenMP


@linux
def test_pytorch_works_with_an_openmp_library_that_is_found() -> None:
    assert torch.backends.openmp.is_available(), "this PyTorch is built without OpenMP"
    before = torch.get_num_threads()
    library = openmp.torchs_openmp()
    assert torch.get_num_threads() == before
    assert library.omp_get_max_threads() == before, "torch.set_num_threads no longer sets OpenMP's number"
    for name in openmp.FUNCTIONS:
        assert hasattr(library, name), f"OpenMP has no {name} any more: the kernels need another way to share work"


@needs_kernels
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_team_has_as_many_members_as_pytorch_takes_threads(threads: int) -> None:
    library, members = openmp.torchs_openmp(), []
    task = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(
        lambda data: members.append((library.omp_get_thread_num(), library.omp_get_num_threads()))
    )
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        library.GOMP_parallel(task, None, 0, 0)
    finally:
        torch.set_num_threads(before)
    assert sorted(members) == [(member, threads) for member in range(threads)]


@linux
def test_a_library_that_only_has_the_name_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """scikit-learn's own OpenMP has the functions, and does not set PyTorch's number of threads."""
    import sklearn.cluster  # noqa: F401  (it loads its OpenMP)

    chosen = openmp.torchs_openmp()
    others = [path for path in openmp.loaded() if str(path) != chosen._name]
    if not others:
        pytest.skip("this scikit-learn has no OpenMP of its own")
    for path in others:
        other = ctypes.CDLL(str(path))
        own = other.omp_get_max_threads()
        assert not openmp.leads_torch(other)
        assert other.omp_get_max_threads() == own
    monkeypatch.setattr(openmp, "loaded", lambda: others)
    with pytest.raises(Unavailable, match=r"this PyTorch has none; .*gomp.* is not what it works with"):
        openmp.torchs_openmp()
    monkeypatch.setattr(openmp, "loaded", list)
    with pytest.raises(Unavailable, match=r"this PyTorch has none$"):
        openmp.torchs_openmp()
