"""What PyTorch does not promise, or does at a cost that a run would feel; written against torch 2.11 to 2.14.

`tests/adapters/test_torch.py` says what each function keeps from breaking.
"""

import os
import sys
from collections import defaultdict
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

OMP = "OMP_NUM_THREADS"

# -- the process


def set_float32_precision(tf32: bool) -> None:
    """Make float32 on NVIDIA GPUs mean one thing: TF32 for convolutions and matrix products, or strict float32.

    PyTorch's default is TF32 for the first and strict for the second.
    """
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32


def use_threads(count: int) -> None:
    """Compute on so many threads from now on; OMP_NUM_THREADS is read when torch is imported."""
    torch.set_num_threads(count)


@contextmanager
def on_threads(number: int | None) -> Iterator[None]:
    """Within the block, compute on so many CPU threads; None: as torch, or Lightning, chooses.

    Lightning divides the cores among the processes of a distributed run as it starts them, where OMP_NUM_THREADS does
    not stand against it; and both that variable and the number would stay for the next run of this process.
    """
    before, variable = torch.get_num_threads(), os.environ.get(OMP)
    if number is not None:
        torch.set_num_threads(number)
        os.environ[OMP] = str(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        os.environ.pop(OMP, None)
        os.environ.update({} if variable is None else {OMP: variable})


# -- torch's default generators, which the whole process shares; what takes no generator of its own draws from them


@contextmanager
def keeping_random_state() -> Iterator[None]:
    """Put the CPU's default generator back after the block: what follows draws as if the block had not been."""
    with torch.random.fork_rng(devices=[]):
        yield


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """The CPU's default generator at this seed, put back afterwards: torch's initialisers take no other one."""
    with keeping_random_state():
        torch.default_generator.manual_seed(seed)
        yield


def seed_default(seed: int, device: torch.device) -> None:
    """Start the default generators of the CPU and of this device; `torch.manual_seed` takes 50 times as long."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type != "cpu":
        torch.manual_seed(seed)


def random_state(device: torch.device) -> Tensor:
    """The state of the device's default generator, which dropout draws from."""
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def set_random_state(state: Tensor, device: torch.device) -> None:
    """Put the device's default generator where it was: a run goes on there, and a warm-up leaves no trace."""
    if device.type == "cuda":
        torch.cuda.set_rng_state(state.cpu(), device)
    else:
        torch.set_rng_state(state.cpu())


# -- optimizers


def skip_graph_check(optimizer: Optimizer) -> None:
    """Leave out what many of torch's optimizers ask at each step: whether a GPU is capturing it.

    For a CPU, where the answer is no. Where torch is built for GPUs and the machine has none, the question loads the
    driver's library each time: 0.17 ms, twice Adam's step on a small network.
    """
    for name in ("_accelerator_graph_capture_health_check", "_cuda_graph_capture_health_check"):
        if hasattr(optimizer, name):
            setattr(optimizer, name, lambda: None)


def forget_gradients(optimizer: Optimizer) -> None:
    """What `Optimizer.zero_grad()` does, without its profiling, which costs as much again several times."""
    if type(optimizer).zero_grad is not Optimizer.zero_grad:
        optimizer.zero_grad()
        return
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None


def step_over(rule: Optimizer, groups: list[dict[str, Any]], state: MutableMapping[Tensor, Any]) -> None:
    """One step of `rule` over the groups and the state of another optimizer.

    An optimizer that joins two rules keeps groups and state itself, so that schedules and checkpoints find them.
    """
    rule.param_groups, rule.state = groups, state  # type: ignore[assignment]
    rule.step()
    rule.param_groups, rule.state = [], defaultdict(dict)  # they would keep the gradients alive


# -- networks


def buffers_of(network: nn.Module) -> list[dict[str, Tensor | None]]:
    """Where each layer keeps its buffers by name: `named_buffers` gives values, and not the place to put them back."""
    return [layer._buffers for layer in network.modules()]


def hooks_on(tensor: Tensor) -> list[Any]:
    """The functions that backward calls with this tensor's gradient, or behind it."""
    before, behind = tensor._backward_hooks, tensor._post_accumulate_grad_hooks
    return [*(before or {}).values(), *(behind or {}).values()] if before or behind else []


def normalises_batches(network: nn.Module) -> bool:
    """Whether a layer takes mean and variance over the batch, which one sample does not have."""
    return any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in network.modules())


def keeps_statistics(layer: nn.Module) -> bool:
    """Whether a layer keeps a running mean and variance, by which it normalises in eval mode."""
    return isinstance(layer, nn.modules.batchnorm._NormBase) and layer.track_running_stats


def uncompiled() -> AbstractContextManager[Any]:
    """Within the block, networks that are compiled compute as they are: a batch of another size costs no compiling.

    Torch's compiler takes seconds to import; where it is not, nothing is compiled.
    """
    if "torch._dynamo" not in sys.modules:
        return nullcontext()
    return cast(AbstractContextManager[Any], torch.compiler.set_stance("force_eager"))


def norms(vectors: Sequence[Tensor], kind: torch.dtype) -> Tensor:
    """The Euclidean norm of each vector, summed in this type; [vectors]. One call takes half of the time of many."""
    return torch.stack(torch._foreach_norm(list(vectors), 2.0, kind))


# -- captures


FAULTLESS = (2, 13)  # from this PyTorch on, a capture that fails closes its memory pool (pytorch/pytorch#180395)


class Captures:
    """What captures have left in this process.

    Attributes:
        half_open: one failed, and its pool of memory counts as being filled for as long as the process lives. Giving
            cached memory back then trips over an assertion, and a further capture begins with that.
    """

    half_open = False


def leave_failed_capture(device: torch.device) -> None:
    """Leave the process fit for further runs behind a capture that failed.

    Takes the device's default generator out of the capturing state that a capture may leave it in; a clone is not.
    """
    Captures.half_open |= _version() < FAULTLESS
    generator = torch.cuda.default_generators[device.index]
    generator.graphsafe_set_state(generator.clone_state())


def may_capture() -> bool:
    """Whether a step can still be captured in this process."""
    return not Captures.half_open


def give_memory_back() -> None:
    """Give the memory that torch keeps on GPUs, and nobody uses, to other processes; not where that would fail."""
    if torch.cuda.is_initialized() and not Captures.half_open:  # type: ignore[no-untyped-call]
        torch.cuda.empty_cache()


def _version() -> tuple[int, int]:
    """Of torch: (2, 14)."""
    major, minor = torch.__version__.split(".")[:2]
    return int(major), int(minor)
